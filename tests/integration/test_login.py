# SPDX-License-Identifier: Apache-2.0
"""The login command, from its prompt to a report that only the user who signed in may generate."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusAuthError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.login import sign_in
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


@pytest.mark.parametrize("form", ["JSON", "URI"])
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


@pytest.mark.parametrize("change", ["state=", "code="])
def test_a_redirect_that_is_no_answer_to_this_request_is_refused(
    user: ClarusConnection, sandbox: Sandbox, change: str
) -> None:
    with pytest.raises(ClarusAuthError, match="gave no code"):
        sign_in(user, Browser(change))
    assert sandbox.count("token") == 0


def test_a_code_that_is_refused_says_so(user: ClarusConnection, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("token", status=400, body={"error": "invalid_grant"}))
    with pytest.raises(ClarusAuthError, match="invalid_grant"):
        sign_in(user, Browser())


def test_nobody_is_waited_for_for_ever(user: ClarusConnection) -> None:
    with pytest.raises(ClarusAuthError, match=r"within 0\.1 s"):
        sign_in(user, str, timeout=0.1)
