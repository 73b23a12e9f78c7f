# SPDX-License-Identifier: Apache-2.0
"""Days that land at once in a backfill, and the DAG that runs for each of them: asset partitions."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus.demo.local_airflow import FINISHED, LocalAirflow
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.system import runs
from tests.system.conftest import REPORTS

sdk: Any = pytest.importorskip("airflow.sdk")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not hasattr(sdk, "PartitionedAtRuntime"), reason="Airflow 3.3 brings them"),
]

LANDS, OF_A_DAY = "clarus_stock_by_day", "clarus_stock_of_a_day"
#: Over the night in which London's clocks go forward.
DAYS = [f"{date(2024, 3, 30) + timedelta(days=day)}" for day in range(3)]
TIMEOUT = 600


@pytest.fixture(scope="module")
def landed(airflow: LocalAirflow, clarus: Sandbox) -> LocalAirflow:
    for report in REPORTS:
        clarus.add_report(replace(report, seconds=0))
    for dag_id in (OF_A_DAY, LANDS):
        airflow.unpause(dag_id)
    # Up to the midnight that ends the last day, whose run is of six in its morning.
    days = ["--from-date", DAYS[0], "--to-date", f"{date.fromisoformat(DAYS[-1]) + timedelta(days=1)}"]
    with runs.paused(airflow):
        airflow.cli("backfill", "create", "--dag-id", LANDS, *days, "--max-active-runs", "8")
    of_each(airflow)
    return airflow


def of_each(airflow: LocalAirflow) -> dict[str, list[dict[str, Any]]]:
    """Return the runs by the day that they are for, as soon as each day has one, all a success."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        answer = airflow.call("GET", f"dags/{OF_A_DAY}/dagRuns", params={"limit": 1000})
        found = {day: [run for run in answer["dag_runs"] if run["partition_key"] == day] for day in DAYS}
        states = Counter(run["state"] for day_runs in found.values() for run in day_runs)
        if all(found.values()) and states.keys() <= set(FINISHED):
            assert states.keys() == {"success"}
            return found
        assert time.monotonic() < deadline, {day: len(day_runs) for day, day_runs in found.items()}
        time.sleep(0.5)


def files_of(airflow: LocalAirflow, run: dict[str, Any]) -> list[str]:
    counted = airflow.xcom(OF_A_DAY, run["dag_run_id"], "count")
    assert counted["day"] == run["partition_key"]
    return list(counted["lines"])


def test_the_consuming_dag_runs_once_for_each_day_that_is_backfilled(
    landed: LocalAirflow, landing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = of_each(landed)
    assert {day: len(day_runs) for day, day_runs in found.items()} == dict.fromkeys(DAYS, 1)
    rows = []
    for day, [run] in found.items():
        [uri] = files_of(landed, run)
        assert uri == f"file://{landing}/stock-by-day/{day}.csv"
        [event] = runs.started_by(landed, OF_A_DAY, run["dag_run_id"])
        assert event["extra"]["uri"] == uri
        keys = f"{event['partition_key']} | {run['partition_key']}"
        rows.append(f"| {day} | {keys} | {Path(uri).name} | {run['state']} |")
    head = ["", "| landed | event's key | run's key | file | state |", "|---|---|---|---|---|"]
    with capsys.disabled():
        print(*head, *rows, sep="\n")


def test_the_run_knows_when_its_day_began(landed: LocalAirflow) -> None:
    began = {day: run["partition_date"] for day, [run] in of_each(landed).items()}
    assert began == {
        "2024-03-30": "2024-03-30T00:00:00Z",
        "2024-03-31": "2024-03-31T00:00:00Z",
        "2024-04-01": "2024-03-31T23:00:00Z",
    }
