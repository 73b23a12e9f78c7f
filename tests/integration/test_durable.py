# SPDX-License-Identifier: Apache-2.0
"""What a failed try has queued, its retry goes on with."""

from __future__ import annotations

import logging
import math
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_clarus import durable
from airflow_provider_clarus.exceptions import ClarusReportFailedError, ClarusTimeoutError
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

from .tasks import Store, context


@pytest.fixture
def store() -> Store:
    return Store()


def attempt(store: Store, max_tries: int = 2, **arguments: Any) -> int:
    operator = ClarusGenerateReportOperator(task_id="generate", **({"report_id": 7} | arguments))
    ti = SimpleNamespace(max_tries=max_tries)
    return int(operator.execute(context(task_state_store=store, ti=ti)))


def test_a_retry_adopts_what_the_failed_try_has_queued(clarus_default: Sandbox, store: Store) -> None:
    clarus_default.add_report(Report(7, seconds=math.inf))
    waiting = {"wait_for_completion": True, "deferrable": False, "poll_interval": 0.05}
    with pytest.raises(ClarusTimeoutError):
        attempt(store, timeout=0.1, **waiting)
    clarus_default.documents[1].seconds = 0
    assert attempt(store, **waiting) == 1
    assert clarus_default.count("generate") == 1


def test_a_cleared_task_generates_anew(clarus_default: Sandbox, store: Store) -> None:
    assert attempt(store, max_tries=2) == 1
    assert attempt(store, max_tries=3) == 2
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


def test_a_document_that_failed_is_not_adopted(clarus_default: Sandbox, store: Store) -> None:
    clarus_default.add_report(Report(7, seconds=0, outcome="failed"))
    with pytest.raises(ClarusReportFailedError):
        attempt(store, wait_for_completion=True)
    assert attempt(store) == 2


def test_a_document_that_the_replica_does_not_show_yet_is_adopted(
    clarus_default: Sandbox, store: Store
) -> None:
    clarus_default.add_report(Report(7, replica_lag=math.inf))
    assert attempt(store) == attempt(store) == 1


def test_a_document_that_is_gone_is_not_adopted(
    clarus_default: Sandbox, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clarus_default.add_report(Report(7, replica_lag=math.inf))
    assert attempt(store) == 1
    monkeypatch.setattr(durable, "MISSING_GRACE", 0.0)
    assert attempt(store) == 2


def test_without_a_store_each_try_generates_and_the_log_says_so_where_there_are_retries(
    clarus_default: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    for expected, retries in ((1, 0), (2, 2)):
        task = ClarusGenerateReportOperator(task_id="generate", report_id=7)
        with caplog.at_level(logging.INFO):
            assert task.execute(context(ti=SimpleNamespace(max_tries=retries))) == expected
        assert caplog.text.count("a retry will generate again") == min(retries, 1)


def test_a_store_that_cannot_keep_it_does_not_cost_the_document(
    clarus_default: Sandbox, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(key: str, value: Any) -> None:
        raise RuntimeError("the API server is away")

    monkeypatch.setattr(store, "set", refuse)
    assert attempt(store) == 1
    assert "Could not keep document 1 for a retry" in caplog.text
