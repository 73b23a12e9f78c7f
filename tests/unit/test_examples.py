# SPDX-License-Identifier: Apache-2.0
"""What Airflow pays for parsing the example DAGs, and what their readers find first."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import Asset
from airflow.timetables.base import TimeRestriction

from tests.examples import EXAMPLES

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

# What a process of its own finds out serves all tests here, and so do the DAGs that Airflow reads.
pytestmark = pytest.mark.xdist_group("examples")

CHECKING = next(path for path in EXAMPLES if path.stem == "clarus_stock_check")

# What each file adds to what any DAG file with a timetable has loaded.
PROBE = """
import importlib.util, json, sys
import pendulum
from airflow.providers.common.compat.sdk import (
    DAG, Asset, BaseHook, BaseOperator, BaseSensorOperator, ObjectStoragePath, dag, task
)
from airflow.timetables.interval import CronDataIntervalTimetable
import airflow.triggers.base

daily = CronDataIntervalTimetable("0 6 * * *", timezone="Europe/London")
with DAG("plain", schedule=daily, start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London")):
    BaseOperator(task_id="plain")
    task(lambda day: day, task_id="mapped").expand(day=[1])
with DAG("fed", schedule=[Asset("x-clarus://acme/stock")], start_date=pendulum.datetime(2024, 1, 1)):
    task(lambda: None, task_id="fed")()
known = set(sys.modules)
added = {}
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("example", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    added[path] = sorted(set(sys.modules) - known)
    known |= set(sys.modules)
print(json.dumps(added))
"""


@pytest.fixture(scope="module")
def added() -> dict[str, list[str]]:
    command = [sys.executable, "-W", "ignore", "-c", PROBE, *map(str, EXAMPLES)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    return dict(json.loads(output.splitlines()[-1]))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_parsing_an_example_loads_nothing_but_airflow_and_this_package(
    added: dict[str, list[str]], example: Path
) -> None:
    packages = {name.partition(".")[0] for name in added[str(example)]}
    assert packages - sys.stdlib_module_names <= {"airflow", "airflow_provider_clarus"}
    assert not {"airflow_provider_clarus.api.client", "airflow_provider_clarus.landing.land"} & set(
        added[str(example)]
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_what_it_shows_and_holds_no_credentials(example: Path) -> None:
    text = example.read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert len(docstring.splitlines()) >= 3
    assert "clarus_default" in docstring
    assert not {"password", "secret", "token="} & set(text.lower().split())


@cache
def dags_of(example: Path) -> dict[str, Any]:
    """Return the DAGs that Airflow finds in a file, by id."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        return dict(DagBag(example).dags)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_no_example_runs_when_the_vendor_asks_not_to(example: Path) -> None:
    """Between midnight and 02:00, because of daylight saving: on no day of a year, in London."""
    dags = dags_of(example)
    assert dags
    for dag in dags.values():
        last, due = None, []
        if "CronDataInterval" not in type(dag.timetable).__name__:
            continue  # an event starts it
        restriction = TimeRestriction(pendulum.datetime(2024, 1, 1), pendulum.datetime(2025, 1, 1), True)
        while info := dag.timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=restriction
        ):
            last = info.data_interval
            due.append(info.run_after.in_timezone("Europe/London"))
        assert len(due) >= 12
        assert all(moment.hour >= 2 for moment in due), dag.dag_id


STOCK = Asset("x-clarus://acme/stock")


def event(number: int) -> Any:
    return SimpleNamespace(extra={"uri": f"file:///{number}.csv", "document_id": number})


class Inlets(dict[str, list[Any]]):
    """Events by asset, as Airflow hands them over; its assets are no keys on 3.0."""

    def __getitem__(self, asset: Any) -> list[Any]:
        return super().__getitem__(asset.uri)


@pytest.mark.parametrize(
    "started_by",
    [
        {"triggering_asset_events": {STOCK.uri: [event(1), event(2)]}},
        {"triggering_asset_events": {STOCK.uri: [event(1)], "alias": [event(2)]}},
        {"triggering_dataset_events": {STOCK.uri: [event(1), event(2)]}},
    ],
)
def test_the_stock_check_looks_at_every_event_that_started_its_run(started_by: dict[str, Any]) -> None:
    landed = dags_of(CHECKING)["clarus_stock_check"].get_task("landed").python_callable
    inlets = Inlets({STOCK.uri: [event(0), event(1), event(2), event(3)]})
    assert landed(inlet_events=inlets, **started_by) == [event(1).extra, event(2).extra]


@pytest.mark.parametrize("started_by", [{}, {"triggering_asset_events": {}}])
def test_the_stock_check_by_hand_looks_at_what_landed_last(started_by: dict[str, Any]) -> None:
    landed = dags_of(CHECKING)["clarus_stock_check"].get_task("landed").python_callable
    inlets = Inlets({STOCK.uri: [event(0), event(1)]})
    assert landed(inlet_events=inlets, **started_by) == [event(1).extra]


def test_the_stock_check_tells_a_wrong_list_from_a_right_one(tmp_path: Path) -> None:
    check = dags_of(CHECKING)["clarus_stock_check"].get_task("check").python_callable
    right, wrong = tmp_path / "right.csv", tmp_path / "wrong.csv"
    right.write_text("line,quantity,location\n1,2,A\n2,1.5,B\n")
    wrong.write_text("line,quantity,location\n1,2,A\n1,-1,\n")
    assert check({"uri": f"file://{right}", "document_id": 1})["quantity"] == 3.5
    with pytest.raises(ValueError, match=r"twice and a negative quantity and .* location; document 2"):
        check({"uri": f"file://{wrong}", "document_id": 2})
