# SPDX-License-Identifier: Apache-2.0
"""Runs of several DAGs and what their tasks returned: in a real Airflow 3, or in one process."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from airflow_provider_clarus.demo.local_airflow import LocalAirflow

Results: TypeAlias = dict[str, list[Any]]
"""What a run's tasks returned, by task id and in the order of their map indexes."""


def results(airflow: LocalAirflow, dag_id: str, run_id: str) -> Results:
    """Wait until a run has finished, all its tasks with success."""
    tasks = airflow.wait(dag_id, run_id, timeout=240)
    assert {task.state for task in tasks} == {"success"}, dag_id
    found: Results = {task.task_id: [] for task in tasks}
    for task in sorted(tasks, key=lambda task: task.map_index):
        value = airflow.xcom(dag_id, run_id, task.task_id, map_index=task.map_index)
        found[task.task_id].append(value)
    return found


def results_in_one_process(folder: Path, dag_ids: Iterable[str], date: datetime) -> dict[str, Results]:
    """Run DAGs of Airflow 2, one after another, as ``airflow dags test`` does."""
    from airflow.models import DagBag

    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    dags = DagBag(folder, include_examples=False)
    dags.sync_to_db()
    found: dict[str, Results] = {}
    for dag_id in dag_ids:
        run = dags.get_dag(dag_id).test(date)
        tasks = sorted(run.get_task_instances(), key=lambda task: task.map_index)
        assert {task.state for task in tasks} == {"success"}, dag_id
        found[dag_id] = {task.task_id: [] for task in tasks}
        for task in tasks:
            value = task.xcom_pull(task.task_id, map_indexes=task.map_index)
            found[dag_id][task.task_id].append(value)
    return found


def asset_events(airflow: LocalAirflow, dag_id: str) -> list[dict[str, Any]]:
    """Return the extra of each asset event that a DAG's runs have caused."""
    events = airflow.call("GET", "assets/events", params={"source_dag_id": dag_id, "limit": 100})
    return [event["extra"] for event in events["asset_events"]]


def started_by(airflow: LocalAirflow, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """Return the asset events that started a run."""
    answer = airflow.call("GET", f"dags/{dag_id}/dagRuns/{run_id}/upstreamAssetEvents")
    return list(answer["asset_events"])


def asset_events_in_one_process(dag_id: str) -> list[dict[str, Any]]:
    """Return the same on Airflow 2, whose name for assets is datasets."""
    from airflow.models.dataset import DatasetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        events = session.query(DatasetEvent).filter_by(source_dag_id=dag_id)
        return [dict(event.extra) for event in events]


@contextmanager
def paused(airflow: LocalAirflow) -> Iterator[None]:
    """Hold all who write into the database; to SQLite, ``backfill create`` must be the only one."""
    pids = [airflow.process(name).pid for name in ("scheduler", "dag-processor", "triggerer")]

    def send(number: signal.Signals) -> None:
        for pid in pids:
            os.kill(pid, number)

    try:
        while True:
            send(signal.SIGSTOP)
            with (
                suppress(sqlite3.OperationalError),
                closing(sqlite3.connect(airflow.home / "airflow.db", 0)) as database,
            ):
                database.execute("BEGIN IMMEDIATE")
                break
            # One of them was stopped in the middle of a transaction.
            send(signal.SIGCONT)
            time.sleep(0.1)
        yield
    finally:
        send(signal.SIGCONT)
