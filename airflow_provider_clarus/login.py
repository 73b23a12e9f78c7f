# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_clarus.login``: sign in as a report's owner, and get a connection for Airflow.

The authorization code flow with PKCE (RFC 7636) over a redirect to this machine (RFC 8252). The connection
goes to standard output, as JSON and as a URI, everything else to standard error.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import time
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import Connection
from oauthlib.oauth2 import OAuth2Error
from oauthlib.oauth2.rfc6749.parameters import parse_authorization_code_response
from requests_oauthlib import OAuth2Session

from airflow_provider_clarus.auth.token_request import fetch_token
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusError
from airflow_provider_clarus.http.transport import secure

SECRET_VARIABLE = "CLARUS_CLIENT_SECRET"  # noqa: S105 - the name of one
CALLBACK = "/callback"


class LoopbackServer(HTTPServer):
    """Waits on this machine for the browser to come back with an authorization code."""

    #: Seconds for which one call of ``handle_request`` waits.
    timeout = 1.0
    answer = ""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Callback)
        self.redirect_uri = f"http://127.0.0.1:{self.server_port}{CALLBACK}"

    def wait(self, seconds: float) -> str:
        """Return the address to which the browser was sent back.

        :raises ClarusAuthError: when nobody came within ``seconds``
        """
        deadline = time.monotonic() + seconds
        while not self.answer and time.monotonic() < deadline:
            self.handle_request()
        if not self.answer:
            raise ClarusAuthError(f"Nobody signed in within {seconds:g} s.")
        return self.answer


class _Callback(BaseHTTPRequestHandler):
    server: LoopbackServer
    timeout = 5.0

    def do_GET(self) -> None:
        found = urlsplit(self.path).path == CALLBACK
        if found:
            self.server.answer = f"{self.server.redirect_uri.removesuffix(CALLBACK)}{self.path}"
        body = b"Back to the terminal: this window is not needed any more." if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
        """Log nothing: the request has the code in it."""


def sign_in(
    connection: ClarusConnection, show: Callable[[str], object], *, port: int = 0, timeout: float = 300
) -> dict[str, Any]:
    """Let a user sign in and agree, and return the answer with the user's tokens.

    :param show: is called with the address to open in a browser
    :param port: of the redirect to 127.0.0.1, for a server that knows only one; 0 for a free one
    :param timeout: seconds to wait for the user
    :raises ClarusAuthError: when the user does not agree, or not in time
    """
    with (
        LoopbackServer(port) as server,
        OAuth2Session(
            connection.client_id,
            redirect_uri=server.redirect_uri,
            scope=connection.scope or None,
            pkce="S256",
        ) as session,
    ):
        # oauthlib takes nothing that is not https, not even on this machine.
        page = f"{connection.base_url}/oauth/authorize"
        url, state = session.authorization_url(secure(page))
        show(url.replace(secure(page), page, 1))
        try:
            answer = parse_authorization_code_response(secure(server.wait(timeout)), state)
        except OAuth2Error as error:
            raise ClarusAuthError(f"Clarus gave no code: {error}") from None
        return fetch_token(connection, session, code=answer["code"])


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _options(arguments)
    secret = os.environ.get(SECRET_VARIABLE)
    if secret is None:
        secret = getpass.getpass("Client secret (empty if it has none): ", stream=sys.stderr)
    fields = {
        "conn_id": "clarus_default",
        "conn_type": "clarus",
        "host": options.host,
        "login": options.client_id,
        "password": secret or None,
        "schema": options.tenant,
    }
    # Read once as it will be, with something in the place of the token that is to come.
    extra = {"grant_type": "refresh_token", "refresh_token": "…", "scope": options.scope}
    try:
        connection = ClarusConnection.from_airflow(Connection(**fields, extra=json.dumps(extra)))
        tokens = sign_in(replace(connection, refresh_token=""), _show, port=options.port)
    except ClarusError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    grant = "refresh_token" if tokens.get("refresh_token") else "access_token"
    if grant == "access_token":
        print("Clarus gave no refresh token: this connection ends with its token.", file=sys.stderr)  # noqa: T201
    extra = {"grant_type": grant, grant: tokens[grant], "scope": options.scope}
    extra = {name: value for name, value in extra.items() if value}
    made = Connection(**fields, extra=json.dumps(extra))
    stored = {name: value for name, value in fields.items() if value and name != "conn_id"}
    print(json.dumps({**stored, "extra": extra}))  # noqa: T201
    print(made.get_uri())  # noqa: T201
    return 0


def _show(url: str) -> None:
    print(f"Sign in as the user who owns the reports:\n{url}", file=sys.stderr, flush=True)  # noqa: T201
    webbrowser.open(url)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_clarus.login",
        description="Sign in to Clarus as a user, and print a connection that generates this user's reports.",
        epilog=f"The client secret is read from {SECRET_VARIABLE}, or asked for.",
    )
    parser.add_argument("--tenant", required=True, help="the tenant's subdomain")
    parser.add_argument("--client-id", required=True, help="the OAuth client ID")
    parser.add_argument("--host", default=None, help="the API address (https://clarus-api.com)")
    parser.add_argument("--scope", default="", help='scopes to ask for, such as "openid claruswms/full"')
    parser.add_argument("--port", type=int, default=0, help="of the redirect to 127.0.0.1 (any free one)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
