# SPDX-License-Identifier: Apache-2.0
"""``if_exists="fail"``, and an earlier try of the task that landed and died unheard."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus import durable
from airflow_provider_clarus.exceptions import ClarusInputError, ClarusTransientError
from airflow_provider_clarus.landing import land as land_module
from airflow_provider_clarus.landing._storage import ObjectOptions, storage_of
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.tasks import Store, context, task_instance

from .conftest import Destination
from .killed import FileStore, attempt

MIB = 1024 * 1024
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture
def make(clarus_default: Sandbox, destination: Destination) -> Callable[..., dict[str, Any]]:
    """Arguments of a task whose report has so many bytes."""

    def make(form: str, size: int = 900, **others: Any) -> dict[str, Any]:
        clarus_default.add_report(Report(7, seconds=0, size=size))
        arguments: dict[str, Any] = {"destination": destination.uri, "if_exists": "fail", **others}
        if form == "download":
            return arguments | {"document_id": clarus_default.add_documents(1, 7)[0]}
        return arguments | {"report_id": 7, "poll_interval": 1, "deferrable": False}

    return make


def kill(state: Path, when: str, arguments: dict[str, Any]) -> None:
    """Run the first try in a process of its own, which is killed."""
    command = [sys.executable, "-m", "tests.integration.landing.killed", str(state), when]
    child = subprocess.run([*command, json.dumps(arguments)], cwd=REPOSITORY, timeout=300)
    assert child.returncode == -signal.SIGKILL


@pytest.mark.long
def test_a_retry_knows_what_its_killed_try_has_landed(
    make: Callable[..., Any], destination: Destination, clarus_default: Sandbox, state: Path
) -> None:
    arguments = make("download")
    kill(state, "published", arguments)
    landed = destination.shown()
    receipt = attempt(FileStore(state), 2, **arguments)
    assert destination.shown() == landed
    assert receipt == {
        "uri": destination.uri,
        "size": 900,
        "sha256": hashlib.sha256(landed["report.csv"]).hexdigest(),
        "file_name": clarus_default.documents[1].file_name,
        "document_id": 1,
    }
    assert clarus_default.count("file") == 1


@pytest.mark.long
@pytest.mark.parametrize("if_exists", ["fail", "skip"])
@pytest.mark.parametrize(("form", "size"), [("download", 20 * MIB), ("transfer", 900), ("transfer", 0)])
def test_so_it_does_of_each_form_and_size(
    make: Callable[..., Any], clarus_default: Sandbox, form: str, size: int, if_exists: str
) -> None:
    """To the retry, a try that has ended well, and of which Airflow has not heard, is a killed one."""
    arguments, store = make(form, size, if_exists=if_exists), Store()
    receipt = attempt(store, 1, **arguments)
    assert attempt(store, 2, **arguments) == receipt
    assert (receipt["size"], receipt["document_id"]) == (size, 1)
    assert (len(clarus_default.documents), clarus_default.count("file")) == (1, 1)


def test_under_the_documents_own_name_too(make: Callable[..., Any], destination: Destination) -> None:
    arguments, store = make("download", destination=f"{destination.folder}/"), Store()
    receipt = attempt(store, 1, **arguments)
    assert attempt(store, 2, **arguments) == receipt
    assert list(destination.shown()) == [receipt["file_name"]]


def test_between_a_files_two_names_it_leaves_neither_twice(
    make: Callable[..., Any], destination: Destination, state: Path
) -> None:
    if destination.store.name != "local":
        pytest.skip("no links")
    arguments = make("download")
    kill(state, "linked", arguments)
    assert len(destination.shown()) == 2
    assert attempt(FileStore(state), 2, **arguments)["size"] == 900
    assert list(destination.shown()) == ["report.csv"]


def fail_before_publishing(
    monkeypatch: pytest.MonkeyPatch, store: Store | None, arguments: dict[str, Any]
) -> None:
    """Let a first try fail when all is ready to be published."""

    def fail(*_: Any) -> None:
        raise OSError("the storage is away")

    with monkeypatch.context() as patch:
        patch.setattr(land_module, "_commit", fail)
        with pytest.raises(OSError, match="is away"):
            attempt(store, 1, **arguments)


@pytest.mark.parametrize("other", [b"x" * 900, b"x" * 901, b""])
def test_what_another_has_put_there_is_not_its_own(
    make: Callable[..., Any], destination: Destination, other: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, store = make("download"), Store()
    fail_before_publishing(monkeypatch, store, arguments)
    destination.hold(other)
    with pytest.raises(ClarusInputError, match="exists already, and if_exists is 'fail'"):
        attempt(store, 2, **arguments)
    assert destination.shown()["report.csv"] == other


def test_nor_is_another_document_that_an_earlier_try_has_landed(
    make: Callable[..., Any], destination: Destination, clarus_default: Sandbox
) -> None:
    """What a task depends on may have changed between its tries."""
    arguments, store = make("download"), Store()
    attempt(store, 1, **arguments)
    (arguments["document_id"],) = clarus_default.add_documents(1, 7)
    with pytest.raises(ClarusInputError, match="exists already, and if_exists is 'fail'"):
        attempt(store, 2, **arguments)


def test_nor_what_was_generated_for_another_request(make: Callable[..., Any]) -> None:
    arguments, store = make("transfer"), Store()
    receipt = attempt(store, 1, **arguments, variables={"account_id": 3})
    with pytest.raises(ClarusInputError, match="exists already, and if_exists is 'fail'"):
        attempt(store, 2, **arguments, variables={"account_id": 4})
    assert attempt(store, 2, **arguments, variables={"account_id": 3}) == receipt


def test_a_cleared_task_has_landed_nothing_nor_has_another(make: Callable[..., Any]) -> None:
    arguments, store = make("download"), Store()
    attempt(store, 1, **arguments)
    for other in ({"store": store, "max_tries": 4}, {"store": Store()}):
        with pytest.raises(ClarusInputError, match="exists already, and if_exists is 'fail'"):
            attempt(try_number=2, **other, **arguments)


def test_a_task_cleared_while_it_ran_neither(clarus_default: Sandbox, tmp_path: Path) -> None:
    clarus_default.add_report(Report(7, seconds=0))
    store = Store()
    arguments = {"report_id": 7, "destination": f"file://{tmp_path}/a.csv", "if_exists": "fail"}
    attempt(store, 1, deferrable=False, **arguments)
    ti = task_instance(
        dag_id="stock",
        task_id="land",
        run_id="today",
        map_index=-1,
        max_tries=2,
        get_task_states=lambda *_, **__: {"today": {"land": "restarting"}},
    )
    durable.forget_if_cleared(context(task_state_store=store, ti=ti))
    with pytest.raises(ClarusInputError, match="exists already"):
        attempt(store, 2, deferrable=False, **arguments)


def test_what_cannot_be_written_down_is_not_published(
    make: Callable[..., Any], destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()

    def refuse(key: str, value: Any) -> None:
        raise RuntimeError("the API server is away")

    monkeypatch.setattr(store, "set", refuse)
    with pytest.raises(ClarusTransientError, match="Nothing was published; a retry helps"):
        attempt(store, 1, **make("download"))
    assert destination.shown() == {}


def test_without_a_store_the_retry_compares_the_files(
    make: Callable[..., Any],
    destination: Destination,
    clarus_default: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Airflow before 3.3."""
    arguments = make("download")
    first = attempt(None, 1, **arguments)
    assert attempt(None, 2, **arguments) == first
    with pytest.raises(ClarusInputError, match="exists already"):
        attempt(None, 2, max_tries=3, **arguments)
    destination.hold(b"x" * 900)
    with pytest.raises(ClarusInputError, match="exists already"):
        attempt(None, 2, **arguments)
    assert destination.shown() == {"report.csv": b"x" * 900}


def damage(destination: Destination, content: bytes) -> None:
    """Let the storage have other bytes than it was sent, under the same metadata."""
    storage = storage_of(destination.uri)
    carried = storage.look(destination.path)
    assert carried
    writer = storage.open_writer(destination.path, ObjectOptions(metadata=carried.metadata))
    writer.write(content)
    writer.commit()
    damaged = storage.look(destination.path)
    assert damaged
    assert damaged.metadata == carried.metadata


def test_nor_is_a_damaged_object_its_own_whatever_it_carries(
    make: Callable[..., Any], destination: Destination
) -> None:
    """Airflow before 3.3: the try that published it has failed, since the storage has other bytes."""
    arguments = make("download")
    attempt(None, 1, **arguments)
    damage(destination, b"x" * 900)
    with pytest.raises(ClarusInputError, match="exists already"):
        attempt(None, 2, **arguments)
    assert destination.shown() == {"report.csv": b"x" * 900}


def test_a_retry_that_cannot_ask_what_was_landed_is_retried(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, store = make("download"), Store()
    attempt(store, 1, **arguments)

    def refuse(key: str) -> None:
        raise RuntimeError("the API server is away")

    monkeypatch.setattr(store, "get", refuse)
    with pytest.raises(ClarusTransientError, match="a retry helps"):
        attempt(store, 2, **arguments)


@pytest.mark.parametrize("content", [b"x" * 900, b"x" * 7], ids=["changed", "cut off"])
@pytest.mark.parametrize("form", ["download", "transfer"])
def test_what_the_storage_has_not_kept_is_not_skipped_but_lands_anew(
    make: Callable[..., Any], destination: Destination, form: str, content: bytes
) -> None:
    """The try that published it has failed for that; a file, which carries nothing, is another's."""
    arguments, store = make(form, if_exists="skip"), Store()
    receipt = attempt(store, 1, **arguments)
    whole = destination.shown()
    damage(destination, content)
    again = attempt(store, 2, **arguments)
    if destination.store.name == "local":
        assert (again["sha256"], destination.shown()) == (None, {"report.csv": content})
    else:
        assert (again, destination.shown()) == (receipt, whole)


def test_nor_is_it_skipped_without_a_store(make: Callable[..., Any], destination: Destination) -> None:
    """Airflow before 3.3: the document that it carries is landed again, and compared."""
    arguments = make("download", if_exists="skip")
    receipt = attempt(None, 1, **arguments)
    whole = destination.shown()
    assert attempt(None, 2, **arguments) == (
        {**receipt, "sha256": None, "file_name": "report.csv", "document_id": None}
        if destination.store.name == "local"
        else receipt
    )
    damage(destination, b"x" * 900)
    again = attempt(None, 2, **arguments)
    if destination.store.name != "local":
        assert (again, destination.shown()) == (receipt, whole)


@pytest.mark.parametrize("form", ["download", "transfer"])
@pytest.mark.parametrize("has_store", [True, False])
def test_what_another_has_put_there_is_skipped(
    make: Callable[..., Any],
    destination: Destination,
    form: str,
    has_store: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments, store = make(form, if_exists="skip"), Store() if has_store else None
    fail_before_publishing(monkeypatch, store, arguments)
    destination.hold(b"x" * 900)
    assert attempt(store, 2, **arguments)["document_id"] is None
    assert destination.shown() == {"report.csv": b"x" * 900}


@pytest.mark.parametrize("if_exists", ["skip", "fail"])
def test_an_object_of_which_the_storage_may_not_tell_is_there_all_the_same(
    make: Callable[..., Any], destination: Destination, if_exists: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that may write and not read: that it is there is known when it cannot be published."""
    arguments = make("download", if_exists=if_exists)
    destination.hold(b"older")
    monkeypatch.setattr(storage_of(destination.uri), "look", lambda path: None)
    if if_exists == "fail":
        with pytest.raises(ClarusInputError, match="exists already, and if_exists is 'fail': document 1"):
            attempt(None, 1, **arguments)
    else:
        assert attempt(None, 1, **arguments) == {
            "uri": destination.uri,
            "size": None,
            "sha256": None,
            "file_name": "report.csv",
            "document_id": None,
        }
    assert destination.shown() == {"report.csv": b"older"}
