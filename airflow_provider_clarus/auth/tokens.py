# SPDX-License-Identifier: Apache-2.0
"""The bearer token: fetched once per lifetime, ahead of its end, by one thread of one process at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from airflow_provider_clarus.auth._token_store import TokenSlot, open_slot
from airflow_provider_clarus.auth.token_request import fetch_token
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusAuthError

log = logging.getLogger(__name__)

#: Seconds before its end at which a token is renewed; the last tenth of its life when that is shorter.
RENEW_AHEAD = 60.0

Token = dict[str, Any]


class TokenSource:
    """The tokens of one connection, shared by its threads, and by the processes of this machine.

    :param on_secret: is told each secret that arrives, so that it can be masked in logs
    :param on_refresh_token: is told each new refresh token, so that it can be stored: the one before is
        good no more
    """

    def __init__(
        self,
        connection: ClarusConnection,
        on_secret: Callable[[str], None],
        on_refresh_token: Callable[[str], None] | None = None,
    ) -> None:
        self._connection = connection
        self._on_secret = on_secret
        self._on_refresh_token = on_refresh_token if connection.grant_type == "refresh_token" else None
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
                self._token = self._shared(refused)
            return str(self._token["access_token"])

    def _shared(self, refused: str | None) -> Token:
        """Return the token that another process has got, or else get one and leave it for the others."""
        token, refresh_token = self._token, self._connection.refresh_token
        with ExitStack() as held:
            slots: dict[str, TokenSlot | None] = {}
            # Where new refresh tokens are stored, others may begin with a newer one than this connection.
            while refresh_token not in slots:
                slot = slots[refresh_token] = self._slot(held, refresh_token)
                token = (slot and slot.read()) or token
                if _is_good(token, refused):
                    return self._announced(token)
                if self._on_refresh_token:
                    refresh_token = token.get("refresh_token", refresh_token)
            used = token.get("refresh_token") or refresh_token
            token = self._announced(self._fetch(used))
            new = str(token.get("refresh_token", used))
            if self._on_refresh_token and new not in slots:
                slots[new] = self._slot(held, new)
            for slot in filter(None, slots.values()):
                slot.write(token)
        if self._on_refresh_token and new != used:
            self._store(self._on_refresh_token, new)
        return token

    def _store(self, store: Callable[[str], None], refresh_token: str) -> None:
        try:
            store(refresh_token)
        except Exception:
            # The token is good all the same, and this machine's other processes know it.
            log.exception("The new refresh token of client %r was not stored", self._connection.client_id)

    def _announced(self, token: Token) -> Token:
        for secret in filter(None, (token["access_token"], token.get("refresh_token"))):
            self._on_secret(secret)
        return token

    def _fixed(self, refused: str | None) -> str:
        if refused:
            raise ClarusAuthError(
                "Clarus refused the connection's access token. It has expired or was revoked: enter a new "
                "one, or use grant_type client_credentials, which renews by itself."
            )
        return self._connection.access_token

    def _slot(self, held: ExitStack, refresh_token: str) -> TokenSlot | None:
        connection = self._connection
        place = (connection.token_url, connection.scope, connection.client_id, connection.client_secret)
        try:
            return held.enter_context(open_slot(*place, refresh_token))
        except OSError as error:
            log.info("Tokens are not shared between processes here: %s", error)
            return None

    def _fetch(self, refresh_token: str) -> Token:
        connection = self._connection
        client = BackendApplicationClient(connection.client_id, scope=connection.scope or None)
        with OAuth2Session(client=client) as session:
            if connection.grant_type == "refresh_token":
                answer = fetch_token(connection, session, refresh_token=refresh_token)
                # A server that does not rotate refresh tokens may leave it out (RFC 6749, section 6).
                answer = {"refresh_token": refresh_token, **answer}
            else:
                answer = fetch_token(connection, session)
        log.info("Got a token from %s", connection.token_url)
        return _token(answer, time.time())


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
