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
from airflow_provider_clarus.demo.processes import session_members
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
    def start(dag_id: str, conf: dict[str, Any] | None = None, **report: Any) -> Run:
        report_id = next(_reports)
        clarus.add_report(Report(report_id, **report))
        run_id = airflow.trigger(dag_id, report=report_id, **(conf or {}))
        return Run(airflow, clarus, dag_id, report_id, run_id)

    return start


#: Such a task waits in its worker, where it can be killed while it waits.
IN_WORKER = {"deferrable": False}


def kill_while_it_waits(run: Run) -> None:
    """Kill a run's worker once it has queued its report."""
    run.until(lambda: "is queued as document" in run.log)
    run.kill_worker()


@pytest.mark.parametrize("dag_id", ["durable_generate", "durable_land"])
def test_a_worker_killed_after_its_post_costs_no_second_report(
    dag_id: str, start: Callable[..., Run]
) -> None:
    run = start(dag_id, IN_WORKER, seconds=20)
    kill_while_it_waits(run)
    run.until_success(try_number=2)
    assert f"Going on with document {run.documents[0].id} of an earlier try" in run.log
    assert len(run.documents) == 1


def test_a_document_that_failed_meanwhile_is_replaced(start: Callable[..., Run]) -> None:
    run = start("durable_land", IN_WORKER, seconds=math.inf)
    kill_while_it_waits(run)
    run.clarus.add_report(Report(run.report_id, seconds=0))
    failed = run.documents[0]
    failed.seconds, failed.outcome = 0, "failed"
    run.until_success(try_number=2)
    assert f"Document {failed.id} of an earlier try, for report {run.report_id}" in run.log
    assert [document.status for document in run.documents] == ["failed", "available"]


@pytest.mark.parametrize("dag_id", ["durable_generate", "durable_land"])
def test_a_worker_killed_between_post_and_answer_is_told_of(
    dag_id: str, start: Callable[..., Run], clarus: Sandbox
) -> None:
    clarus.inject(Fault("generate", acts=True, delay=60, times=1))
    run = start(dag_id, seconds=1)
    run.until(lambda: run.documents)
    run.kill_worker()
    run.until_success(try_number=2)
    first, second = run.documents
    said = run.airflow.task_log(run.dag_id, run.id, run.task.task_id, 2)
    assert "Try 1 broke off at" in said
    assert "without a word" in said
    assert f"report {run.report_id} of tenant 'acme' is not known, and 2 documents of it may exist" in said
    assert str(first.id) in said.partition("made since then, by anybody:")[2]
    assert f"queued as document {second.id}" in said


def test_a_gateway_that_gives_up_is_retried_and_told_of(start: Callable[..., Run], clarus: Sandbox) -> None:
    clarus.inject(Fault("generate", acts=True, status=504, times=1))
    run = start("durable_land", seconds=1)
    run.until_success(try_number=2)
    assert len(run.documents) == 2
    said = run.airflow.task_log(run.dag_id, run.id, run.task.task_id, 2)
    assert "Try 1 broke off at" in said
    assert "with 504" in said


def test_execution_timeout_ends_a_deferred_wait_and_the_retry_goes_on(start: Callable[..., Run]) -> None:
    run = start("durable_limited", seconds=math.inf)
    run.until_state("up_for_retry", try_number=1)
    assert "execution_timeout was over" in run.log
    [document] = run.documents
    assert run.airflow.xcom(run.dag_id, run.id, "generate", key="document_id") == document.id
    document.seconds = 0
    run.until_success(try_number=2)
    assert [item.id for item in run.documents] == [document.id]


def test_a_dead_triggerer_ends_in_a_retry_which_goes_on(
    start: Callable[..., Run], airflow: LocalAirflow
) -> None:
    run = start("durable_land", {"timeout": 30}, seconds=math.inf)
    run.until_state("deferred", try_number=1)
    triggerer = session_members(airflow.process("triggerer").pid)
    for pid in triggerer:
        os.kill(pid, signal.SIGSTOP)
    try:
        run.documents[0].seconds = 0
        run.until_success(try_number=2)
    finally:
        for pid in triggerer:
            os.kill(pid, signal.SIGCONT)
    assert f"No triggerer has ended the wait for document {run.documents[0].id}" in run.log
    assert len(run.documents) == 1


def test_a_task_cleared_while_it_runs_generates_anew(start: Callable[..., Run]) -> None:
    run = start("durable_land", IN_WORKER, seconds=math.inf)
    run.until(lambda: "is queued as document" in run.log)
    run.clarus.add_report(Report(run.report_id, seconds=1))
    run.clear()
    run.until_success(try_number=2)
    first, second = run.documents
    assert f"Report {run.report_id} of tenant 'acme' goes on in Clarus as document {first.id}" in run.log
    assert f"The task was cleared after it had queued document {first.id}: generating anew" in run.log
    assert run.airflow.xcom("durable_land", run.id, "land")["document_id"] == second.id


@pytest.mark.parametrize("conf", [IN_WORKER, {}], ids=["in_worker", "deferred"])
def test_a_task_that_a_person_ends_says_what_goes_on(conf: dict[str, Any], start: Callable[..., Run]) -> None:
    run = start("durable_land", conf, seconds=math.inf)
    run.until(lambda: run.documents)
    run.until_state("running" if conf else "deferred", try_number=1)
    time.sleep(3)
    path = f"dags/{run.dag_id}/dagRuns/{run.id}/taskInstances/land"
    run.airflow.call("PATCH", path, json={"new_state": "failed"})
    said = "told to stop waiting" if not conf else "The task was told to stop"
    run.until(lambda: said in run.log, timeout=60)
    told = run.log.partition(said)[2]
    assert f"document {run.documents[0].id}" in told
    assert f"eport {run.report_id}" in told


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
