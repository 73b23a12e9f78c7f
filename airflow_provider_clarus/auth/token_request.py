# SPDX-License-Identifier: Apache-2.0
"""One request to the token endpoint (RFC 6749), whichever grant it is for."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import requests
from oauthlib.oauth2 import OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from airflow_provider_clarus.connection.connection import ClarusConnection, is_one_word
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusTransientError
from airflow_provider_clarus.http import transport
from airflow_provider_clarus.http.responses import error_for, server_words

# At DEBUG this library logs tokens, secrets and bodies.
logging.getLogger("requests_oauthlib").setLevel(logging.INFO)


def fetch_token(connection: ClarusConnection, session: OAuth2Session, **grant: Any) -> dict[str, Any]:
    """Ask for a token and return the answer, which has a usable ``access_token``.

    :param session: of the kind of client that the grant is for
    :param grant: ``refresh_token``, or what ``OAuth2Session.fetch_token`` takes for its kind of client
    :raises ClarusAuthError: when the credentials are refused
    :raises ClarusTransientError: when there is no sensible answer
    """
    doing = f"get a token from {connection.token_url} for client {connection.client_id!r}"
    remedy = "Check the connection's login (client ID), password (client secret) and scope."
    if "refresh_token" in grant:
        remedy += (
            " A refresh token may be good once only: python -m airflow_provider_clarus.login gets a new one."
        )
    transport.mount(session, connection.token_url)
    for kind in ("access_token_response", "refresh_token_response"):
        session.register_compliance_hook(kind, partial(_checked, doing=doing, remedy=remedy))
    ask = session.refresh_token if "refresh_token" in grant else session.fetch_token
    # Bytes, since requests would encode text as Latin-1.
    basic = HTTPBasicAuth(connection.client_id.encode(), connection.client_secret.encode())
    try:
        answer: dict[str, Any] = ask(
            transport.secure(connection.token_url), auth=basic, **grant, **transport.options(connection)
        )
    except requests.RequestException as error:
        raise transport.failure(error, doing) from None
    except (OAuth2Error, ValueError, TypeError, AttributeError, OverflowError) as error:
        # oauthlib takes it for granted that a scope is a text, and a lifetime a whole number.
        raise ClarusTransientError(f"Could not {doing}: the answer is no token: {error}") from None
    except Warning as narrowed:
        # oauthlib raises a warning when the server grants fewer scopes than it was asked for.
        answer = narrowed.token  # type: ignore[attr-defined]
    return answer


def _checked(response: requests.Response, *, doing: str, remedy: str) -> requests.Response:
    if response.status_code >= 300:
        # RFC 6749, 5.2: 400 for invalid_grant, invalid_scope and their like, 401 for invalid_client.
        if response.status_code in (400, 401):
            words = server_words(response.content).rstrip(".")
            raise ClarusAuthError(
                f"Could not {doing}: Clarus answered {response.status_code}: {words}. {remedy}"
            )
        raise error_for(response, doing)
    try:
        answer = response.json()
        sensible = (
            is_one_word(answer["access_token"])
            and isinstance(answer.get("refresh_token") or "", str)
            and 0 <= float(answer.get("expires_in") or 0) < float("inf")
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        sensible = False
    if not sensible:
        # A body that is nearly a token answer may have a token in it.
        private = b"access_token" in response.content or b"refresh_token" in response.content
        shown = "(not shown)" if private else server_words(response.content)
        raise ClarusTransientError(f"Could not {doing}: the answer is not a token: {shown}")
    return response
