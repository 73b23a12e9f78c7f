# SPDX-License-Identifier: Apache-2.0
"""Request one token at the token endpoint (RFC 6749), whichever grant it is for.

The requests are those of ``requests-oauthlib``. Its parser of answers takes more for granted than servers
keep to (that a lifetime is a whole number, a scope the one that was asked for), so answers are read here.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_clarus.auth._client_auth import Form, forms, sent
from airflow_provider_clarus.connection.connection import ClarusConnection, is_one_word
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusError, ClarusTransientError
from airflow_provider_clarus.http import transport
from airflow_provider_clarus.http.responses import retry_after, server_words
from airflow_provider_clarus.policy.answers import Call, is_own_error, row_of_token

if TYPE_CHECKING:
    from requests_oauthlib import OAuth2Session

# At DEBUG this library logs tokens, secrets and bodies.
logging.getLogger("requests_oauthlib").setLevel(logging.INFO)

_LOGIN = "python -m airflow_provider_clarus.login"
#: What a person can do about an error of RFC 6749, 5.2.
_REMEDIES = {
    "invalid_client": "Check the connection's login (client ID) and password (client secret), and how they "
    "are sent: extra token_auth.",
    "invalid_scope": "Check extra scope: a client may ask for no more than Clarus has given it.",
    "unauthorized_client": "Check extra grant_type: Clarus does not let this client use that grant.",
    "unsupported_grant_type": "Check extra grant_type and token_url: this server does not know that grant.",
}
_INVALID_GRANT = {
    "refresh_token": "The refresh token was used before (it may be good once only), has ended, or is another "
    f"client's: {_LOGIN} gets a new one.",
    "authorization_code": "The code was used before, is too old, or is another client's: sign in again.",
}
_OTHERWISE = "Check the connection's login (client ID), password (client secret) and scope."
_WHERE = "Check the connection's host, and extra token_url."
_NOT_ABOUT_THE_CLIENT = ("invalid_grant", "invalid_scope", "unsupported_grant_type")


def request_token(
    connection: ClarusConnection, grant: Mapping[str, str], known_form: object = None
) -> tuple[dict[str, Any], Form]:
    """Ask for a token; return the answer, which has a usable ``access_token``, and the form that was taken.

    :param grant: the parameters of the grant; empty ones are left out
    :param known_form: the form in which this server has taken id and secret before
    :raises ClarusAuthError: when the credentials, or the grant, are refused
    :raises ClarusTransientError: when there is no sensible answer
    """
    end = time.monotonic() + connection.timeout
    possible = forms(connection, known_form)
    for form in possible:
        try:
            return _ask(connection, grant, form, end - time.monotonic()), form
        except _ClientRefusedError as error:
            refusal = error.refusal
    raise refusal


class _ClientRefusedError(Exception):
    """The server does not know the client, or not in this form."""

    def __init__(self, refusal: ClarusError) -> None:
        super().__init__(refusal)
        self.refusal = refusal


def _ask(
    connection: ClarusConnection, grant: Mapping[str, str], form: Form, seconds: float
) -> dict[str, Any]:
    doing = f"get a token from {connection.token_url} for client {connection.client_id!r}"
    kind = grant["grant_type"]
    answers: list[dict[str, Any]] = []

    def plain(response: requests.Response, *_: Any, **__: Any) -> None:
        # The library takes the text of whatever comes, and a header may name any of Python's codecs.
        response.encoding = "utf-8"

    def read(response: requests.Response) -> requests.Response:
        answer = _parsed(response, doing)
        if response.status_code >= 300 or answer.get("error"):
            raise _refused(response, answer, doing, kind)
        answers.append(_token_answer(answer, response, doing))
        # What is left is what the library takes any way.
        response._content = json.dumps({"access_token": "-", "token_type": "Bearer"}).encode()
        return response

    with _session(connection, grant) as session:
        transport.mount(session, connection.token_url)
        session.hooks["response"].append(plain)
        for hook in ("access_token_response", "refresh_token_response"):
            session.register_compliance_hook(hook, read)
        options: dict[str, Any] = transport.options(connection)
        options["timeout"] = max(round(seconds, 2), 0.1)
        url, who = transport.secure(connection.token_url), sent(connection, form)
        try:
            if kind == "refresh_token":
                session.refresh_token(url, grant["refresh_token"], auth=who.auth, **options | who.body)
            else:
                options |= {name: grant[name] for name in ("code", "code_verifier") if grant.get(name)}
                options["client_secret"] = who.body.get("client_secret")
                session.fetch_token(url, auth=who.auth, include_client_id=bool(who.body), **options)
        except requests.RequestException as error:
            raise transport.failure(error, doing) from None
    return answers[0]


def _session(connection: ClarusConnection, grant: Mapping[str, str]) -> OAuth2Session:
    # Imported where a token is asked for: most tasks find one that another has got.
    from oauthlib.oauth2 import BackendApplicationClient, WebApplicationClient
    from requests_oauthlib import OAuth2Session

    has_code = grant["grant_type"] == "authorization_code"
    client_class = WebApplicationClient if has_code else BackendApplicationClient
    client = client_class(connection.client_id, scope=grant.get("scope") or None)
    return OAuth2Session(client=client, redirect_uri=grant.get("redirect_uri"))


def _refused(
    response: requests.Response, answer: Mapping[str, Any], doing: str, grant_type: str
) -> ClarusError | _ClientRefusedError:
    status, code = response.status_code, str(answer.get("error"))
    row = row_of_token(status, answer)
    said = f"Could not {doing}: Clarus answered {status}: {server_words(response.content).rstrip('.')}."
    if row.error is not ClarusAuthError:
        # No verdict of a token endpoint: a firewall's, a proxy's, another address's.
        own = is_own_error(Call.TOKEN, status, answer)
        remedy = "" if own or status >= 500 or status == 429 else _WHERE
        pause = retry_after(response.headers, datetime.now(timezone.utc))
        later = ClarusTransientError(f"{said} {remedy}".rstrip(), status=status, retry_after=pause)
        return _ClientRefusedError(later) if status == 401 else later
    remedies = _REMEDIES | {"invalid_grant": _INVALID_GRANT.get(grant_type, _OTHERWISE)}
    remedy = remedies.get(code, _WHERE if status in (404, 405) else _OTHERWISE)
    refusal = ClarusAuthError(f"{said} {remedy}", status=status, symbol=code)
    about_client = code == "invalid_client" or (status == 401 and code not in _NOT_ABOUT_THE_CLIENT)
    return _ClientRefusedError(refusal) if about_client else refusal


def _parsed(response: requests.Response, doing: str) -> Mapping[str, Any]:
    """Return the JSON object that an answer is, an empty one where it is none."""

    def unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = dict(pairs)
        if len(names) < len(pairs):
            raise ClarusTransientError(f"Could not {doing}: the answer says one thing twice. {_WHERE}")
        return names

    try:
        answer = json.loads(response.content, object_pairs_hook=unambiguous)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _token_answer(answer: Mapping[str, Any], response: requests.Response, doing: str) -> dict[str, Any]:
    refresh_token = answer.get("refresh_token") or ""
    access_token = answer.get("access_token")
    if not (isinstance(access_token, str) and is_one_word(access_token) and isinstance(refresh_token, str)):
        # A body that is nearly a token answer may have a token in it.
        private = b"access_token" in response.content or b"refresh_token" in response.content
        shown = "(not shown)" if private else server_words(response.content)
        raise ClarusTransientError(f"Could not {doing}: the answer is not a token: {shown} {_WHERE}")
    kind = answer.get("token_type") or "Bearer"
    if str(kind).lower() != "bearer":
        raise ClarusAuthError(
            f"Could not {doing}: the token is of type {str(kind)[:40]!r}, and the API takes Bearer tokens. "
            f"{_WHERE}"
        )
    return dict(answer)
