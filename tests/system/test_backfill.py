# SPDX-License-Identifier: Apache-2.0
"""Thirty-one days with ``airflow backfill create``, over the night in which London's clocks go forward."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_clarus.demo.local_airflow import FINISHED, LocalAirflow
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.system import runs

pytestmark = pytest.mark.long

REPORT = 51
SECONDS = 60
"""Long enough for the sensors, whose workers start after all others, to find their reports unfinished."""
FORMS = ("backfill_three_tasks", "backfill_one_task")
# Midnights of London, whose distance is 23 hours once.
DAYS = [datetime(2024, 3, 15, tzinfo=ZoneInfo("Europe/London")) + timedelta(days=day) for day in range(31)]
TIMEOUT = 900


@dataclass
class Cost:
    """What so many reports took."""

    seconds: float = 0.0
    worker_starts: int = 0
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def requests_unchecked(self) -> int:
        """Requests but for those that check the variables."""
        return self.requests.total() - self.requests["catalogue"]


@dataclass
class Backfills:
    """Backfills in one Airflow, and their costs by DAG id."""

    airflow: LocalAirflow
    clarus: Sandbox
    landing: Path
    costs: dict[str, Cost] = field(default_factory=dict)

    def create(self, dag_id: str, first: datetime, last: datetime, *options: str) -> None:
        """Create a backfill, and wait until all its runs have finished."""
        days = ["--from-date", f"{first:%Y-%m-%d}", "--to-date", f"{last:%Y-%m-%d}"]
        create = [
            "backfill",
            "create",
            "--dag-id",
            dag_id,
            *days,
            "--max-active-runs",
            f"{len(DAYS)}",
            *options,
        ]
        with runs.paused(self.airflow):
            self.airflow.cli(*create)
        self.wait(dag_id)

    def wait(self, dag_id: str) -> None:
        """Wait until each day has a run, and all have succeeded."""
        deadline = time.monotonic() + TIMEOUT
        while not set(states := self.airflow.runs(dag_id).values()) <= set(FINISHED):
            assert time.monotonic() < deadline, Counter(states)
            time.sleep(0.5)
        assert Counter(states) == {"success": len(DAYS)}

    def worker_starts(self, dag_id: str) -> int:
        """How often a worker began with one of its tasks, or went on with it, by Airflow's audit log."""
        params = {"dag_id": dag_id, "event": "running"}
        return int(self.airflow.call("GET", "eventLogs", params=params)["total_entries"])

    def landed(self, dag_id: str) -> dict[str, tuple[int, str, str]]:
        """Document and window of each file, by its name."""
        found = {}
        for file in (self.landing / dag_id).iterdir():
            lines = csv.DictReader(file.read_text().splitlines())
            [(document, *window)] = {
                (line["document_id"], line["date_from"], line["date_to"]) for line in lines
            }
            found[file.stem] = (int(document), *window)
        return found

    @contextmanager
    def measured(self, dag_id: str) -> Iterator[None]:
        began, before = time.monotonic(), len(self.clarus.requests)
        yield
        self.costs[dag_id] = Cost(
            seconds=time.monotonic() - began,
            worker_starts=self.worker_starts(dag_id),
            requests=Counter(map(_kind, self.clarus.requests[before:])),
        )


def _kind(request: LoggedRequest) -> str:
    """Tell the reads of the catalogue, which check the variables, from those of statuses."""
    return (
        "catalogue" if request.endpoint == "graphql" and b"report_query" in request.body else request.endpoint
    )


@pytest.fixture(scope="module")
def backfills(airflow: LocalAirflow, clarus: Sandbox, landing: Path) -> Backfills:
    clarus.add_report(Report(REPORT, seconds=SECONDS, query=STOCK_QUERY))
    backfills = Backfills(airflow, clarus, landing)
    for dag_id in FORMS:
        airflow.unpause(dag_id)
        with backfills.measured(dag_id):
            backfills.create(dag_id, DAYS[0], DAYS[-1])
    return backfills


@pytest.mark.parametrize("dag_id", FORMS)
def test_each_day_lands_with_its_own_window(dag_id: str, backfills: Backfills) -> None:
    windows = {day: window for day, (_, *window) in backfills.landed(dag_id).items()}
    assert windows == {
        f"{day:%Y-%m-%d}": [day.isoformat(), (day + timedelta(days=1, seconds=-1)).isoformat()]
        for day in DAYS
    }
    assert windows["2024-03-31"] == ["2024-03-31T00:00:00+00:00", "2024-03-31T23:59:59+01:00"]


def test_what_it_costs(backfills: Backfills, capsys: pytest.CaptureFixture[str]) -> None:
    three, one = (backfills.costs[dag_id] for dag_id in FORMS)
    with capsys.disabled():
        print(_table(three, one))
    for cost in (three, one):
        assert cost.requests["catalogue"] <= len(DAYS)
        assert cost.requests["generate"] == cost.requests["file"] == len(DAYS)
    assert one.worker_starts < three.worker_starts
    assert one.requests.total() <= three.requests.total()


@pytest.mark.parametrize("dag_id", FORMS)
def test_three_days_reprocessed_are_generated_again_and_no_others(dag_id: str, backfills: Backfills) -> None:
    before, generated = backfills.landed(dag_id), backfills.clarus.count("generate")
    days = DAYS[15:18]
    backfills.create(dag_id, days[0], days[-1], "--reprocess-behavior", "completed")
    after = backfills.landed(dag_id)
    changed = {day for day, landed in after.items() if landed != before[day]}
    assert changed == {f"{day:%Y-%m-%d}" for day in days}
    assert all(after[day][1:] == before[day][1:] for day in changed)
    assert backfills.clarus.count("generate") == generated + len(days)


def test_three_days_cleared_are_generated_again_and_no_others(backfills: Backfills) -> None:
    dag_id = FORMS[1]
    before, generated = backfills.landed(dag_id), backfills.clarus.count("generate")
    runs = sorted(backfills.airflow.runs(dag_id))[20:23]
    for run_id in runs:
        backfills.airflow.call(
            "POST",
            f"dags/{dag_id}/clearTaskInstances",
            json={"dry_run": False, "dag_run_id": run_id, "only_failed": False},
        )
    backfills.wait(dag_id)
    after = backfills.landed(dag_id)
    assert sum(landed != before[day] for day, landed in after.items()) == len(runs)
    assert backfills.clarus.count("generate") == generated + len(runs)


def _table(three: Cost, one: Cost) -> str:
    def row(what: str, value: Callable[[Cost], float], digits: int) -> str:
        first, second = value(three), value(one)
        return f"{what:28}{first:12.{digits}f}{second:12.{digits}f}{second / first:9.2f}"

    requests = [
        row(f"  {endpoint}", lambda cost, name=endpoint: cost.requests[name] / len(DAYS), 2)
        for endpoint in sorted(three.requests)
    ]
    return "\n".join(
        [
            "",
            f"{f'{len(DAYS)} reports of {SECONDS} s':28}{'three tasks':>12}{'one task':>12}{'ratio':>9}",
            row("seconds", lambda cost: cost.seconds, 0),
            row("worker starts", lambda cost: cost.worker_starts, 0),
            row("API requests per report", lambda cost: cost.requests.total() / len(DAYS), 2),
            row("  without the check", lambda cost: cost.requests_unchecked / len(DAYS), 2),
            *requests,
        ]
    )
