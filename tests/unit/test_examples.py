# SPDX-License-Identifier: Apache-2.0
"""What Airflow pays for parsing the example DAGs, and what their readers find first."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "dags_examples").glob("*.py"))

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
