# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSensorTimeout
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_clarus.exceptions import (
    ClarusReportFailedError,
    ClarusTimeoutError,
    ClarusTransientError,
)
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.triggers.deferral import GRACE
from tests.integration.tasks import Store, context, deferral, restored, run, task_instance

DAY = {
    "data_interval_start": pendulum.datetime(2024, 3, 31, tz="Europe/London"),
    "data_interval_end": pendulum.datetime(2024, 4, 1, tz="Europe/London"),
}


def operator(**arguments: Any) -> ClarusGenerateReportOperator:
    return ClarusGenerateReportOperator(task_id="generate", **({"report_id": 7} | arguments))


def test_it_returns_the_documents_id_without_waiting(clarus_default: Sandbox) -> None:
    assert operator().execute(context()) == 1
    assert operator(report_id="7").execute(context()) == 2
    assert clarus_default.count("graphql") == 0


def test_it_sends_variables_and_the_runs_interval(clarus_default: Sandbox) -> None:
    schedule = CronDataIntervalTimetable("0 0 * * *", timezone="Europe/London")
    with DAG("stock", schedule=schedule, start_date=pendulum.datetime(2024, 1, 1)):
        task = operator(variables={"account_id": [3, 14]}, interval_variables=("date_from", "date_to"))
    task.execute(context(**DAY))
    assert clarus_default.documents[1].variables == {
        "account_id": ["3", "14"],
        "date_from": ["2024-03-31T00:00:00+00:00"],
        "date_to": ["2024-03-31T22:59:59+00:00"],
    }


def test_a_relative_variable_passes_while_it_means_this_run(clarus_default: Sandbox) -> None:
    now = pendulum.now("UTC")
    interval = {"data_interval_start": now - timedelta(days=1), "data_interval_end": now}
    operator(variables={"date_from": "3 days ago"}).execute(context(**interval))
    with pytest.raises(AirflowFailException, match="3 days ago"):
        operator(variables={"date_from": "3 days ago"}).execute(context(**DAY))
    operator(variables={"date_from": "3 days ago"}, allow_relative_variables=True).execute(context(**DAY))
    operator(variables={"date_from": "today"}, allow_relative_variables=["date_from"]).execute(context(**DAY))
    with pytest.raises(AirflowFailException, match="today"):
        operator(variables={"date_from": "today"}, allow_relative_variables=["n"]).execute(context(**DAY))
    assert clarus_default.count("generate") == 3


def test_it_waits_in_the_worker(clarus_default: Sandbox) -> None:
    task = operator(wait_for_completion=True, deferrable=False, poll_interval=0.1)
    document_id = task.execute(context())
    assert clarus_default.documents[document_id].available


def test_it_defers_with_a_deadline_and_without_a_secret(clarus_default: Sandbox) -> None:
    clarus_default.add_report(Report(7, seconds=math.inf))
    before = time.time()
    deferred = deferral(operator(wait_for_completion=True, deferrable=True, poll_interval=20, timeout=900))
    path, arguments = deferred.trigger.serialize()
    assert path == "airflow_provider_clarus.triggers.document.ClarusDocumentTrigger"
    assert arguments | {"since": 0, "deadline": 0} == {
        "document_id": 1,
        "clarus_conn_id": "clarus_default",
        "subdomain": "acme",
        "poll_interval": 20,
        "since": 0,
        "deadline": 0,
        "settled": '{"report_id": 7, "asked": {"tenant": "acme"}}',
    }
    assert before <= arguments["since"] <= time.time()
    assert arguments["deadline"] == arguments["since"] + 900
    assert restored(deferred.trigger).serialize() == deferred.trigger.serialize()
    # It has queued nothing but the one report, and has not looked: that can hardly be ready.
    assert [request.endpoint for request in clarus_default.requests] == ["token", "generate"]


def test_it_does_not_defer_for_an_adopted_document_that_is_there(clarus_default: Sandbox) -> None:
    store = Store()
    waiting = {"wait_for_completion": True, "deferrable": True}
    deferral(operator(**waiting), task_state_store=store)
    clarus_default.documents[1].seconds = 0
    assert operator(**waiting).execute(context(task_state_store=store)) == 1
    assert [request.endpoint for request in clarus_default.requests] == ["token", "generate", "graphql"]


def test_a_deferral_ends_after_its_wait_also_without_a_triggerer(clarus_default: Sandbox) -> None:
    clarus_default.add_report(Report(7, seconds=math.inf))
    deferred = deferral(operator(wait_for_completion=True, deferrable=True, timeout=900))
    assert 890 + GRACE < deferred.timeout.total_seconds() <= 900 + GRACE


def test_what_is_left_of_execution_timeout_bounds_the_wait(clarus_default: Sandbox) -> None:
    clarus_default.add_report(Report(7, seconds=math.inf))
    ti = task_instance(start_date=datetime.now(timezone.utc) - timedelta(seconds=100))
    limited = {"wait_for_completion": True, "timeout": 900, "execution_timeout": timedelta(seconds=160)}
    deferred = deferral(operator(deferrable=True, **limited), ti=ti)
    left = deferred.trigger.deadline - time.time()
    assert 50 < left <= 60
    assert deferred.timeout.total_seconds() <= 60 + GRACE
    # The shorter of the two counts.
    own = deferral(operator(deferrable=True, **(limited | {"timeout": 30})), ti=ti)
    assert own.trigger.deadline - time.time() <= 30


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("deferrable", [False, True])
def test_the_end_of_execution_timeout_is_retried(clarus_default: Sandbox, deferrable: bool) -> None:
    clarus_default.add_report(Report(7, seconds=math.inf))
    ti = task_instance(start_date=datetime.now(timezone.utc) - timedelta(seconds=100))
    limited = {
        "wait_for_completion": True,
        "deferrable": deferrable,
        "poll_interval": 1,
        "execution_timeout": timedelta(seconds=101),
    }
    with pytest.raises(
        ClarusTransientError, match=r"execution_timeout was over .*Document 1 in tenant"
    ) as raised:
        run(lambda: operator(**limited), ti=ti)
    assert not isinstance(raised.value, AirflowSensorTimeout | AirflowFailException)


def test_a_wait_that_no_triggerer_has_ended_is_retried(clarus_default: Sandbox) -> None:
    ti = task_instance(task_id="generate", map_index=-1, xcom_pull=lambda **_: 5)
    with pytest.raises(ClarusTransientError, match=r"document 5: Trigger timeout.*retry goes on"):
        operator().resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti=ti))


@pytest.mark.usefixtures("hurry")
def test_it_resumes_with_the_triggers_document(clarus_default: Sandbox) -> None:
    assert run(lambda: operator(wait_for_completion=True, deferrable=True, poll_interval=0.1)) == 1
    assert clarus_default.count("generate") == 1


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_report_that_cannot_be_generated_fails_for_good(clarus_default: Sandbox, deferrable: bool) -> None:
    clarus_default.add_report(Report(7, seconds=0.2, outcome="failed"))
    with pytest.raises(ClarusReportFailedError, match="document 1 in tenant 'acme'"):
        run(lambda: operator(wait_for_completion=True, deferrable=deferrable, poll_interval=0.1))


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_wait_that_takes_too_long_says_what_for(clarus_default: Sandbox, deferrable: bool) -> None:
    clarus_default.add_report(Report(7, seconds=math.inf))
    with pytest.raises(ClarusTimeoutError, match="Document 1 in tenant 'acme' was not available"):
        run(lambda: operator(wait_for_completion=True, deferrable=deferrable, poll_interval=0.1, timeout=0.3))


def test_an_outage_does_not_end_a_wait(clarus_default: Sandbox) -> None:
    clarus_default.inject(Fault("graphql", status=503, headers={"Retry-After": "120"}, times=3))
    task = operator(wait_for_completion=True, deferrable=False, poll_interval=0.1, timeout=20)
    assert task.execute(context()) == 1


@pytest.mark.parametrize(
    "event", [None, {}, {"status": "success"}, {"document": {}}, {"document": 5}, "done"]
)
def test_an_event_that_is_none_of_ours_is_refused(clarus_default: Sandbox, event: Any) -> None:
    with pytest.raises(ClarusTransientError, match="no event that can be understood"):
        operator().execute_complete(context(), event)
