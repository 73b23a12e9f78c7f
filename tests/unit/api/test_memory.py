# SPDX-License-Identifier: Apache-2.0
"""What is kept of a catalogue: found by the next process, doubted after a while, and never in the way."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_clarus.api import _memory
from airflow_provider_clarus.api._memory import BELIEVED, DOUBTED, Memory, Names, Taken
from airflow_provider_clarus.api.reports import Report
from airflow_provider_clarus.auth.state_folder import private_folder

SERVER = ("https://clarus.example", "acme", "client")
LITTLE = Taken(text=False, id_filter=False, page_size=10)
REPORT = Report(id=7, name="Stock Summary", query_name="Stock by location")


@pytest.fixture
def clock() -> SimpleNamespace:
    return SimpleNamespace(now=1_700_000_000.0)


def memory(clock: SimpleNamespace, *server: str) -> Memory:
    return Memory(*(server or SERVER), clock=lambda: clock.now)


def files() -> list[Path]:
    return sorted(private_folder().iterdir())


def test_the_next_process_knows(clock: SimpleNamespace) -> None:
    first = memory(clock)
    first.learn(LITTLE)
    first.note(REPORT)
    second = memory(clock)
    assert second.taken == LITTLE
    assert second.names(7) == Names("Stock Summary", "Stock by location")
    assert second.query_of("Stock Summary") == "Stock by location"
    assert second.query_of("Other") is second.names(8) is None


@pytest.mark.parametrize("other", [0, 1, 2])
def test_of_another_server_tenant_or_user_nothing_is_known(clock: SimpleNamespace, other: int) -> None:
    memory(clock).learn(LITTLE)
    server = [*SERVER]
    server[other] = "another"
    assert memory(clock, *server).taken == Taken()


def test_a_refusal_is_believed_for_a_while_when_it_was_met_twice(clock: SimpleNamespace) -> None:
    memory(clock).learn(LITTLE)
    clock.now += DOUBTED - 1
    assert memory(clock).taken == LITTLE
    for _ in range(2):
        clock.now += 2
        again = memory(clock)
        assert again.taken == Taken()
        again.learn(LITTLE)
        clock.now += BELIEVED - 1
        assert memory(clock).taken == LITTLE


def test_what_passed_is_doubted_again(clock: SimpleNamespace) -> None:
    """A deploy's moment costs the other processes no quarter of an hour, however often there is one."""
    for _ in range(3):
        memory(clock).learn(LITTLE)
        clock.now += DOUBTED
        assert memory(clock).taken == Taken()
        memory(clock).learn(Taken())


def test_a_clock_that_was_set_back_ends_the_belief(clock: SimpleNamespace) -> None:
    memory(clock).learn(LITTLE)
    clock.now -= 1
    assert memory(clock).taken == Taken()


def test_where_everything_is_taken_nothing_is_written(clock: SimpleNamespace) -> None:
    content = memory(clock)
    content.learn(Taken())
    content.note(REPORT)
    assert files() == []


def test_what_is_known_already_is_not_written_again(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = memory(clock)
    first.learn(LITTLE)
    first.note(REPORT)
    monkeypatch.setattr(_memory, "replace_file", pytest.fail)
    second = memory(clock)
    second.learn(LITTLE)
    second.note(REPORT)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b"null",
        b"[]",
        b"{}",
        b'{"taken": null, "learnt_at": 1, "reports": {}}',
        b'{"taken": {"text": 0, "id_filter": 1, "page_size": 10}, "learnt_at": 1, "reports": {}}',
        b'{"taken": {"text": true, "id_filter": true, "page_size": 1e9}, "learnt_at": 1, "reports": {}}',
        b'{"taken": {"text": false, "id_filter": true, "page_size": 100}, "learnt_at": "x", "reports": {}}',
        b'{"taken": {"text": false, "id_filter": true, "page_size": 100}, "learnt_at": 1%s}' % (b"0" * 400),
        b'{"taken": {"text": false, "id_filter": true, "page_size": 100}, "learnt_at": 1, "reports": [7]}',
        b'{"taken": {"text": false, "id_filter": true, "page_size": 100}, "learnt_at": 1,'
        b' "reports": {"x": 1}}',
        b'{"taken": {"text": false, "id_filter": true, "page_size": 100}, "learnt_at": 1,'
        b' "reports": {"7": [7, null]}}',
    ],
)
def test_a_file_that_makes_no_sense_is_none(clock: SimpleNamespace, content: bytes) -> None:
    memory(clock).learn(LITTLE)
    (file,) = files()
    file.write_bytes(content)
    found = memory(clock)
    assert (found.taken, found.names(7)) == (Taken(), None)
    found.learn(LITTLE)
    assert memory(clock).taken == LITTLE


def test_a_link_is_not_followed(clock: SimpleNamespace, tmp_path: Path) -> None:
    memory(clock).learn(LITTLE)
    (file,) = files()
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert memory(clock).taken == Taken()


def test_the_names_of_a_bounded_number_of_reports_are_kept(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_memory, "KEPT_REPORTS", 3)
    first = memory(clock)
    first.learn(LITTLE)
    for number in (1, 2, 3, 1, 4):
        first.note(Report(id=number, name=f"{number}", query_name=None))
    first.note(Report(id=2, name="renamed", query_name=None))
    (file,) = files()
    assert list(json.loads(file.read_text())["reports"]) == ["3", "4", "2"]
    assert memory(clock).names(2) == Names("renamed", None)


def test_without_a_folder_it_is_known_to_this_process_alone(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/state")
    monkeypatch.setattr(os, "getuid", lambda: -5)
    first = memory(clock)
    first.learn(LITTLE)
    first.note(REPORT)
    assert (first.taken, first.names(7)) == (LITTLE, Names("Stock Summary", "Stock by location"))
    assert memory(clock).taken == Taken()
