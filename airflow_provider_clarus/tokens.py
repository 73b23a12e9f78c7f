# SPDX-License-Identifier: Apache-2.0
"""The bearer token: fetched once per lifetime, ahead of its end, by one thread of one process at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import requests
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from airflow_provider_clarus import transport
from airflow_provider_clarus.connection import ClarusConnection
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusRejectedError,
    ClarusTransientError,
)
from airflow_provider_clarus.responses import error_for, server_words
from airflow_provider_clarus.token_store import TokenSlot, open_slot

log = logging.getLogger(__name__)
# At DEBUG this library logs tokens, secrets and bodies.
logging.getLogger("requests_oauthlib").setLevel(logging.INFO)

#: Seconds before its end at which a token is renewed; the last tenth of its life when that is shorter.
RENEW_AHEAD = 60.0

Token = dict[str, Any]


class TokenSource:
    """The tokens of one connection, shared by its threads, and by the processes of this machine.

    :param on_secret: is told each secret that arrives, so that it can be masked in logs
    """

    def __init__(self, connection: ClarusConnection, on_secret: Callable[[str], None]) -> None:
        self._connection = connection
        self._on_secret = on_secret
        self._lock = threading.Lock()
        self._token: Token = {}

    def get(self) -> str:
        """Return an access token that is still good as far as anyone here knows.

        :raises ClarusAuthError: when the credentials are refused
        :raises ClarusTransientError: when there is no sensible answer
        """
        return self._current(refused=None)

    def renew(self, refused: str) -> str:
        """Return another access token than the one that the server has refused."""
        return self._current(refused=refused)

    def _current(self, refused: str | None) -> str:
        if self._connection.grant_type == "access_token":
            return self._fixed(refused)
        with self._lock:
            if not _is_good(self._token, refused):
                with self._slot() as slot:
                    shared = (slot and slot.read()) or {}
                    if not _is_good(shared, refused):
                        shared = self._fetch(shared.get("refresh_token") or self._connection.refresh_token)
                        if slot:
                            slot.write(shared)
                self._token = shared
                self._on_secret(shared["access_token"])
            return str(self._token["access_token"])

    def _fixed(self, refused: str | None) -> str:
        if refused:
            raise ClarusAuthError(
                "Clarus refused the connection's access token. It has expired or was revoked: enter a new "
                "one, or use grant_type client_credentials, which renews by itself."
            )
        return self._connection.access_token

    @contextmanager
    def _slot(self) -> Iterator[TokenSlot | None]:
        connection = self._connection
        with ExitStack() as stack:
            try:
                slot = stack.enter_context(
                    open_slot(
                        connection.token_url,
                        connection.scope,
                        connection.client_id,
                        connection.client_secret,
                        connection.refresh_token,
                    )
                )
            except OSError as error:
                log.info("Tokens are not shared between processes here: %s", error)
                slot = None
            yield slot

    def _fetch(self, refresh_token: str) -> Token:
        connection = self._connection
        doing = f"get a token from {connection.token_url} for client {connection.client_id!r}"
        client = BackendApplicationClient(connection.client_id, scope=connection.scope or None)
        url, options = transport.secure(connection.token_url), transport.options(connection)
        # Bytes, since requests would encode text as Latin-1.
        basic = HTTPBasicAuth(connection.client_id.encode(), connection.client_secret.encode())
        with OAuth2Session(client=client) as session:
            transport.mount(session, connection)
            session.max_redirects = 0
            for kind in ("access_token_response", "refresh_token_response"):
                session.register_compliance_hook(kind, lambda response: _checked(response, doing))
            try:
                if connection.grant_type == "refresh_token":
                    answer = session.refresh_token(url, refresh_token=refresh_token, auth=basic, **options)
                else:
                    answer = session.fetch_token(url, auth=basic, **options)
            except requests.RequestException as error:
                raise transport.failure(error, doing) from None
            except OAuth2Error as error:
                raise ClarusTransientError(f"Could not {doing}: the answer is no token: {error}") from None
            except Warning as narrowed:
                # oauthlib raises a warning when the server grants fewer scopes than it was asked for.
                answer = narrowed.token  # type: ignore[attr-defined]
        log.info("Got a token from %s", connection.token_url)
        return _token(answer, time.time())


def _checked(response: requests.Response, doing: str) -> requests.Response:
    if not response.ok:
        error = error_for(response, doing)
        if isinstance(error, ClarusRejectedError | ClarusAuthError):
            # RFC 6749, 5.2: 400 for invalid_grant, invalid_scope and their like, 401 for invalid_client.
            raise ClarusAuthError(f"{error} Check login, password, scope and grant_type as well.")
        raise error
    try:
        answer = response.json()
        sensible = bool(answer["access_token"]) and float(answer.get("expires_in", 0)) >= 0
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        sensible = False
    if not sensible:
        raise ClarusTransientError(
            f"Could not {doing}: the answer is not a token: {server_words(response.content)}"
        )
    return response


def _token(answer: Token, now: float) -> Token:
    lifetime = answer.get("expires_in")
    kept = {key: answer[key] for key in ("access_token", "refresh_token") if answer.get(key)}
    if lifetime is not None:
        kept["renew_at"] = now + max(float(lifetime) - RENEW_AHEAD, 0.9 * float(lifetime))
    return kept


def _is_good(token: Token, refused: str | None) -> bool:
    return (
        bool(token) and token["access_token"] != refused and time.time() < token.get("renew_at", float("inf"))
    )
