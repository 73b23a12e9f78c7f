# SPDX-License-Identifier: Apache-2.0
"""What Airflow makes of the policy's decisions: when it tries again, and what it keeps."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox

sdk: Any = pytest.importorskip("airflow.sdk")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not hasattr(sdk, "RetryPolicy"), reason="Airflow 3.3 brings retry policies"),
]


def kept(airflow: LocalAirflow, task_id: str) -> tuple[str, int, float | None, str | None]:
    """Return what Airflow has of a task; its API does not tell a policy's decision before 3.4."""
    query = (
        "SELECT state, try_number, retry_delay_override, retry_reason FROM task_instance"
        " WHERE dag_id = 'retried' AND task_id = ?"
    )
    with closing(sqlite3.connect(f"file:{airflow.home}/airflow.db?mode=ro", uri=True)) as database:
        return tuple(database.execute(query, [task_id]).fetchone())


def test_a_task_is_retried_when_clarus_asked_for_it(airflow: LocalAirflow, clarus: Sandbox) -> None:
    # Longer than an operator waits for by itself.
    later = Fault("generate", status=429, headers={"Retry-After": "75"}, asks_for="asked to wait")
    clarus.inject(later)
    run_id = airflow.trigger("retried")
    deadline = time.monotonic() + 240
    settled = {"soon": "success", "asked": "up_for_retry", "refused": "failed"}
    while {task: kept(airflow, task)[0] for task in settled} != settled:
        assert time.monotonic() < deadline, {task: kept(airflow, task) for task in settled}
        time.sleep(0.25)
    clarus.clear_faults()
    state, number, delay, reason = kept(airflow, "asked")
    assert (state, number, delay) == ("up_for_retry", 1, 75.0)
    assert str(reason).startswith("Clarus asked for 75 s. ClarusTransientError: ")
    assert "429" in str(reason)
    assert kept(airflow, "refused")[:2] == ("failed", 1)
    path = f"dags/retried/dagRuns/{run_id}"
    first, second = airflow.call("GET", f"{path}/taskInstances/soon/tries")["task_instances"]
    pause = datetime.fromisoformat(second["start_date"]) - datetime.fromisoformat(first["end_date"])
    assert 5 <= pause.total_seconds() < 3600
    airflow.call("PATCH", path, json={"state": "failed"})
