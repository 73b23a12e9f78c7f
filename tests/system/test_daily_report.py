# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_clarus.demo.airflow_api import TaskInstance
from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from airflow_provider_clarus.sandbox.server import Sandbox

DAG = "clarus_daily_report"


@dataclass
class Run:
    """The run of the DAG's last interval, when it has finished."""

    id: str
    tasks: list[TaskInstance]
    triggers: set[tuple[str, str | None]]
    requests: list[LoggedRequest]


@pytest.fixture(scope="module")
def run(airflow: LocalAirflow, clarus: Sandbox) -> Run:
    before = len(clarus.requests)
    run_id = airflow.scheduled_run(DAG)
    triggers = set()
    for tasks in airflow.watch(DAG, run_id, timeout=120):
        triggers |= {(task.task_id, task.trigger) for task in tasks if task.state == "deferred"}
    return Run(run_id, tasks, triggers, clarus.requests[before:])


def test_every_task_succeeds_and_the_sensor_waits_in_the_triggerer(run: Run) -> None:
    assert {task.task_id: (task.state, task.try_number) for task in run.tasks} == {
        "generate": ("success", 1),
        "wait": ("success", 1),
        "download": ("success", 1),
    }
    assert run.triggers == {("wait", "airflow_provider_clarus.triggers.document.ClarusDocumentTrigger")}


def test_the_report_of_the_last_interval_lands(
    run: Run, airflow: LocalAirflow, clarus: Sandbox, landing: Path
) -> None:
    document_id = airflow.xcom(DAG, run.id, "generate")
    receipt = airflow.xcom(DAG, run.id, "download")
    file = Path(receipt["uri"].removeprefix("file://"))
    assert document_id in clarus.documents
    assert airflow.xcom(DAG, run.id, "wait")["id"] == document_id
    assert receipt["document_id"] == document_id
    assert receipt["size"] == file.stat().st_size
    assert receipt["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert landing in file.parents

    interval = airflow.call("GET", f"dags/{DAG}/dagRuns/{run.id}")
    start, end = (datetime.fromisoformat(interval[f"data_interval_{edge}"]) for edge in ("start", "end"))
    for row in csv.DictReader(file.read_text().splitlines()):
        assert datetime.fromisoformat(row["date_from"]) == start
        assert datetime.fromisoformat(row["date_to"]) == end - timedelta(seconds=1)


def test_worker_and_triggerer_share_one_token_and_the_files_origin_gets_none(
    run: Run, clarus: Sandbox
) -> None:
    counts = Counter(request.endpoint for request in run.requests)
    assert (counts["generate"], counts["file"]) == (1, 1)
    # One for whatever ran in this Airflow, before this DAG or beside it.
    assert clarus.count("token") == 1

    files = [request for request in run.requests if request.origin == "files"]
    assert not any({"authorization", "x-clarus-subdomain"} & request.headers.keys() for request in files)
