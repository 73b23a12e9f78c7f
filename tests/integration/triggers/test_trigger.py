# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.module_loading import import_string

from airflow_provider_clarus import exceptions
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import ClarusError, ClarusInputError, ClarusTransientError
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.triggers import document
from airflow_provider_clarus.triggers.document import ClarusDocumentTrigger
from airflow_provider_clarus.triggers.event import document_of, settled_of
from airflow_provider_clarus.triggers.event import event_of as told
from airflow_provider_clarus.waiting import watch
from tests.integration.tasks import event_of, restored

ERRORS = [item for name, item in vars(exceptions).items() if name.startswith("Clarus")]


def trigger(document_id: int, *, timeout: float = 20, **arguments: Any) -> ClarusDocumentTrigger:
    now = time.time()
    defaults: dict[str, Any] = {"clarus_conn_id": "clarus_default", "subdomain": None, "poll_interval": 0.1}
    defaults |= {"since": now, "deadline": now + timeout}
    return ClarusDocumentTrigger(document_id, **(defaults | arguments))


async def breaks(**_: Any) -> None:
    raise RuntimeError("can't start new thread")


def test_it_is_the_same_after_a_restart() -> None:
    before = trigger(12, subdomain="globex")
    after = restored(before)
    assert type(after) is ClarusDocumentTrigger
    assert after.serialize() == before.serialize()
    assert after.deadline == before.deadline


@pytest.mark.usefixtures("hurry")
def test_its_event_is_the_document(clarus_default: Sandbox) -> None:
    (document_id,) = clarus_default.add_documents(1, 7)
    event = event_of(trigger(document_id))
    name = f"report-7-{document_id}.csv"
    assert document_of(event) == Document(document_id, DocumentStatus.AVAILABLE, name, "csv")
    assert clarus_default.count("generate") == 0


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    ("report", "error"),
    [
        (Report(8, seconds=0, outcome="failed"), "report_failed"),
        (Report(8, seconds=math.inf), "timeout"),
    ],
)
def test_its_event_is_the_error_that_ended_the_wait(
    clarus_default: Sandbox, report: Report, error: str
) -> None:
    clarus_default.add_report(report)
    (document_id,) = clarus_default.add_documents(1, 8)
    event = event_of(trigger(document_id, timeout=0.3))
    assert event["error"]["kind"] == error
    assert "ocument 1 in tenant 'acme'" in event["error"]["message"]
    assert (event["error"]["document_id"], event["error"]["tenant"]) == (1, "acme")


@pytest.mark.usefixtures("hurry")
def test_a_missing_connection_is_an_event_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LAST_LOOK", 0.5)
    event = event_of(trigger(1, clarus_conn_id="warehouse", timeout=1))
    assert event["error"]["kind"] == "timeout"
    assert "'warehouse'" in event["error"]["message"]


@pytest.mark.parametrize("error_class", ERRORS)
def test_an_error_is_the_same_in_the_task_as_in_the_trigger(error_class: type[ClarusError]) -> None:
    error = error_class(
        "It broke.", status=403, code=12, symbol="no", document_id=5, tenant="acme", retry_after=2.5
    )
    with pytest.raises(ClarusError, match="It broke") as raised:
        document_of(json.loads(json.dumps(told(error))))
    assert type(raised.value) is error_class
    assert raised.value.facts == error.facts


def test_an_error_from_a_newer_triggerer_is_still_an_error_of_ours() -> None:
    with pytest.raises(ClarusError, match="It broke"):
        document_of({"version": 1, "error": {"kind": "brand_new", "message": "It broke."}})


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        [],
        "x",
        5,
        {"version": 1},
        {"version": 1, "document": None},
        {"version": 1, "document": {"id": 5}},
        {"version": 1, "document": {"id": "x", "status": "available"}},
        {"version": 1, "error": "x"},
        {"version": 1, "error": {"kind": "transient"}},
        {"version": 1, "error": {"kind": "transient", "message": "x", "what": 1}},
        {"version": 2, "document": {"id": 5, "status": "available"}},
    ],
)
def test_any_other_event_is_shown_and_refused(event: Any) -> None:
    with pytest.raises(ClarusTransientError, match="no event that can be understood"):
        document_of(event)


@pytest.mark.parametrize("value", [object(), [5], {"a": 1}, timedelta(1), math.inf, Report(7), 2**63])
@pytest.mark.parametrize("name", ["document_id", "clarus_conn_id", "subdomain", "poll_interval", "deadline"])
def test_it_does_not_go_into_the_database_with_what_no_triggerer_can_read(name: str, value: Any) -> None:
    made = trigger(1)
    setattr(made, name, value)
    assert repr(made)
    with pytest.raises(ClarusInputError, match=f"trigger's {name} is"):
        made.serialize()


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"document_id": 1},
        {"document_id": {"a": [1]}, "clarus_conn_id": 5.5, "poll_interval": [5], "deadline": "x"},
        {"document_id": 1, "settled": "{"},
        {"document_id": 1, "settled": "[]"},
        {"document_id": 1, "settled": {"a": 1}},
        {"nobody": object()},
    ],
)
def test_one_that_cannot_be_read_ends_with_an_event(kept: dict[str, Any]) -> None:
    with pytest.raises(ClarusTransientError, match=r"The trigger cannot be read.*A retry makes a new one"):
        document_of(event_of(ClarusDocumentTrigger(**kept)))


@pytest.mark.parametrize("kept", [{"deadline": None}, {"settled": "{"}, {}])
def test_an_error_that_comes_at_once_is_held_until_airflow_can_take_it(
    monkeypatch: pytest.MonkeyPatch, kept: dict[str, Any]
) -> None:
    monkeypatch.setattr(document, "_imported", [breaks])
    monkeypatch.setattr(document, "TOO_SOON", 0.4)
    made = trigger(1, **kept)
    made.trigger_id = 1
    began = time.monotonic()
    assert "error" in event_of(made)
    assert time.monotonic() - began >= 0.4


def test_an_error_is_not_held_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_imported", [breaks])
    monkeypatch.setattr(document, "TOO_SOON", 3600)
    made = trigger(1, timeout=-60)
    made.trigger_id = 1
    assert "error" in event_of(made)


@pytest.mark.usefixtures("hurry")
def test_what_a_later_release_adds_is_left_alone(clarus_default: Sandbox) -> None:
    (document_id,) = clarus_default.add_documents(1, 7)
    assert document_of(event_of(trigger(document_id, later="yes"))).id == document_id


def test_an_error_that_nobody_foresaw_is_an_event_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_imported", [breaks])
    event = event_of(trigger(1, settled='{"report_id": 7}'))
    assert settled_of(event) == {"report_id": 7}
    with pytest.raises(ClarusTransientError, match="can't start new thread"):
        document_of(event)


def test_a_trigger_that_waits_in_a_database_since_the_first_version_loads(clarus_default: Sandbox) -> None:
    kept = {
        "document_id": 3,
        "clarus_conn_id": "clarus_default",
        "subdomain": None,
        "poll_interval": 10.0,
        "since": 1_700_000_000.0,
        "deadline": 1_700_003_600.0,
    }
    trigger = import_string("airflow_provider_clarus.triggers.document.ClarusDocumentTrigger")(**kept)
    _, arguments = trigger.serialize()
    assert {name: arguments[name] for name in kept} == kept
