# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import sys
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
)

from airflow_provider_clarus.exceptions import (
    ClarusInputError,
    ClarusReportFailedError,
    ClarusTimeoutError,
    ClarusTransientError,
)
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from tests.integration.tasks import context, deferral, restored, run

MODES: dict[str, dict[str, Any]] = {"poke": {"deferrable": False}, "deferred": {"deferrable": True}}
in_every_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)


def sensor(document_id: int | str, **arguments: Any) -> ClarusDocumentSensor:
    return ClarusDocumentSensor(
        task_id="wait", document_id=document_id, **({"poke_interval": 0.1, "timeout": 20} | arguments)
    )


def queued(sandbox: Sandbox, **report: Any) -> int:
    sandbox.add_report(Report(8, **report))
    return sandbox.add_documents(1, 8)[0]


def ready_at_the_second_look(sandbox: Sandbox, document_id: int) -> None:
    document = sandbox.documents[document_id]
    sandbox.inject(Fault("graphql", before=lambda: None, times=1))
    sandbox.inject(Fault("graphql", before=lambda: setattr(document, "seconds", 0), times=1))


def first_run(at: datetime | None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the context of a sensor in reschedule mode; Airflow 2 asks its database for what 3 has in it."""
    base = sys.modules[BaseSensorOperator.__module__]
    monkeypatch.setattr(base, "_orig_start_date", lambda **run: at, raising=False)
    run = dict.fromkeys(("dag_id", "task_id", "run_id", "map_index"))
    return context(ti=SimpleNamespace(max_tries=0, get_first_reschedule_date=lambda context: at, **run))


@in_every_mode
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("outcome", ["available", "completed", "AVAILABLE"])
def test_it_waits_and_returns_what_is_there(
    clarus_default: Sandbox, mode: dict[str, Any], outcome: str
) -> None:
    document_id = queued(clarus_default, seconds=math.inf, outcome=outcome)
    ready_at_the_second_look(clarus_default, document_id)
    assert run(lambda: sensor(document_id, **mode)) == {
        "id": document_id,
        "status": "available",
        "file_name": f"report-8-{document_id}.csv",
        "file_type": "csv",
    }
    assert clarus_default.count("graphql") == 2


@in_every_mode
def test_what_is_there_already_is_one_look(
    clarus_default: Sandbox, document: int, mode: dict[str, Any]
) -> None:
    assert sensor(str(document), **mode).execute(context())["id"] == document
    assert clarus_default.count("graphql") == 1


@in_every_mode
@pytest.mark.usefixtures("hurry")
def test_a_replica_that_lags_is_waited_for(clarus_default: Sandbox, mode: dict[str, Any]) -> None:
    document_id = queued(clarus_default, seconds=0, replica_lag=0.5)
    assert run(lambda: sensor(document_id, **mode))["id"] == document_id


@in_every_mode
@pytest.mark.usefixtures("hurry")
def test_a_status_that_nobody_documented_is_not_yet(clarus_default: Sandbox, mode: dict[str, Any]) -> None:
    document_id = queued(clarus_default, seconds=0, outcome="archived")
    with pytest.raises(ClarusTimeoutError, match="its last status was 'unknown'"):
        run(lambda: sensor(document_id, timeout=0.3, **mode))


@in_every_mode
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("seconds", [0.0, 0.3], ids=["at once", "later"])
def test_a_failed_report_fails_for_good(
    clarus_default: Sandbox, mode: dict[str, Any], seconds: float
) -> None:
    document_id = queued(clarus_default, seconds=seconds, outcome="failed")
    with pytest.raises(ClarusReportFailedError, match=f"document {document_id} in tenant 'acme'") as raised:
        run(lambda: sensor(document_id, **mode))
    assert isinstance(raised.value, AirflowFailException)


@in_every_mode
@pytest.mark.usefixtures("hurry")
def test_a_timeout_names_the_document_and_is_not_retried(
    clarus_default: Sandbox, mode: dict[str, Any]
) -> None:
    document_id = queued(clarus_default, seconds=math.inf)
    with pytest.raises(AirflowSensorTimeout, match=f"Document {document_id} in tenant 'acme' was not"):
        run(lambda: sensor(document_id, timeout=0.3, **mode))


@in_every_mode
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("softly", [{"soft_fail": True}, {"never_fail": True}], ids=["soft", "never"])
@pytest.mark.parametrize("report", [{"seconds": math.inf}, {"seconds": 0.3, "outcome": "failed"}])
def test_soft_and_never_fail_skip_in_every_mode(
    clarus_default: Sandbox, mode: dict[str, Any], softly: dict[str, bool], report: dict[str, Any]
) -> None:
    document_id = queued(clarus_default, **report)
    with pytest.raises(AirflowSkipException):
        run(lambda: sensor(document_id, timeout=0.7, **mode, **softly))


@in_every_mode
@pytest.mark.usefixtures("hurry")
def test_an_outage_ends_no_wait(clarus_default: Sandbox, mode: dict[str, Any]) -> None:
    document_id = queued(clarus_default, seconds=0)
    clarus_default.inject(Fault("graphql", status=503, headers={"Retry-After": "90"}, times=1))
    if mode["deferrable"]:
        assert deferral(sensor(document_id, **mode))
    else:
        assert run(lambda: sensor(document_id, **mode))["id"] == document_id


def test_the_trigger_goes_on_with_this_wait(clarus_default: Sandbox) -> None:
    document_id = queued(clarus_default, seconds=math.inf)
    deferred = deferral(
        sensor(document_id, deferrable=True, poke_interval=timedelta(seconds=5), timeout=timedelta(hours=1))
    )
    _, arguments = restored(deferred.trigger).serialize()
    assert (arguments["document_id"], arguments["poll_interval"]) == (document_id, 5)
    assert arguments["deadline"] == arguments["since"] + 3600
    assert clarus_default.count("graphql") == 1


def test_it_reschedules_until_it_is_there(
    clarus_default: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    document_id = queued(clarus_default, seconds=math.inf)
    arguments = {"mode": "reschedule", "poke_interval": 60, "deferrable": False}
    with pytest.raises(AirflowRescheduleException):
        sensor(document_id, **arguments).execute(first_run(None, monkeypatch))
    assert "What failed" not in caplog.text
    clarus_default.documents[document_id].seconds = 0
    assert sensor(document_id, **arguments).execute(first_run(None, monkeypatch))["id"] == document_id


def test_a_timeout_after_reschedules_does_not_say_that_it_has_just_begun(
    clarus_default: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = queued(clarus_default, seconds=math.inf)
    an_hour_ago = datetime.now(timezone.utc) - timedelta(hours=1)
    with pytest.raises(ClarusTimeoutError, match=r"not available after 1800 s.*'(queued|processing)'"):
        sensor(document_id, mode="reschedule", deferrable=False, timeout=1800).execute(
            first_run(an_hour_ago, monkeypatch)
        )


@pytest.mark.parametrize("event", [None, {}, {"status": "success"}, {"document": {}}, 5])
def test_an_event_that_is_none_of_ours_is_refused(event: Any) -> None:
    with pytest.raises(ClarusTransientError, match="no event that can be understood"):
        sensor(1).execute_complete(context(), event)
    # A retry may mend it, so it is no reason to skip, and what is downstream with it.
    with pytest.raises(ClarusTransientError):
        sensor(1, soft_fail=True).resume_execution("execute_complete", {"event": event}, context())
    with pytest.raises(AirflowSkipException):
        sensor(1, never_fail=True).resume_execution("execute_complete", {"event": event}, context())


def test_poke_says_what_it_found(clarus_default: Sandbox, document: int) -> None:
    found = sensor(document).poke(context())
    assert found
    assert found.xcom_value["id"] == document
    assert not sensor(10_000).poke(context())


@in_every_mode
def test_a_sensor_used_twice_answers_for_the_new_document(
    clarus_default: Sandbox, mode: dict[str, Any]
) -> None:
    first, second = clarus_default.add_documents(2, 7)
    for document_id in (first, second):
        clarus_default.documents[document_id].seconds = 0
    used = sensor(first, **mode)
    assert used.poke(context()).xcom_value["id"] == used.execute(context())["id"] == first
    used.document_id = second
    assert used.poke(context()).xcom_value["id"] == used.execute(context())["id"] == second


@pytest.mark.parametrize("error", ["Trigger failure", "Trigger timeout", "Trigger/execution timeout"])
@pytest.mark.parametrize("softly", ["soft_fail", "never_fail"])
def test_a_wait_that_airflow_ends_is_skipped_as_airflows_own_sensors_skip_it(error: str, softly: str) -> None:
    with pytest.raises(AirflowSkipException, match="document 1 broke"):
        sensor(1, **{softly: True}).resume_execution("__fail__", {"error": error}, context())


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger/execution timeout"])
def test_a_wait_that_no_triggerer_has_ended_is_retried(error: str) -> None:
    # Its own timeout is told by the trigger. Airflow gives a deferral up later, when no triggerer has.
    with pytest.raises(
        ClarusTransientError, match="No triggerer has ended the wait for document 1"
    ) as raised:
        sensor(1).resume_execution("__fail__", {"error": error}, context())
    assert not isinstance(raised.value, AirflowFailException | AirflowSensorTimeout)


def test_a_broken_trigger_is_retried() -> None:
    with pytest.raises(AirflowException, match="Trigger failure") as raised:
        sensor(1).resume_execution("__fail__", {"error": "Trigger failure"}, context())
    assert not isinstance(raised.value, AirflowFailException | AirflowSensorTimeout)


@pytest.mark.parametrize("softly", ["soft_fail", "never_fail"])
def test_it_does_not_skip_for_a_flag_that_is_none(clarus_default: Sandbox, softly: str) -> None:
    with pytest.raises(ClarusInputError, match=f"{softly} is 'perhaps'"):
        sensor(1, **{softly: "perhaps"}).execute(context())
    assert not clarus_default.requests
