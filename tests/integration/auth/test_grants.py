# SPDX-License-Identifier: Apache-2.0
"""How a connection gets its tokens: by itself, by a user's refresh token, or not at all."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest

from airflow_provider_clarus.auth import tokens
from airflow_provider_clarus.auth.state_folder import private_folder
from airflow_provider_clarus.auth.tokens import TokenSource
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusForbiddenError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.oauth import USER
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.conftest import Connect

STORED: list[tuple[str, str]] = []


def store(conn_id: str, refresh_token: str) -> None:
    STORED.append((conn_id, refresh_token))


@pytest.fixture
def refreshing(connect: Connect, sandbox: Sandbox) -> ClarusConnection:
    """A connection with a user's refresh token, as the login command prints it."""
    token = sandbox.issue_token(USER)["refresh_token"]
    return connect(grant_type="refresh_token", refresh_token=token).connection


def nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/state")
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/tmp")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def newest(refreshing: ClarusConnection) -> str:
    """The refresh token that this machine has for those who begin with that one."""
    stored: list[str] = []
    tokens = TokenSource(refreshing, stored.append)
    tokens.get()
    return stored[-1]


def used_refresh_tokens(sandbox: Sandbox) -> list[str]:
    asked = [request for request in sandbox.requests if request.endpoint == "token"]
    assert all(request.status == 200 for request in asked)
    return [parse_qs(request.body.decode())["refresh_token"][0] for request in asked]


def test_only_the_user_who_owns_a_report_can_generate_it(connect: Connect, sandbox: Sandbox) -> None:
    sandbox.add_report(Report(id=8, owner=USER))
    with pytest.raises(ClarusForbiddenError):
        connect().generate_report(8)
    user = connect(grant_type="refresh_token", refresh_token=sandbox.issue_token(USER)["refresh_token"])
    assert user.generate_report(8).id in sandbox.documents


def test_a_new_refresh_token_is_used_from_then_on_by_every_process(
    refreshing: ClarusConnection, sandbox: Sandbox
) -> None:
    process = TokenSource(refreshing, print)
    process.renew(process.get())
    another_process = TokenSource(refreshing, print)
    another_process.renew(another_process.get())
    for _ in range(2):  # The first gets what the other process has left for it.
        process.renew(process.get())
    used = used_refresh_tokens(sandbox)
    assert used[0] == refreshing.refresh_token
    assert len(set(used)) == len(used) == 4


def test_a_process_that_shares_nothing_keeps_it_for_itself(
    refreshing: ClarusConnection, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_is_shared(monkeypatch)
    tokens = TokenSource(refreshing, print)
    for _ in range(3):
        tokens.renew(tokens.get())
    assert len(set(used_refresh_tokens(sandbox))) == 4


def test_processes_with_the_old_and_the_stored_refresh_token_get_along(
    refreshing: ClarusConnection, sandbox: Sandbox
) -> None:
    stored: list[str] = []
    old = TokenSource(refreshing, print, stored.append)
    token = old.get()
    new = TokenSource(replace(refreshing, refresh_token=stored[-1]), print, stored.append)
    assert new.get() == token
    assert sandbox.count("token") == 1
    token = new.renew(token)
    assert old.renew("") == old.get()
    old.renew(token)
    new.renew(new.get())
    used = used_refresh_tokens(sandbox)
    assert len(set(used)) == len(used)
    assert used == [refreshing.refresh_token, *stored[:-1]]


def test_a_process_with_an_old_connection_follows_all_that_others_have_stored_since(
    refreshing: ClarusConnection, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, stored = [time.time()], [refreshing.refresh_token]
    monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: now[0]))
    for _ in range(3):
        # Each of them is given what the one before has stored, when that one's token has ended.
        connection = replace(refreshing, refresh_token=stored[-1])
        newest_token = TokenSource(connection, print, stored.append).get()
        now[0] += 86_400
    now[0] -= 86_400
    late = TokenSource(refreshing, print, stored.append)
    assert late.get() == newest_token
    assert sandbox.count("token") == 3
    now[0] += 86_400
    assert late.get() != newest_token
    assert used_refresh_tokens(sandbox) == stored[:-1]
    assert len(set(stored)) == 5


def test_each_new_refresh_token_goes_where_the_configuration_says(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CLARUS__ON_REFRESH_TOKEN", f"{__name__}.store")
    first = sandbox.issue_token(USER)["refresh_token"]
    connection: dict[str, Any] = json.loads(sandbox.connection_json)
    connection["extra"] = {"grant_type": "refresh_token", "refresh_token": first}
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_USER", json.dumps(connection))
    STORED.clear()
    ClarusHook("clarus_user").get_documents([1])
    sandbox.revoke_tokens()
    ClarusHook("clarus_user").get_documents([1])
    assert [conn_id for conn_id, _ in STORED] == ["clarus_user", "clarus_user"]
    assert STORED[0][1] == parse_qs(sandbox.requests[-2].body.decode())["refresh_token"][0]


def test_a_store_that_fails_fails_no_task(
    refreshing: ClarusConnection, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(refresh_token: str) -> None:
        raise OSError("no vault today")

    tokens = TokenSource(refreshing, print, broken)
    assert tokens.renew(tokens.get())
    assert "was not stored" in caplog.text


def test_a_server_need_not_rotate(refreshing: ClarusConnection, sandbox: Sandbox) -> None:
    answers = [{"access_token": "first"}, {"access_token": "second"}]
    for answer in answers:
        sandbox.inject(Fault("token", status=200, body=answer, times=1))
    stored: list[str] = []
    tokens = TokenSource(replace(refreshing, timeout=2), print, stored.append)
    assert tokens.renew(tokens.get()) == "second"
    assert used_refresh_tokens(sandbox) == [refreshing.refresh_token] * 2
    assert not stored


def test_where_no_connection_begins_with_a_new_refresh_token_it_has_no_file(
    refreshing: ClarusConnection,
) -> None:
    tokens = TokenSource(refreshing, print)
    for _ in range(3):
        tokens.renew(tokens.get())
    assert len([path for path in private_folder().iterdir() if path.suffix != ".lock"]) == 1


def test_a_refresh_token_that_was_used_elsewhere_is_refused_with_the_way_out(
    refreshing: ClarusConnection, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    TokenSource(refreshing, print).get()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    with pytest.raises(ClarusAuthError, match=r"invalid_grant.*airflow_provider_clarus\.login"):
        TokenSource(refreshing, print).get()
    # It is asked twice: one answer proves nothing.
    assert sandbox.count("token") == 3


@pytest.mark.parametrize("scope", ["openid", "openid claruswms/full"])
def test_no_scope_is_asked_for_with_a_refresh_token_since_more_than_was_granted_is_refused_for_ever(
    refreshing: ClarusConnection, sandbox: Sandbox, scope: str
) -> None:
    tokens = TokenSource(replace(refreshing, scope=scope), print)
    tokens.renew(tokens.get())
    assert all("scope" not in parse_qs(request.body.decode()) for request in sandbox.requests)
    # It is the same user's token, whatever the connection asks for.
    assert TokenSource(refreshing, print).get() == tokens.get()
    assert sandbox.count("token") == 2


def test_a_new_refresh_token_that_is_kept_nowhere_is_warned_of_with_the_remedy(
    refreshing: ClarusConnection, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_hand = replace(refreshing, refresh_token=newest(refreshing))
    nothing_is_shared(monkeypatch)
    TokenSource(at_hand, print).get()
    (warning,) = warnings(caplog)  # Of the second: the first could be kept.
    assert all(remedy in warning for remedy in ("on_refresh_token", "XDG_STATE_HOME", "the next process"))


def test_one_that_a_function_stores_is_kept(
    refreshing: ClarusConnection, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_is_shared(monkeypatch)
    stored: list[str] = []
    TokenSource(refreshing, print, stored.append).get()
    assert stored
    assert not warnings(caplog)


def test_one_that_neither_a_function_nor_a_folder_takes_is_warned_of(
    refreshing: ClarusConnection, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(refresh_token: str) -> None:
        raise OSError("no vault today")

    nothing_is_shared(monkeypatch)
    TokenSource(refreshing, print, broken).get()
    assert len(warnings(caplog)) == 1
    assert "was not stored" in caplog.text


def test_new_refresh_tokens_are_announced_as_secrets(refreshing: ClarusConnection, sandbox: Sandbox) -> None:
    secrets: list[str] = []
    tokens = TokenSource(refreshing, secrets.append)
    tokens.renew(tokens.get())
    assert used_refresh_tokens(sandbox)[1] in secrets


def test_a_fixed_access_token_is_used_and_never_renewed(connect: Connect, sandbox: Sandbox) -> None:
    client = connect(grant_type="access_token", access_token=sandbox.issue_token()["access_token"])
    assert client.get_documents([1]) == {}
    sandbox.revoke_tokens()
    with pytest.raises(ClarusAuthError, match="refused the connection's access token"):
        client.get_documents([1])
    assert sandbox.count("token") == 0
