# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.auth.tokens import TokenSource
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusTransientError
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.conftest import Connect

# A task's process: it waits for the others, so that all ask at the same moment.
TASK = """
import json, sys
from airflow.providers.common.compat.sdk import Connection
from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.connection.connection import ClarusConnection

connection = Connection(conn_id="clarus_default", **json.loads(sys.argv[1]))
client = ClarusClient(ClarusConnection.from_airflow(connection))
print("ready", flush=True)
sys.stdin.readline()
client.get_documents([1])
"""


@pytest.fixture
def connection(connect: Connect) -> ClarusConnection:
    return connect().connection


@pytest.fixture
def secrets() -> list[str]:
    return []


@pytest.fixture
def tokens(connection: ClarusConnection, secrets: list[str]) -> TokenSource:
    return TokenSource(connection, secrets.append)


def short_lived(lifetime: float) -> Sandbox:
    return Sandbox(token_lifetime=lifetime)


def test_threads_that_ask_at_once_share_one_token(tokens: TokenSource, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("token", delay=0.2))
    barrier = threading.Barrier(20)
    found: set[str] = set()

    def ask() -> None:
        barrier.wait()
        found.add(tokens.get())

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1
    assert sandbox.count("token") == 1


def test_threads_whose_token_is_refused_renew_it_once(tokens: TokenSource, sandbox: Sandbox) -> None:
    refused = tokens.get()
    barrier = threading.Barrier(10)
    found: set[str] = set()

    def renew() -> None:
        barrier.wait()
        found.add(tokens.renew(refused))

    threads = [threading.Thread(target=renew) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1
    assert refused not in found
    assert sandbox.count("token") == 2


@pytest.mark.long
def test_processes_that_ask_at_once_share_one_token(sandbox: Sandbox) -> None:
    sandbox.inject(Fault("token", delay=0.2))
    command = [sys.executable, "-W", "ignore", "-c", TASK, sandbox.connection_json]
    tasks = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        for task in tasks:
            assert task.stdout
            while task.stdout.readline().strip() != "ready":
                assert task.poll() is None
        for task in tasks:
            task.communicate("go\n", timeout=30)
    finally:
        for task in tasks:
            task.kill()
            task.wait()
    assert [task.returncode for task in tasks] == [0, 0]
    assert (sandbox.count("token"), sandbox.count("graphql")) == (1, 2)


def test_where_nothing_can_be_shared_each_client_has_a_token(
    connection: ClarusConnection, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/state")
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/tmp")
    for _ in range(2):
        assert TokenSource(connection, print).get()
    assert sandbox.count("token") == 2


def test_who_gets_a_token_removes_what_nobody_uses_any_more(connect: Connect) -> None:
    folder = Path(os.environ["XDG_STATE_HOME"], "airflow-provider-clarus")
    connect(scope="no longer in use").get_documents([1])
    (old,) = (path for path in folder.iterdir() if path.suffix != ".lock")
    os.utime(old, (0, 0))
    connect(scope="in use").get_documents([1])
    assert old.name not in "".join(path.name for path in folder.iterdir())
    assert len(list(folder.iterdir())) == 2


def test_another_scope_is_another_token(connect: Connect, sandbox: Sandbox) -> None:
    for scope in ("openid", "claruswms/full", "openid"):
        connect(scope=scope).get_documents([1])
    scopes = [
        parse_qs(request.body.decode())["scope"]
        for request in sandbox.requests
        if request.endpoint == "token"
    ]
    assert scopes == [["openid"], ["claruswms/full"]]


def test_a_token_is_renewed_ahead_of_its_end(connect: Connect) -> None:
    with short_lived(2) as sandbox:
        client = connect(sandbox)
        client.get_documents([1])
        client.get_documents([1])
        assert sandbox.count("token") == 1
        time.sleep(1.85)  # Nine tenths of its life: good still, but not for long.
        client.get_documents([1])
        assert sandbox.count("token") == 2
        assert all(request.status == 200 for request in sandbox.requests)


def test_a_token_without_an_end_stays(tokens: TokenSource, sandbox: Sandbox) -> None:
    answer = sandbox.issue_token()
    del answer["expires_in"]
    sandbox.inject(Fault("token", status=200, body=answer))
    assert tokens.get() == tokens.get() == answer["access_token"]
    assert sandbox.count("token") == 1


@pytest.mark.parametrize("lifetime", ["", "soon", None, -1, 0, "0", True, [3600], "1e999", 10**400])
def test_a_lifetime_that_is_no_positive_number_is_unknown_and_a_401_renews(
    client: ClarusClient, sandbox: Sandbox, lifetime: object
) -> None:
    answer = sandbox.issue_token() | {"expires_in": lifetime}
    sandbox.inject(Fault("token", status=200, body=answer, times=1))
    for _ in range(3):
        assert client.get_documents([1]) == {}
    assert sandbox.count("token") == 1
    sandbox.revoke_tokens()
    assert client.get_documents([1]) == {}
    assert sandbox.count("token") == 2


@pytest.mark.parametrize("lifetime", ["3600.0", 3600.5, "3600", 3600])
def test_a_lifetime_may_be_written_in_any_way(
    tokens: TokenSource, sandbox: Sandbox, lifetime: object
) -> None:
    sandbox.inject(Fault("token", status=200, body=sandbox.issue_token() | {"expires_in": lifetime}))
    tokens.get()
    tokens.get()
    assert sandbox.count("token") == 1
    assert 3000 < tokens._token["renew_at"] - time.time() < 3600


def test_a_server_may_grant_less_than_was_asked_for(connect: Connect, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("token", status=200, body=sandbox.issue_token() | {"scope": "openid"}))
    assert connect(scope="openid claruswms/full").get_documents([1]) == {}


def test_the_secret_is_sent_to_the_token_endpoint_alone(connect: Connect, sandbox: Sandbox) -> None:
    connect().get_documents([1])
    token, graphql = sandbox.requests
    assert "authorization" not in token.headers
    assert parse_qs(token.body.decode())["client_secret"] == [sandbox.client_secret]
    assert graphql.headers["authorization"].startswith("Bearer ")
    assert sandbox.client_secret not in graphql.body.decode()


def test_each_token_is_announced_as_a_secret(tokens: TokenSource, secrets: list[str]) -> None:
    first = tokens.get()
    assert secrets == [first]
    assert secrets == [first, tokens.renew(first)]


@pytest.mark.parametrize(("token_auth", "asked"), [("auto", 2), ("post", 1), ("basic", 1)])
def test_wrong_credentials_are_tried_in_each_form_and_once_more(
    connect: Connect, sandbox: Sandbox, token_auth: str, asked: int
) -> None:
    with pytest.raises(ClarusAuthError, match=r"client 'clarus-client'.*401: invalid_client.*password"):
        connect(client_secret="wrong", token_auth=token_auth).get_documents([1])
    assert [request.endpoint for request in sandbox.requests] == ["token"] * asked * 2


@pytest.mark.parametrize(("status", "code"), [(400, "invalid_client"), (401, "access_denied")])
def test_who_the_client_is_may_be_refused_in_other_words(
    connect: Connect, sandbox: Sandbox, status: int, code: str
) -> None:
    sandbox.inject(Fault("token", status=status, body={"error": code}))
    with pytest.raises(ClarusAuthError, match=f"{status}: {code}"):
        connect().get_documents([1])
    # In both forms, and once more.
    assert sandbox.count("token") == 4


@pytest.mark.parametrize(
    ("status", "remedy"), [(400, r"client secret\) and scope"), (404, "token_url"), (405, "token_url")]
)
def test_a_refusal_in_unknown_words_has_the_remedy_of_its_status(
    connect: Connect, sandbox: Sandbox, status: int, remedy: str
) -> None:
    sandbox.inject(Fault("token", status=status, body={"error": "odd"}))
    with pytest.raises(ClarusAuthError, match=f"{status}: odd. Check the connection's .*{remedy}"):
        connect().get_documents([1])


def test_a_grant_that_is_refused_twice_with_400_is_as_final(connect: Connect, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("token", status=400, body={"error": "invalid_scope"}))
    with pytest.raises(ClarusAuthError, match="400: invalid_scope"):
        connect(scope="no-such").get_documents([1])
    assert sandbox.count("token") == 2


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    "fault",
    [
        Fault("token", status=500, times=1),
        Fault("token", status=429, headers={"Retry-After": "0"}, times=1),
        Fault("token", reset=True, times=1),
        Fault("token", status=200, body=HTML_ERROR, times=1),
        Fault("token", status=200, body={"token_type": "Bearer"}, times=1),
        Fault("token", status=200, body='{"access_token": "a", "access_token": "b"}', times=1),
        Fault("token", status=200, body='[{"access_token": "a"}, {"access_token": "b"}]', times=1),
        Fault("token", status=200, body='{"access_token": "a"}{"access_token": "b"}', times=1),
        Fault("token", status=200, body={"access_token": ["a", "b"]}, times=1),
        Fault("token", status=400, body={"error": "temporarily_unavailable"}, times=1),
        Fault("token", status=403, body=HTML_ERROR, times=1),
        Fault("token", status=404, body=HTML_ERROR, times=1),
    ],
)
def test_trouble_at_the_token_endpoint_may_pass(connect: Connect, sandbox: Sandbox, fault: Fault) -> None:
    sandbox.inject(fault)
    assert connect().get_documents([1]) == {}
    assert (sandbox.count("token"), sandbox.count("graphql")) == (2, 1)


def test_an_answer_that_is_no_token_is_shown(tokens: TokenSource, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("token", status=200, body=HTML_ERROR))
    with pytest.raises(ClarusTransientError, match="the answer is not a token: 502 Bad Gateway"):
        tokens.get()


def test_the_token_endpoint_does_not_send_the_secret_elsewhere(tokens: TokenSource, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("token", status=307, headers={"Location": sandbox.files_url}))
    with pytest.raises(ClarusTransientError, match=r"307.*extra token_url"):
        tokens.get()
    assert [request.origin for request in sandbox.requests] == ["api"]
