# SPDX-License-Identifier: Apache-2.0
"""Renew the bearer token ahead of its expiry, once per lifetime, by one thread of one process at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

from airflow_provider_clarus.auth._exchange import Exchange
from airflow_provider_clarus.auth._failures import Failure, surely, this_thread
from airflow_provider_clarus.auth._patience import ImpatientError, Patience
from airflow_provider_clarus.auth._token_store import TokenSlot, open_slot, remove_old_slots
from airflow_provider_clarus.auth.token_request import request_token
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusError, ClarusTransientError
from airflow_provider_clarus.policy import patience as policy

log = logging.getLogger(__name__)

#: Seconds before its end at which a token is renewed; the last tenth of its life when that is shorter.
RENEW_AHEAD = 60.0

Token = dict[str, Any]


class AccessToken(str):
    """An access token, which knows whether this very call has fetched it, or found it."""

    is_new: bool

    def __new__(cls, text: str, *, is_new: bool) -> AccessToken:
        """Return the text of a token, with what is known of it."""
        token = super().__new__(cls, text)
        token.is_new = is_new
        return token


class TokenSource:
    """The tokens of one connection, shared by its threads, and by the processes of this machine.

    Whoever asks waits for those who ask already, for as long as a request may take, and shares the outcome: a
    token, or the error. The request itself goes on when whoever has asked for it waits no longer.

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
        self._failure: Failure | None = None
        self._exchange: Exchange[AccessToken] | None = None

    def get(self) -> AccessToken:
        """Return an access token that is still good as far as anyone here knows.

        :raises ClarusAuthError: when the credentials are refused
        :raises ClarusTransientError: when there is no sensible answer, or none in time
        """
        return self._current(refused=None)

    def renew(self, refused: str) -> AccessToken:
        """Return another access token than the one that the server has refused.

        One that is not new came from another process, and can have ended meanwhile like the one before.
        """
        return self._current(refused=refused)

    def _current(self, refused: str | None) -> AccessToken:
        if self._connection.grant_type == "access_token":
            return self._fixed(refused)
        patience = self._patience()
        try:
            while True:
                with self._lock:
                    if _is_good(self._token, refused):
                        return AccessToken(self._token["access_token"], is_new=False)
                    exchange, is_ours = self._exchange, False
                    if exchange is None or exchange.is_over:
                        exchange, is_ours = self._begun(refused), True
                token = exchange.outcome(patience)
                if is_ours:
                    return token
        except ImpatientError as error:
            raise self._not_got(error) from None

    def _begun(self, refused: str | None) -> Exchange[AccessToken]:
        get = partial(self._shared, refused, this_thread())
        try:
            self._exchange = Exchange(get, waits_at_the_end=self._connection.grant_type == "refresh_token")
        except RuntimeError as error:
            # No thread is to be had.
            raise self._not_got(error) from error
        return self._exchange

    def _patience(self) -> Patience:
        # A refusal is asked for twice, with a pause before each.
        return Patience(2 * (self._connection.timeout + policy.TOKEN_PAUSE))

    def _not_got(self, error: Exception) -> ClarusError:
        doing = f"get a token from {self._connection.token_url}"
        return ClarusTransientError(f"Could not {doing}: {error}.", may_have_acted=False)

    def _shared(self, refused: str | None, asker: str) -> AccessToken:
        """Return the token that another process has got, or else get one and leave it for the others."""
        patience = self._patience()
        token, refresh_token = self._token, self._connection.refresh_token
        with ExitStack() as held:
            slots: dict[str, TokenSlot | None] = {}
            failures = [self._failure]
            # Where new refresh tokens are stored, others may begin with a newer one than this connection.
            while refresh_token not in slots:
                slot = slots[refresh_token] = self._slot(held, refresh_token, patience)
                content = slot.read() if slot else {}
                failures.append(Failure.found_in(content))
                token = content if content.get("access_token") else token
                if _is_good(token, refused):
                    self._token = self._announced(token)
                    return AccessToken(token["access_token"], is_new=False)
                if self._on_refresh_token:
                    refresh_token = token.get("refresh_token", refresh_token)
            known = [failure for failure in failures if failure]
            for failure in known:
                failure.share(patience.began, asker)
            used = str(token.get("refresh_token") or refresh_token)
            # Asked for once more, in any form: perhaps the server takes another now.
            forms = iter([token.get("token_auth")])
            try:
                token = surely(lambda: self._fetch(used, next(forms, None)), known)
            except ClarusError as error:
                self._leave(error, slots.values(), asker)
                raise
            self._failure = None
            new = str(token.get("refresh_token", used))
            if self._on_refresh_token and new not in slots:
                slots[new] = self._slot(held, new, patience)
            written = [slot.write(token) for slot in slots.values() if slot]
        # When it is safe: whoever is told may be gone.
        self._token = self._announced(token)
        if new != used:
            self._keep(new, any(written))
        remove_old_slots()
        return AccessToken(token["access_token"], is_new=True)

    def _leave(self, error: ClarusError, slots: Iterable[TokenSlot | None], asker: str) -> None:
        """Let the others know of an error."""
        self._failure = Failure.of(error, asker)
        if isinstance(error, ClarusAuthError):
            # Perhaps the server takes another form now.
            self._token.pop("token_auth", None)
        for slot in filter(None, slots):
            content = slot.read()
            if isinstance(error, ClarusAuthError):
                content.pop("token_auth", None)
            slot.write(content | self._failure.as_dict())

    def _keep(self, refresh_token: str, is_kept: bool) -> None:
        client = self._connection.client_id
        if self._on_refresh_token:
            try:
                self._on_refresh_token(refresh_token)
                is_kept = True
            except Exception:
                # The token is good all the same, and this machine's other processes know it.
                log.exception("The new refresh token of client %r was not stored", client)
        if not is_kept:
            log.warning(
                "Clarus has ended the refresh token of client %r and given a new one, which is kept nowhere: "
                "the next process will be refused. Name a function that stores it, "
                "[clarus] on_refresh_token, or give this user a folder of its own (XDG_STATE_HOME).",
                client,
            )

    def _announced(self, token: Token) -> Token:
        for secret in filter(None, (token["access_token"], token.get("refresh_token"))):
            self._on_secret(secret)
        return token

    def _fixed(self, refused: str | None) -> AccessToken:
        if refused:
            raise ClarusAuthError(
                "Clarus refused the connection's access token. It has expired or was revoked: enter a new "
                "one, or use grant_type client_credentials, which renews by itself."
            )
        return AccessToken(self._connection.access_token, is_new=False)

    def _slot(self, held: ExitStack, refresh_token: str, patience: Patience) -> TokenSlot | None:
        connection = self._connection
        # A user's tokens have the scopes that the user has agreed to, whatever the connection says.
        scope = connection.scope if connection.grant_type == "client_credentials" else ""
        place = (connection.token_url, scope, connection.client_id, connection.client_secret, refresh_token)
        try:
            return held.enter_context(open_slot(*place, patience=patience))
        except OSError as error:
            log.info("Tokens are not shared between processes here: %s", error)
            return None

    def _fetch(self, refresh_token: str, known_form: object) -> Token:
        connection = self._connection
        if connection.grant_type == "refresh_token":
            # Without a scope: more than was granted is refused, for good (RFC 6749, 6).
            grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        else:
            grant = {"grant_type": "client_credentials", "scope": connection.scope}
        answer, form = request_token(connection, grant, known_form)
        log.info("Got a token from %s", connection.token_url)
        # A server that does not rotate refresh tokens may leave it out (RFC 6749, 6).
        renewing = {"refresh_token": refresh_token} if refresh_token else {}
        return renewing | _token(answer, time.time()) | {"token_auth": form}


def _token(answer: Token, now: float) -> Token:
    """Return what is kept of a token answer."""
    lifetime = _lifetime(answer.get("expires_in"))
    kept = {key: answer[key] for key in ("access_token", "refresh_token") if answer.get(key)}
    if lifetime:
        kept["renew_at"] = now + max(lifetime - RENEW_AHEAD, 0.9 * lifetime)
    return kept


def _lifetime(expires_in: object) -> float | None:
    """Return seconds; ``None`` for what is no positive number: such a token is good until it is refused."""
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float | str):
        return None
    try:
        seconds = float(expires_in)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < float("inf") else None


def _is_good(token: Token, refused: str | None) -> bool:
    access_token = token.get("access_token")
    return (
        bool(access_token) and access_token != refused and time.time() < token.get("renew_at", float("inf"))
    )
