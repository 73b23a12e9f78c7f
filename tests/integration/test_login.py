# SPDX-License-Identifier: Apache-2.0
"""The login command, from its prompt to a report that only the user who signed in may generate."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
import requests

from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusConfigError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.login import main, sign_in
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.oauth import USER
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

from .conftest import Connect


@pytest.fixture
def printed(sandbox: Sandbox) -> Iterator[list[str]]:
    """What the command prints after a browser went where it says."""
    command = [sys.executable, "-W", "ignore", "-m", "airflow_provider_clarus.login"]
    command += ["--host", sandbox.url, "--tenant", "acme", "--client-id", sandbox.client_id]
    # A browser that does nothing, since the address is what the test follows.
    env = {**os.environ, "CLARUS_CLIENT_SECRET": sandbox.client_secret, "BROWSER": "true"}
    with subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        for line in process.stderr:
            if address := re.search(r"http://\S+/oauth/authorize\S+", line):
                assert "Back to the terminal" in requests.get(address[0], timeout=10).text
                break
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0
    return said.splitlines()[-2:]


@pytest.mark.parametrize("form", ["JSON", pytest.param("URI", marks=pytest.mark.long)])
def test_the_printed_connection_generates_the_users_own_report(
    printed: list[str], form: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.add_report(Report(id=8, owner=USER))
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", printed[form == "URI"])
    assert ClarusHook().generate_report(8).id in sandbox.documents
    asked = next(request for request in sandbox.requests if request.endpoint == "authorize")
    assert parse_qs(asked.query)["code_challenge_method"] == ["S256"]
    assert sandbox.client_secret not in asked.query
    assert json.loads(printed[0])["extra"]["grant_type"] == "refresh_token"


class Browser:
    """Follows an address in a thread of its own, as a browser does."""

    def __init__(self, change: str = "") -> None:
        self.change = change

    def __call__(self, url: str) -> None:
        answer = requests.get(url, allow_redirects=False, timeout=10)
        back = answer.headers["Location"]
        if self.change:
            back = re.sub(self.change, "changed=", back)
        origin = urlsplit(back)._replace(path="/favicon.ico", query="").geturl()

        def follow() -> None:
            assert requests.get(origin, timeout=10).status_code == 404
            requests.get(back, timeout=10)

        threading.Thread(target=follow).start()


@pytest.fixture
def user(connect: Connect, sandbox: Sandbox) -> ClarusConnection:
    return connect().connection


def test_a_client_without_a_secret_signs_in_by_its_proof(connect: Connect) -> None:
    assert {"access_token", "refresh_token"} <= sign_in(
        connect(client_secret="").connection, Browser()
    ).keys()


def test_a_redirect_without_a_code_is_refused(user: ClarusConnection, sandbox: Sandbox) -> None:
    with pytest.raises(ClarusAuthError, match="gave no code: the redirect brought none"):
        sign_in(user, Browser("code="))
    assert sandbox.count("token") == 0


def test_a_user_who_does_not_agree_is_told_so(user: ClarusConnection, sandbox: Sandbox) -> None:
    def refuse(url: str) -> None:
        asked = dict(parse_qsl(urlsplit(url).query))
        no = {"state": asked["state"], "error": "access_denied", "error_description": "Not today"}
        requests.get(f"{asked['redirect_uri']}?{urlencode(no)}", timeout=10)

    with pytest.raises(ClarusAuthError, match="gave no code: access_denied: Not today"):
        sign_in(user, refuse)
    assert sandbox.count("token") == 0


def test_what_does_not_answer_this_request_is_waited_through(
    user: ClarusConnection, sandbox: Sandbox
) -> None:
    said: list[tuple[int, str]] = []

    def visit(url: str) -> None:
        back = urlsplit(dict(parse_qsl(urlsplit(url).query))["redirect_uri"])
        # A browser opens connections ahead of what it may ask, and says nothing on them.
        silent = socket.create_connection((str(back.hostname), back.port or 0))
        strays = (
            "/",
            "/favicon.ico",
            "/callback",
            "/callback?state=another&code=stolen",
            "/callback?error=no",
        )
        for stray in strays:
            answer = requests.get(back._replace(path="").geturl() + stray, timeout=10)
            said.append((answer.status_code, answer.text))
        Browser()(url)
        silent.close()

    assert sign_in(user, visit)["access_token"]
    assert [status for status, _ in said] == [404, 404, 400, 400, 400]
    assert all("another sign-in" in text for status, text in said if status == 400)
    assert sandbox.count("token") == 1


def test_a_wrong_state_alone_is_not_enough(user: ClarusConnection, sandbox: Sandbox) -> None:
    with pytest.raises(ClarusAuthError, match=r"Nobody signed in.*1 came back from another sign-in"):
        sign_in(user, Browser("state="), timeout=3)
    assert sandbox.count("token") == 0


def test_a_port_in_use_is_named_with_the_way_out(user: ClarusConnection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ClarusConfigError, match=rf"Port {port} .*in use.*--port"):
            sign_in(user, str, port=port)
    with pytest.raises(ClarusConfigError, match=r"Port 70000 .*--port"):
        sign_in(user, str, port=70000)


def test_a_port_that_can_be_had_is_the_one(user: ClarusConnection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shown: list[str] = []
    with pytest.raises(ClarusAuthError, match="Nobody"):
        sign_in(user, shown.append, port=port, timeout=0.1)
    assert f"127.0.0.1%3A{port}%2Fcallback" in shown[0]


@pytest.mark.parametrize(
    ("answered", "stored"),
    [
        ({"scope": "openid"}, "openid"),
        ({"scope": ["openid", "x"]}, "openid x"),
        ({}, "openid claruswms/full"),
        ({"scope": None}, "openid claruswms/full"),
        ({"scope": ""}, None),
    ],
)
def test_the_scopes_that_were_granted_are_stored_and_the_token_endpoint_too(
    sandbox: Sandbox,
    answered: dict[str, object],
    stored: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sandbox.inject(Fault("token", status=200, body=sandbox.issue_token(USER) | answered))
    monkeypatch.setenv("CLARUS_CLIENT_SECRET", sandbox.client_secret)
    monkeypatch.setattr("webbrowser.open", Browser())
    command = ["--host", sandbox.url, "--tenant", "acme", "--client-id", sandbox.client_id]
    where = f"{sandbox.url}/oauth/token"
    assert main([*command, "--scope", "openid claruswms/full", "--token-url", where]) == 0
    out, err = capsys.readouterr()
    extra = json.loads(next(line for line in out.splitlines() if line.startswith("{")))["extra"]
    assert (extra.get("scope"), extra["token_url"]) == (stored, where)
    assert ("Granted:" in err) == (stored != "openid claruswms/full")


def test_a_code_that_is_refused_says_so(user: ClarusConnection, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("token", status=400, body={"error": "invalid_grant"}))
    with pytest.raises(ClarusAuthError, match="invalid_grant"):
        sign_in(user, Browser())


def test_nobody_is_waited_for_for_ever(user: ClarusConnection) -> None:
    with pytest.raises(ClarusAuthError, match=r"within 0\.1 s"):
        sign_in(user, str, timeout=0.1)
