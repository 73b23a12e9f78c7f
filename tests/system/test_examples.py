# SPDX-License-Identifier: Apache-2.0
"""Each example DAG, as it stands: in a real Airflow 3, or in one process where Airflow is older."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import pandas
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_clarus.sandbox.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.system.conftest import REPOSITORY

# The daily report has tests of its own.
TRIGGERED = ("clarus_monthly_report", "clarus_fleet", "clarus_taskflow", "clarus_stock")
CHECK = "clarus_stock_check"
MORNING = datetime(2024, 3, 6, 6, tzinfo=timezone.utc)

Results: TypeAlias = dict[str, list[Any]]
"""What a run's tasks returned, by task id and in the order of their map indexes."""


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, settings: dict[str, str], clarus: Sandbox
) -> Iterator[dict[str, Results]]:
    """Run all examples, all their tasks with success, and give what came of them by DAG id."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        if version("apache-airflow").startswith("2."):
            yield _in_one_process(clarus)
        else:
            yield _in_airflow(request.getfixturevalue("airflow"))


def _in_airflow(airflow: LocalAirflow) -> dict[str, Results]:
    runs = {dag_id: airflow.trigger(dag_id, logical_date=MORNING) for dag_id in TRIGGERED}
    runs[CHECK] = airflow.scheduled_run(CHECK, timeout=180)
    found: dict[str, Results] = {}
    for dag_id, run_id in runs.items():
        tasks = airflow.wait(dag_id, run_id, timeout=180)
        assert {task.state for task in tasks} == {"success"}, dag_id
        found[dag_id] = {task.task_id: [] for task in tasks}
        for task in sorted(tasks, key=lambda task: task.map_index):
            value = airflow.xcom(dag_id, run_id, task.task_id, map_index=task.map_index)
            found[dag_id][task.task_id].append(value)
    return found


def _in_one_process(clarus: Sandbox) -> dict[str, Results]:
    """Do as ``airflow dags test`` does; a task that waits holds up all others, so no report takes time."""
    from airflow.models import DagBag

    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    for tenant, number in product(("acme", "globex"), (7, 8)):
        clarus.add_report(Report(number, seconds=0, tenant=tenant))
    dags = DagBag(REPOSITORY / "dags_examples", include_examples=False)
    dags.sync_to_db()
    found: dict[str, Results] = {}
    for dag_id in (*TRIGGERED, CHECK):
        run = dags.get_dag(dag_id).test(MORNING)
        tasks = sorted(run.get_task_instances(), key=lambda task: task.map_index)
        assert {task.state for task in tasks} == {"success"}, dag_id
        found[dag_id] = {task.task_id: [] for task in tasks}
        for task in tasks:
            value = task.xcom_pull(task.task_id, map_indexes=task.map_index)
            found[dag_id][task.task_id].append(value)
    return found


def landed(receipt: dict[str, Any]) -> pandas.DataFrame:
    with ObjectStoragePath(receipt["uri"]).open("rb") as file:
        return pandas.read_csv(file)


def test_the_monthly_report_lands_in_s3_with_the_calendar_month_as_its_window(
    results: dict[str, Results],
) -> None:
    [receipt] = results["clarus_monthly_report"]["land"]
    assert receipt["uri"] == "s3://aws_default@landing/stock/2024-02.csv"
    assert set(landed(receipt)["date_from"]) == {"2024-02-01T00:00:00+00:00"}
    assert set(landed(receipt)["date_to"]) == {"2024-02-29T23:59:59+00:00"}


def test_the_fleet_lands_every_report_of_every_tenant(results: dict[str, Results], landing: Path) -> None:
    found = {
        receipt["uri"].removeprefix(f"file://{landing}/"): landed(receipt)
        for receipts in results["clarus_fleet"].values()
        for receipt in receipts
    }
    day = "2024-03-06"
    assert {
        (name, *report)
        for name, lines in found.items()
        for report in zip(lines["tenant"], lines["report_id"], strict=True)
    } == {
        (f"acme/{day}/report-7.csv", "acme", 7),
        (f"acme/{day}/report-8.csv", "acme", 8),
        (f"globex/{day}/report-7.csv", "globex", 7),
        (f"globex/{day}/report-8.csv", "globex", 8),
        (f"acme/{day}/accounts-3-14.csv", "acme", 7),
        (f"globex/{day}/accounts-15.csv", "globex", 7),
    }
    assert set(found[f"acme/{day}/accounts-3-14.csv"]["account_id"]) == {"3;14"}
    assert set(found[f"globex/{day}/report-8.csv"]["date_from"]) == {"2024-03-05T05:00:00+00:00"}


def test_the_stock_check_reads_the_file_of_the_asset_event(results: dict[str, Results]) -> None:
    [receipt] = results["clarus_stock"]["land"]
    assert results[CHECK]["check"] == [{"uri": receipt["uri"], "lines": 3, "quantity": 3.0}]


def test_taskflow_functions_feed_the_operator_and_read_what_it_returns(results: dict[str, Results]) -> None:
    run = results["clarus_taskflow"]
    [receipt] = run["land"]
    assert set(landed(receipt)["date_from"]) == {run["working_days"][0]["date_from"]}
    assert set(landed(receipt)["date_to"]) == {run["working_days"][0]["date_to"]}
    assert run["summary"] == [f"{receipt['file_name']}: 3 lines, {receipt['size']} bytes"]


def test_no_example_fails_to_import(tmp_path: Path) -> None:
    environment = {
        "PATH": "",
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags_examples"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    airflow = [sys.executable, "-W", "ignore", "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=environment, check=True, capture_output=True)
    output = subprocess.run(
        [*airflow, "dags", "list-import-errors"], env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert output.splitlines()[-1] == "No data found"
