# SPDX-License-Identifier: Apache-2.0
"""Tries that end badly in a real Airflow 3.3, and how often each has Clarus generate the report."""

from __future__ import annotations

import csv
import math
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from airflow_provider_clarus.demo.airflow_api import TaskInstance
from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.documents import Document
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        Version(version("apache-airflow")) < Version("3.3"), reason="Airflow 3.3 brings the task state store"
    ),
]

_reports = count(31)


@dataclass
class Run:
    """A run of a DAG with one task, and a report of its own."""

    airflow: LocalAirflow
    clarus: Sandbox
    dag_id: str
    report_id: int
    id: str

    @property
    def documents(self) -> list[Document]:
        """What Clarus was asked to generate."""
        return [item for item in self.clarus.documents.values() if item.report.id == self.report_id]

    @property
    def task(self) -> TaskInstance:
        [task] = self.airflow.task_instances(self.dag_id, self.id)
        return task

    @property
    def log(self) -> str:
        return "\n".join(
            self.airflow.task_log(self.dag_id, self.id, self.task.task_id, number)
            for number in range(1, self.task.try_number + 1)
        )

    def until(self, condition: Callable[[], Any], timeout: float = 120) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"{self.task}\n{self.log}"
            time.sleep(0.1)

    def until_state(self, state: str, try_number: int) -> None:
        def reached() -> bool:
            task = self.task
            return (task.state, task.try_number) == (state, try_number)

        self.until(reached)

    def until_success(self, try_number: int) -> None:
        """Wait for the run's end, too: what is cleared before it may stay as it is (seen on 3.3.2)."""
        self.until_state("success", try_number)
        self.until(lambda: self.airflow.runs(self.dag_id)[self.id] == "success")

    def kill_worker(self) -> None:
        """Kill the process that executes the task, as the kernel does when memory is short."""
        path = f"dags/{self.dag_id}/dagRuns/{self.id}/taskInstances/{self.task.task_id}"
        os.kill(self.airflow.call("GET", path)["pid"], signal.SIGKILL)

    def clear(self) -> None:
        body = {"dry_run": False, "dag_run_id": self.id, "only_failed": False}
        self.airflow.call("POST", f"dags/{self.dag_id}/clearTaskInstances", json=body)


@pytest.fixture
def start(airflow: LocalAirflow, clarus: Sandbox) -> Callable[..., Run]:
    def start(dag_id: str, **report: Any) -> Run:
        report_id = next(_reports)
        clarus.add_report(Report(report_id, **report))
        return Run(airflow, clarus, dag_id, report_id, airflow.trigger(dag_id, report=report_id))

    return start


@pytest.fixture
def kill_before_defer(clarus: Sandbox) -> Callable[[Run], None]:
    """Kill a run's worker when its report is queued, but before it has handed the wait over."""

    def kill(run: Run) -> None:
        looks = clarus.count("graphql")
        run.until(lambda: run.documents and clarus.count("graphql") > looks)
        run.kill_worker()
        clarus.clear_faults()

    # The worker looks once before it defers.
    clarus.inject(Fault("graphql", delay=60))
    return kill


@pytest.mark.parametrize("dag_id", ["durable_generate", "durable_land"])
def test_a_worker_killed_between_post_and_defer_costs_no_second_report(
    dag_id: str, kill_before_defer: Callable[[Run], None], start: Callable[..., Run]
) -> None:
    run = start(dag_id, seconds=3)
    kill_before_defer(run)
    run.until_success(try_number=2)
    assert f"Going on with document {run.documents[0].id} of an earlier try" in run.log
    assert len(run.documents) == 1


def test_a_document_that_failed_meanwhile_is_replaced(
    kill_before_defer: Callable[[Run], None], start: Callable[..., Run]
) -> None:
    run = start("durable_land", seconds=math.inf)
    kill_before_defer(run)
    run.clarus.add_report(Report(run.report_id, seconds=0))
    failed = run.documents[0]
    failed.seconds, failed.outcome = 0, "failed"
    run.until_success(try_number=2)
    assert f"Document {failed.id} of an earlier try failed" in run.log
    assert [document.status for document in run.documents] == ["failed", "available"]


def test_a_landing_that_fails_twice_generates_once(start: Callable[..., Run], landing: Path) -> None:
    run = start("durable_land", seconds=1)
    folder = landing / "durable" / str(run.report_id)
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    run.until_state("up_for_retry", try_number=2)
    folder.unlink()
    run.until_success(try_number=3)
    assert len(run.documents) == 1
    [document] = {line["document_id"] for line in csv.DictReader((folder / "stock.csv").open())}
    assert document == str(run.documents[0].id)


@pytest.mark.parametrize("state", ["success", "deferred"])
def test_a_cleared_task_generates_anew(state: str, start: Callable[..., Run], landing: Path) -> None:
    run = start("durable_land", seconds=1 if state == "success" else math.inf)
    if state == "success":
        run.until_success(try_number=1)
    else:
        run.until_state(state, try_number=1)
    run.clarus.add_report(Report(run.report_id, seconds=1))
    run.clear()
    run.until_success(try_number=2)
    first, second = run.documents
    receipt = run.airflow.xcom("durable_land", run.id, "land")
    assert receipt["document_id"] == second.id > first.id
    assert "of an earlier try" not in run.log


def test_a_retry_after_a_clear_goes_on_with_what_the_cleared_task_generated(
    start: Callable[..., Run], landing: Path
) -> None:
    run = start("durable_land", seconds=0)
    run.until_success(try_number=1)
    folder = landing / "durable" / str(run.report_id)
    shutil.rmtree(folder)
    folder.write_text("in the way")
    run.clear()
    run.until_state("up_for_retry", try_number=2)
    folder.unlink()
    run.until_success(try_number=3)
    assert len(run.documents) == 2
