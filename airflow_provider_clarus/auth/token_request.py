# SPDX-License-Identifier: Apache-2.0
"""One token, asked for at the token endpoint (RFC 6749), whichever grant it is for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import requests

from airflow_provider_clarus.auth._client_auth import Form, forms, sent
from airflow_provider_clarus.connection.connection import ClarusConnection, is_one_word
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusError, ClarusTransientError
from airflow_provider_clarus.http import transport
from airflow_provider_clarus.http.responses import retry_after, server_words
from airflow_provider_clarus.policy import Call, Said, is_own_error, row_of

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
# Said with status 400 by some, and no verdict on anybody.
_LATER = ("server_error", "temporarily_unavailable", "slow_down")
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
    body, headers = sent(connection, form)
    with requests.Session() as session:
        # Keeps requests from adding credentials of a .netrc to those that the form is about.
        session.auth = lambda request: request
        transport.mount(session, connection.token_url)
        options = transport.options(connection)
        try:
            response = session.post(
                transport.secure(connection.token_url),
                data={name: value for name, value in grant.items() if value} | body,
                headers=headers | {"Accept": "application/json"},
                **options | {"timeout": max(round(seconds, 2), 0.1)},
            )
        except requests.RequestException as error:
            raise transport.failure(error, doing) from None
    answer = _parsed(response, doing)
    if response.status_code >= 300 or answer.get("error"):
        raise _refused(response, answer, doing, grant["grant_type"])
    return _token_answer(answer, response, doing)


def _refused(
    response: requests.Response, answer: Mapping[str, Any], doing: str, grant_type: str
) -> ClarusError | _ClientRefusedError:
    status, code = response.status_code, str(answer.get("error"))
    own = is_own_error(Call.TOKEN, status, answer) and code not in _LATER
    # Some say with a success that it is none.
    row = row_of(Call.TOKEN, status if status >= 300 else 400, Said.OWN if own else Said.FOREIGN)
    said = f"Could not {doing}: Clarus answered {status}: {server_words(response.content).rstrip('.')}."
    if row.error is not ClarusAuthError:
        # No verdict of a token endpoint: a firewall's, a proxy's, another address's.
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
