# SPDX-License-Identifier: Apache-2.0
"""Issue tokens: the token endpoint (RFC 6749), its grants, and what it has issued."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from airflow_provider_clarus.sandbox.clock import Clock

USER = "clarus-user"
"""Who signs in at ``/oauth/authorize``, unless its ``login_hint`` names someone else."""

CODE_LIFETIME = 60.0


@dataclass(frozen=True)
class Code:
    """An authorization code, waiting to be exchanged once."""

    user: str
    redirect_uri: str
    challenge: str
    expires: float


class OAuthError(Exception):
    """An error in the form of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400):
        super().__init__(error)
        self.status = status
        self.body = {"error": error, "error_description": description}


class Authority:
    """Issues tokens to one client and knows whose they are."""

    def __init__(self, client_id: str, client_secret: str, token_lifetime: float, clock: Clock):
        self.client_id = client_id
        self.client_secret = client_secret
        self.token_lifetime = token_lifetime
        self._clock = clock
        self._access: dict[str, tuple[str, float]] = {}
        self._refresh: dict[str, str] = {}
        self._codes: dict[str, Code] = {}

    def issue(self, user: str, *, refreshable: bool, scope: str | None = None) -> dict[str, Any]:
        """Return a token answer for a user; a client that acts for itself is its own user."""
        token = secrets.token_urlsafe(24)
        self._access[token] = (user, self._clock.time() + self.token_lifetime)
        answer: dict[str, Any] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(self.token_lifetime),
            "created_at": int(self._clock.time()),
        }
        if scope:
            answer["scope"] = scope
        if refreshable:
            answer["refresh_token"] = secrets.token_urlsafe(24)
            self._refresh[answer["refresh_token"]] = user
        return answer

    def revoke_all(self) -> None:
        """End every access token; refresh tokens stay good."""
        self._access.clear()

    def user_of(self, authorization: str) -> str | None:
        """Return whose bearer token this header carries, ``None`` when it is not, or no longer, good."""
        scheme, _, token = authorization.partition(" ")
        user, expires = self._access.get(token, ("", 0.0))
        return user if scheme.lower() == "bearer" and self._clock.time() < expires else None

    async def token(self, request: Request) -> Response:
        """``POST /oauth/token``."""
        headers = {"Cache-Control": "no-store"}
        try:
            return JSONResponse(self._grant(request, await request.body()), headers=headers)
        except OAuthError as error:
            if error.status == 401:
                headers["WWW-Authenticate"] = 'Basic realm="Clarus"'
            return JSONResponse(error.body, error.status, headers)

    def _grant(self, request: Request, body: bytes) -> dict[str, Any]:
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            raise OAuthError("invalid_request", "The body must be application/x-www-form-urlencoded.")
        form = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
        grant_type = form.get("grant_type")
        if grant_type is None:
            raise OAuthError("invalid_request", "Missing required parameter: grant_type.")
        self._check_client(
            form, request.headers.get("authorization", ""), public=grant_type == "authorization_code"
        )
        if grant_type == "client_credentials":
            return self.issue(self.client_id, refreshable=False, scope=form.get("scope"))
        if grant_type == "refresh_token":
            user = self._refresh.pop(form.get("refresh_token", ""), None)
        elif grant_type == "authorization_code":
            user = self._redeem(form)
        else:
            raise OAuthError("unsupported_grant_type", f"The grant type {grant_type} is not supported.")
        if user is None:
            raise OAuthError("invalid_grant", "The grant is invalid, expired, revoked, or was used before.")
        return self.issue(user, refreshable=True, scope=form.get("scope"))

    def _check_client(self, form: Mapping[str, str], authorization: str, *, public: bool) -> None:
        """Compare id and secret, from HTTP Basic or the body; a public client has none, but PKCE."""
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.lower().startswith("basic "):
            try:
                client_id, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                secret = ""
        # Section 2.3.1 wants both form-encoded in HTTP Basic, which many clients leave out.
        known = self.client_id in (client_id, unquote_plus(client_id))
        if not known or not (self.client_secret in (secret, unquote_plus(secret)) or (public and not secret)):
            raise OAuthError("invalid_client", "Client authentication failed.", status=401)

    async def authorize(self, request: Request) -> Response:
        """``GET /oauth/authorize``: the user is signed in and agrees at once."""
        query = request.query_params
        redirect_uri = query.get("redirect_uri", "")
        if query.get("client_id") != self.client_id or not _is_loopback(redirect_uri):
            # Section 4.1.2.1: never send a browser to an address that was not registered.
            return JSONResponse({"error": "invalid_request"}, 400)
        answer = {"state": query["state"]} if "state" in query else {}
        if query.get("response_type") != "code":
            answer["error"] = "unsupported_response_type"
        elif query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            answer["error"] = "invalid_request"
        else:
            answer["code"] = secrets.token_urlsafe(24)
            self._codes[answer["code"]] = Code(
                user=query.get("login_hint", USER),
                redirect_uri=redirect_uri,
                challenge=query["code_challenge"],
                expires=self._clock.time() + CODE_LIFETIME,
            )
        return RedirectResponse(
            f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(answer)}", 302
        )

    def _redeem(self, form: Mapping[str, str]) -> str | None:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or self._clock.time() > code.expires or code.redirect_uri != form.get("redirect_uri"):
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return code.user if hmac.compare_digest(challenge.encode(), code.challenge.encode()) else None


def _is_loopback(redirect_uri: str) -> bool:
    try:
        target = urlsplit(redirect_uri)
    except ValueError:
        return False
    return target.scheme == "http" and target.hostname in ("127.0.0.1", "localhost", "::1")
