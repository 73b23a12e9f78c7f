# SPDX-License-Identifier: Apache-2.0
"""Each example DAG, as it stands: in a real Airflow 3, or in one process where Airflow is older."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.examples import EXAMPLES
from tests.system import runs
from tests.system.conftest import AIRFLOW_2, REPORTS, REPOSITORY
from tests.system.runs import Results

if TYPE_CHECKING:
    import pandas

TRIGGERED = (
    "clarus_daily_report",
    "clarus_monthly_report",
    "clarus_fleet",
    "clarus_taskflow",
    "clarus_stock",
)
CHECK = "clarus_stock_check"
# Before Airflow 3 they run in this process.
pytestmark = [] if AIRFLOW_2 else [pytest.mark.long]
#: Both at once: in the month between them London's clocks go forward.
MORNINGS = (datetime(2024, 3, 6, 6, tzinfo=timezone.utc), datetime(2024, 4, 6, 6, tzinfo=timezone.utc))
AllResults: TypeAlias = dict[str, list[Results]]
"""What came of the runs of each example, by its id: of those for ``MORNINGS``, or of the first by events."""


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, environment: None, clarus: Sandbox) -> Iterator[AllResults]:
    """What came of all examples; no report takes time, since other tests wait for theirs."""
    for report in REPORTS:
        clarus.add_report(replace(report, seconds=0))
    if AIRFLOW_2:
        folder, dag_ids = REPOSITORY / "dags_examples", (*TRIGGERED, CHECK)
        mornings = [runs.results_in_one_process(folder, dag_ids, morning) for morning in MORNINGS]
        yield {dag_id: [found[dag_id] for found in mornings] for dag_id in dag_ids}
    else:
        yield _in_airflow(request.getfixturevalue("airflow"))
    for report in REPORTS:
        clarus.add_report(report)


def _in_airflow(airflow: LocalAirflow) -> AllResults:
    started = {
        dag_id: [airflow.trigger(dag_id, logical_date=morning) for morning in MORNINGS]
        for dag_id in TRIGGERED
    }
    # Nothing starts a paused DAG. The first event after that does, with all that have come since.
    for run_id in started["clarus_stock"]:
        airflow.wait("clarus_stock", run_id, timeout=240)
    airflow.unpause(CHECK)
    airflow.trigger("clarus_stock", logical_date=MORNINGS[-1] + timedelta(days=1))
    started[CHECK] = [airflow.scheduled_run(CHECK, timeout=180)]
    return {
        dag_id: [runs.results(airflow, dag_id, run_id) for run_id in run_ids]
        for dag_id, run_ids in started.items()
    }


def landed(receipt: dict[str, Any]) -> pandas.DataFrame:
    import pandas  # Takes two seconds, also of those who run other tests.

    with ObjectStoragePath(receipt["uri"]).open("rb") as file:
        return pandas.read_csv(file)


def test_two_daily_reports_at_once_land_with_windows_of_their_own(results: AllResults) -> None:
    receipts = [run["download"][0] for run in results["clarus_daily_report"]]
    assert [list(landed(receipt).iloc[0][["date_from", "date_to"]]) for receipt in receipts] == [
        ["2024-03-05T06:00:00+00:00", "2024-03-06T05:59:59+00:00"],
        ["2024-04-05T05:00:00+00:00", "2024-04-06T04:59:59+00:00"],
    ]


def test_the_monthly_report_lands_in_s3_with_the_calendar_month_as_its_window(
    results: AllResults,
) -> None:
    receipts = [receipt for run in results["clarus_monthly_report"] for receipt in run["land"]]
    assert [receipt["uri"] for receipt in receipts] == [
        "s3://aws_default@landing/stock/2024-02.csv",
        "s3://aws_default@landing/stock/2024-03.csv",
    ]
    assert [list(landed(receipt).iloc[0][["date_from", "date_to"]]) for receipt in receipts] == [
        ["2024-02-01T00:00:00+00:00", "2024-02-29T23:59:59+00:00"],
        ["2024-03-01T00:00:00+00:00", "2024-03-31T23:59:59+01:00"],
    ]


def test_the_fleet_lands_every_report_of_every_tenant(results: AllResults, landing: Path) -> None:
    found = {
        receipt["uri"].removeprefix(f"file://{landing}/"): landed(receipt)
        for run in results["clarus_fleet"]
        for receipts in run.values()
        for receipt in receipts
    }
    assert {
        (name, *report)
        for name, lines in found.items()
        for report in zip(lines["tenant"], lines["report_id"], strict=True)
    } == {
        expected
        for day in ("2024-03-05", "2024-04-05")
        for expected in (
            (f"acme/{day}/report-7.csv", "acme", 7),
            (f"acme/{day}/report-8.csv", "acme", 8),
            (f"globex/{day}/report-7.csv", "globex", 7),
            (f"globex/{day}/report-8.csv", "globex", 8),
            (f"acme/{day}/accounts-3-14.csv", "acme", 7),
            (f"globex/{day}/accounts-15.csv", "globex", 7),
        )
    }
    assert set(found["acme/2024-03-05/accounts-3-14.csv"]["account_id"]) == {"3;14"}
    assert set(found["globex/2024-03-05/report-8.csv"]["date_from"]) == {"2024-03-05T05:00:00+00:00"}
    assert set(found["globex/2024-04-05/report-8.csv"]["date_from"]) == {"2024-04-05T04:00:00+00:00"}


@pytest.fixture(scope="module")
def events(request: pytest.FixtureRequest, results: AllResults) -> list[dict[str, Any]]:
    """The asset events of the stock report: of the run for its last interval, too, which unpausing makes."""
    if AIRFLOW_2:
        return runs.asset_events_in_one_process("clarus_stock")
    return runs.asset_events(request.getfixturevalue("airflow"), "clarus_stock")


def test_the_stock_check_reads_the_file_of_every_event_that_started_it(
    request: pytest.FixtureRequest, results: AllResults, events: list[dict[str, Any]]
) -> None:
    checked = [file for run in results[CHECK] for file in run["check"]]
    uris = [file["uri"] for file in checked]
    assert {(file["lines"], file["quantity"]) for file in checked} == {(3, 3.0)}
    if AIRFLOW_2:
        # Runs by hand, which no event started.
        assert set(uris) <= {event["uri"] for event in events}
        return
    airflow = request.getfixturevalue("airflow")
    started_by = runs.started_by(airflow, CHECK, airflow.scheduled_run(CHECK))
    assert sorted(uris) == sorted(event["extra"]["uri"] for event in started_by)
    landed_before = {receipt["uri"] for run in results["clarus_stock"] for receipt in run["land"]}
    assert len(landed_before) == len(MORNINGS)
    assert landed_before < set(uris)


def test_the_asset_event_says_what_has_landed(results: AllResults, events: list[dict[str, Any]]) -> None:
    receipts = [receipt for run in results["clarus_stock"] for receipt in run["land"]]
    documents = [receipt["document_id"] for receipt in receipts]
    ours = [event for event in events if event["document_id"] in documents]
    assert sorted(ours, key=lambda event: documents.index(event["document_id"])) == [
        receipt | {"report_id": 7} for receipt in receipts
    ]


def test_taskflow_functions_feed_the_operator_and_read_what_it_returns(
    results: AllResults,
) -> None:
    for run in results["clarus_taskflow"]:
        [receipt] = run["land"]
        assert set(landed(receipt)["date_from"]) == {run["working_days"][0]["date_from"]}
        assert set(landed(receipt)["date_to"]) == {run["working_days"][0]["date_to"]}
        assert run["summary"] == [f"{receipt['file_name']}: 3 lines, {receipt['size']} bytes"]


def test_no_example_fails_to_import(tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    for example in EXAMPLES:
        (folder / example.name).write_text(example.read_text())
    environment = {
        "PATH": "",
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    airflow = [sys.executable, "-W", "ignore", "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=environment, check=True, capture_output=True)
    output = subprocess.run(
        [*airflow, "dags", "list-import-errors"], env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert output.splitlines()[-1] == "No data found"
