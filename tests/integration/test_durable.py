# SPDX-License-Identifier: Apache-2.0
"""What a failed try has queued, its retry goes on with."""

from __future__ import annotations

import logging
import math
import re
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_clarus import durable
from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.api.recent import documents_since
from airflow_provider_clarus.exceptions import (
    ClarusError,
    ClarusForbiddenError,
    ClarusNotFoundError,
    ClarusOutcomeUnknownError,
    ClarusReportFailedError,
    ClarusTimeoutError,
    ClarusTransientError,
)
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.http.retries import REFUSED_PAUSE
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.policy.patience import MISSING_GRACE
from airflow_provider_clarus.sandbox import _graphql
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

from .tasks import Store, context, deferral, task_instance


@pytest.fixture
def store() -> Store:
    return Store()


def attempt(store: Store, max_tries: int = 2, try_number: int = 1, **arguments: Any) -> int:
    operator = ClarusGenerateReportOperator(task_id="generate", **({"report_id": 7} | arguments))
    ti = task_instance(max_tries=max_tries, try_number=try_number)
    return int(operator.execute(context(task_state_store=store, ti=ti)))


def test_a_retry_adopts_what_the_failed_try_has_queued(clarus_default: Sandbox, store: Store) -> None:
    clarus_default.add_report(Report(7, seconds=math.inf))
    waiting = {"wait_for_completion": True, "deferrable": False, "poll_interval": 0.05}
    with pytest.raises(ClarusTimeoutError):
        attempt(store, timeout=0.1, **waiting)
    clarus_default.documents[1].seconds = 0
    assert attempt(store, **waiting) == 1
    assert clarus_default.count("generate") == 1


def test_a_cleared_task_generates_anew_and_says_so(
    clarus_default: Sandbox, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    said = "cleared after it had queued document 1: generating anew"
    caplog.set_level(logging.INFO)
    assert attempt(store, max_tries=2) == 1
    assert said not in caplog.text
    assert attempt(store, max_tries=3) == 2
    assert said in caplog.text
    assert attempt(store, max_tries=3) == 2


@pytest.mark.parametrize(
    "change", [{"report_id": 8}, {"variables": {"account_id": 3}}, {"subdomain": "globex"}]
)
def test_another_request_is_generated_anew(
    monkeypatch: pytest.MonkeyPatch, store: Store, change: dict[str, Any]
) -> None:
    reports = [Report(7), Report(8), Report(7, tenant="globex")]
    with Sandbox(reports, tenants=["acme", "globex"]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", sandbox.connection_uri)
        assert attempt(store) == 1
        assert attempt(store, **change) == 2


@pytest.mark.long
def test_a_document_that_failed_is_not_adopted(clarus_default: Sandbox, store: Store) -> None:
    clarus_default.add_report(Report(7, seconds=0, outcome="failed"))
    with pytest.raises(ClarusReportFailedError):
        attempt(store, wait_for_completion=True)
    assert attempt(store) == 2


#: A replica that lags, as it may after an outage, which is when retries run.
NOTHING = {"edges": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}
UNSEEN = {"status": 200, "body": {"data": {"documents": {"all": NOTHING}}}}
REFUSED = {"status": 403, "body": {"errors": [{"code": 1403, "symbol": "forbidden", "details": "Not you."}]}}


@pytest.mark.parametrize("answer", [UNSEEN, REFUSED, {"status": 404, "body": REFUSED["body"]}])
def test_one_look_does_not_judge_the_document_of_an_earlier_try(
    clarus_default: Sandbox, store: Store, clock: SimpleNamespace, answer: dict[str, Any]
) -> None:
    assert attempt(store) == 1
    clock.now += 600
    clarus_default.inject(Fault("graphql", asks_for="documents", times=3, **answer))
    assert attempt(store) == 1
    assert clarus_default.count("generate") == 1


def test_a_document_that_stays_out_of_sight_is_generated_anew(
    clarus_default: Sandbox, store: Store, clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clarus_default.add_report(Report(7, replica_lag=math.inf))
    assert attempt(store) == 1
    clock.now += 600
    began = clock.now
    assert attempt(store) == 2
    assert clock.now - began == pytest.approx(MISSING_GRACE, abs=REFUSED_PAUSE)
    assert clock.now - began > MISSING_GRACE
    assert re.findall(r"out of sight; next look in (\d+) s", caplog.text) == [*"1248", *["15"] * 8]


def test_the_time_in_which_a_look_was_refused_does_not_count(
    clarus_default: Sandbox, store: Store, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attempt(store) == 1
    began = clock.now
    looks: list[Any] = [None, *[ClarusForbiddenError("Not you.", status=403)] * 11, None]
    see = ClarusClient.get_document

    def look(client: ClarusClient, document_id: int) -> Any:
        answer = looks.pop(0) if looks else see(client, document_id)
        if isinstance(answer, ClarusError):
            raise answer
        return answer

    monkeypatch.setattr(ClarusClient, "get_document", look)
    assert attempt(store) == 1
    assert clock.now - began > MISSING_GRACE
    assert clarus_default.count("generate") == 1


@pytest.mark.parametrize(("seconds", "expected", "longest"), [(16, 2, 2), (31, 1, 4)])
def test_a_server_that_is_slow_does_not_make_a_retry_look_for_ever(
    clarus_default: Sandbox,
    store: Store,
    clock: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    expected: int,
    longest: float,
) -> None:
    assert attempt(store) == 1
    began = clock.now

    def look(client: ClarusClient, document_id: int) -> None:
        clock.now += seconds

    monkeypatch.setattr(ClarusClient, "get_document", look)
    # So slow as if it had been asked more than once, it tells nothing, and the wait judges.
    assert attempt(store) == expected
    assert clock.now - began < longest * MISSING_GRACE


def test_a_refusal_that_stays_generates_nothing(
    clarus_default: Sandbox, store: Store, clock: SimpleNamespace
) -> None:
    assert attempt(store) == 1
    clarus_default.inject(Fault("graphql", asks_for="documents", **REFUSED))
    with pytest.raises(ClarusForbiddenError, match="times in a row, for 120 s"):
        attempt(store)
    assert clarus_default.count("generate") == 1


def test_without_a_store_each_try_generates_and_the_log_says_so_where_there_are_retries(
    clarus_default: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    for expected, retries in ((1, 0), (2, 2)):
        task = ClarusGenerateReportOperator(task_id="generate", report_id=7)
        with caplog.at_level(logging.INFO):
            assert task.execute(context(ti=task_instance(max_tries=retries))) == expected
        assert caplog.text.count("a retry will generate report 7") == min(retries, 1)


def test_a_store_that_cannot_keep_it_does_not_cost_the_document(
    clarus_default: Sandbox, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = store.set

    def refuse(key: str, value: Any) -> None:
        if clarus_default.documents:
            raise RuntimeError("the API server is away")
        write(key, value)

    monkeypatch.setattr(store, "set", refuse)
    assert attempt(store) == 1
    assert "Could not keep document 1 of report 7 of tenant 'acme' for a retry" in caplog.text


def test_what_cannot_be_written_down_first_is_not_generated(
    clarus_default: Sandbox, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(key: str, value: Any) -> None:
        raise RuntimeError("the API server is away")

    monkeypatch.setattr(store, "set", refuse)
    with pytest.raises(ClarusTransientError, match="Nothing was sent; a retry helps"):
        attempt(store)
    assert not clarus_default.documents
    # There is no retry that could profit.
    assert attempt(store, max_tries=0) == 1


UNKNOWN = {
    "504": Fault("generate", acts=True, status=504, times=1),
    "503": Fault("generate", acts=True, status=503, body="upstream prematurely closed", times=1),
    "ConnectionError": Fault("generate", acts=True, reset=True, times=1),
    "not queued": Fault("generate", status=502, times=1),
}


@pytest.mark.parametrize("fault", UNKNOWN)
def test_an_unknown_outcome_is_generated_again_by_a_retry_which_says_why(
    clarus_default: Sandbox, store: Store, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    clarus_default.inject(UNKNOWN[fault])
    with pytest.raises(ClarusOutcomeUnknownError, match="A retry generates it again") as raised:
        attempt(store)
    assert not isinstance(raised.value, AirflowFailException)
    queued = len(clarus_default.documents)
    assert queued == (0 if fault == "not queued" else 1)
    assert (f"made since then, by anybody: {queued}" in str(raised.value)) == bool(queued)
    assert clarus_default.count("generate") == 1

    caplog.clear()
    assert attempt(store, try_number=2) == queued + 1
    [told] = [record for record in caplog.records if "broke off at" in record.getMessage()]
    said = told.getMessage()
    assert re.search(r"Try 1 broke off at \d\d:\d\d:\d\d UTC with (50[234]|ClarusTransientError)", said)
    assert "report 7 of tenant 'acme' is not known, and 2 documents of it may exist" in said
    assert (f"by anybody: {queued}." in said) == bool(queued)
    # From here on there is a document, and nothing to doubt.
    caplog.clear()
    assert attempt(store, try_number=3) == queued + 1
    assert "broke off" not in caplog.text


def test_an_unknown_outcome_can_be_final(clarus_default: Sandbox, store: Store) -> None:
    clarus_default.inject(UNKNOWN["504"])
    with pytest.raises(ClarusOutcomeUnknownError, match="on_unknown_outcome is 'fail'") as raised:
        attempt(store, on_unknown_outcome="fail")
    assert isinstance(raised.value, AirflowFailException)
    assert (raised.value.report_id, raised.value.tenant, raised.value.status) == (7, "acme", 504)
    assert attempt(store, max_tries=3, on_unknown_outcome="fail") == 2


@pytest.mark.parametrize("choice", ["retry", "fail"])
def test_a_try_that_was_killed_while_it_asked_is_told_of(
    clarus_default: Sandbox,
    store: Store,
    choice: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Killed(BaseException):
        pass

    generate = ClarusClient.generate_report

    def die(*arguments: Any, **options: Any) -> Any:
        generate(*arguments, **options)
        raise Killed

    monkeypatch.setattr(ClarusClient, "generate_report", die)
    with pytest.raises(Killed):
        attempt(store, on_unknown_outcome=choice)
    monkeypatch.setattr(ClarusClient, "generate_report", generate)
    if choice == "fail":
        with pytest.raises(AirflowFailException, match=r"Try 1 broke off at .* without a word"):
            attempt(store, try_number=2, on_unknown_outcome=choice)
        assert clarus_default.count("generate") == 1
    else:
        assert attempt(store, try_number=2) == 2
        assert "without a word" in caplog.text


def test_a_refusal_is_no_doubt(
    clarus_default: Sandbox, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ClarusNotFoundError):
        attempt(store, report_id=404)
    assert attempt(store, try_number=2) == 1
    assert "broke off" not in caplog.text


@pytest.mark.usefixtures("no_pauses")
def test_a_request_that_clarus_did_not_get_is_repeated_for_over_a_minute(
    clarus_default: Sandbox, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    clarus_default.inject(Fault("generate", status=429, times=9))
    assert attempt(store) == 1
    pauses = [float(seconds) for seconds in re.findall(r"Trying again in ([\d.]+) s", caplog.text)]
    assert len(pauses) == 9
    assert sum(pauses) > 60
    assert max(pauses) <= durable.LONGEST_PAUSE


@pytest.mark.usefixtures("no_pauses")
def test_it_is_not_repeated_past_execution_timeout(clarus_default: Sandbox, store: Store) -> None:
    clarus_default.inject(Fault("generate", status=429))
    operator = ClarusGenerateReportOperator(
        task_id="generate", report_id=7, execution_timeout=timedelta(seconds=20)
    )
    ti = task_instance(max_tries=2, start_date=datetime.now(timezone.utc))
    with pytest.raises(ClarusTransientError, match="429"):
        operator.execute(context(ti=ti, task_state_store=store))
    assert clarus_default.count("generate") == 1
    clarus_default.clear_faults()
    # Nothing was queued, so there is nothing to doubt.
    assert attempt(store, try_number=2) == 1


@pytest.mark.parametrize("max_tries", [2, 4])
def test_a_task_cleared_while_it_ran_generates_anew_and_says_so(
    clarus_default: Sandbox, store: Store, max_tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert attempt(store) == 1
    ti = task_instance(
        dag_id="stock",
        task_id="generate",
        run_id="today",
        map_index=-1,
        get_task_states=lambda *_, **__: {"today": {"generate": "restarting"}},
    )
    durable.forget_if_cleared(context(task_state_store=store, ti=ti))
    with caplog.at_level(logging.INFO):
        assert attempt(store, max_tries=max_tries, try_number=2) == 2
    assert "cleared after it had queued document 1: generating anew" in caplog.text


def test_where_nothing_is_kept_nothing_is_forgotten_and_nothing_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    durable.forget_if_cleared(context(ti=task_instance()))
    assert not caplog.records


def test_what_was_made_since_is_listed_without_the_inferred_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_graphql, "SDL", _graphql.SDL.replace("created_at: DatetimeInputType", ""))
    with Sandbox([Report(7, seconds=60)]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", sandbox.connection_uri)
        sandbox.add_documents(3, 7)
        sandbox.documents[1].created -= 3600
        sandbox.documents[1].seconds = 7200
        client = ClarusHook().client
        assert documents_since(client, time.time()) == [2, 3]


def test_the_documents_id_is_an_xcom_before_it_is_waited_for(clarus_default: Sandbox) -> None:
    clarus_default.add_report(Report(7, seconds=math.inf))
    ti = task_instance()
    operator = ClarusGenerateReportOperator(
        task_id="generate", report_id=7, wait_for_completion=True, deferrable=True
    )
    deferral(operator, ti=ti)
    assert ti.xcoms == {"document_id": 1}


def test_an_xcom_that_cannot_be_pushed_costs_no_document(
    clarus_default: Sandbox, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    operator = ClarusGenerateReportOperator(task_id="generate", report_id=7)
    assert operator.execute(context(ti=SimpleNamespace(max_tries=0))) == 1
    assert "Could not push document 1" in caplog.text
