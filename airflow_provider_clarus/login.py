# SPDX-License-Identifier: Apache-2.0
"""Sign in as a report's owner, and get a connection for Airflow: ``python -m airflow_provider_clarus.login``.

The authorization code flow with PKCE (RFC 7636) over a redirect to this machine (RFC 8252). The connection
goes to standard output, as JSON and as a URI, everything else to standard error.
"""

from __future__ import annotations

import argparse
import getpass
import hmac
import json
import os
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from airflow.providers.common.compat.sdk import Connection
from oauthlib.oauth2 import WebApplicationClient

from airflow_provider_clarus.auth.token_request import request_token
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusConfigError, ClarusError
from airflow_provider_clarus.http.responses import documented_words, shortened
from airflow_provider_clarus.http.transport import secure

SECRET_VARIABLE = "CLARUS_CLIENT_SECRET"  # noqa: S105 - the name of one
CALLBACK = "/callback"


class LoopbackServer(ThreadingHTTPServer):
    """Waits on this machine for the browser to come back with the answer to one request, known by its state.

    A browser may also come with something else: a favicon's request, another tab's older sign-in, or a
    connection on which it says nothing at all.

    :raises ClarusConfigError: when the port cannot be had
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int) -> None:
        try:
            super().__init__(("127.0.0.1", port), _Callback)
        except (OSError, OverflowError) as error:
            raise ClarusConfigError(
                f"Port {port} of 127.0.0.1 cannot be had: {error}. End what uses it, or name another with "
                "--port; without --port it is any free one."
            ) from None
        self.redirect_uri = f"http://127.0.0.1:{self.server_port}{CALLBACK}"
        self.state = secrets.token_urlsafe(24)
        self.answer: Mapping[str, str] = {}
        self.strays = 0
        self._answered = threading.Event()
        self._serving = threading.Thread(target=self.serve_forever, args=[0.05], daemon=True)

    def __enter__(self) -> LoopbackServer:
        self._serving.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._serving.join()
        self.server_close()

    def wait(self, seconds: float) -> Mapping[str, str]:
        """Return the parameters with which the browser was sent back.

        :raises ClarusAuthError: when nobody came within ``seconds``
        """
        self._answered.wait(seconds)
        if not self.answer:
            strays = f" ({self.strays} came back from another sign-in.)" if self.strays else ""
            raise ClarusAuthError(f"Nobody signed in within {seconds:g} s.{strays}")
        return self.answer

    def take(self, parameters: Mapping[str, str]) -> bool:
        """Take what a browser brings; tell whether it is the answer that is waited for."""
        if not hmac.compare_digest(parameters.get("state", "").encode(), self.state.encode()):
            self.strays += 1
            return False
        self.answer = self.answer or parameters
        self._answered.set()
        return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that breaks off is no news."""


class _Callback(BaseHTTPRequestHandler):
    server: LoopbackServer
    timeout = 5.0

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path != CALLBACK:
            self._say(404, "")
        elif self.server.take(dict(parse_qsl(address.query, keep_blank_values=True))):
            self._say(200, "Back to the terminal: this window is not needed any more.")
        else:
            self._say(400, "This belongs to another sign-in: open the address that the terminal shows.")

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
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
    :raises ClarusConfigError: when the port cannot be had
    """
    with LoopbackServer(port) as server:
        client = WebApplicationClient(connection.client_id)
        verifier = client.create_code_verifier(64)
        page = f"{connection.base_url}/oauth/authorize"
        url = client.prepare_request_uri(
            secure(page),
            redirect_uri=server.redirect_uri,
            scope=connection.scope or None,
            state=server.state,
            code_challenge=client.create_code_challenge(verifier, "S256"),
            code_challenge_method="S256",
        )
        # oauthlib takes nothing that is not https, not even on this machine.
        show(url.replace(secure(page), page, 1))
        answer = server.wait(timeout)
    if not answer.get("code"):
        said = shortened(documented_words(dict(answer)) or "the redirect brought none")
        raise ClarusAuthError(f"Clarus gave no code: {said}.")
    grant = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": server.redirect_uri,
        "code_verifier": verifier,
    }
    return request_token(connection, grant)[0]


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
    where = {"token_url": options.token_url} if options.token_url else {}
    # Read once as it will be, with something in the place of the token that is to come.
    extra = {"grant_type": "refresh_token", "refresh_token": "…", "scope": options.scope, **where}
    try:
        connection = ClarusConnection.from_airflow(Connection(**fields, extra=json.dumps(extra)))
        tokens = sign_in(replace(connection, refresh_token=""), _show, port=options.port)
    except ClarusError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    grant = "refresh_token" if tokens.get("refresh_token") else "access_token"
    if grant == "access_token":
        print("Clarus gave no refresh token: this connection ends with its token.", file=sys.stderr)  # noqa: T201
    scope = _granted(tokens, options.scope)
    if scope != options.scope:
        print(f"Granted: {scope or 'no scope'}; asked for: {options.scope or 'none'}.", file=sys.stderr)  # noqa: T201
    extra = {"grant_type": grant, grant: tokens[grant], "scope": scope, **where}
    extra = {name: value for name, value in extra.items() if value}
    made = Connection(**fields, extra=json.dumps(extra))
    stored = {name: value for name, value in fields.items() if value and name != "conn_id"}
    print(json.dumps({**stored, "extra": extra}))  # noqa: T201
    print(made.get_uri())  # noqa: T201
    return 0


def _granted(tokens: Mapping[str, Any], asked: str) -> str:
    """Return the scopes that a token has: those asked for, where its answer says nothing (RFC 6749, 5.1)."""
    scope = tokens.get("scope", asked)
    words = scope if isinstance(scope, list) else str(asked if scope is None else scope).split()
    return " ".join(map(str, words))


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
    parser.add_argument("--token-url", default="", help="where tokens come from (<host>/oauth/token)")
    parser.add_argument("--port", type=int, default=0, help="of the redirect to 127.0.0.1 (any free one)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
