# SPDX-License-Identifier: Apache-2.0
"""What one DAG hands over ends nobody else's wait: a real triggerer, on Airflow 3 and on 2.11."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.demo.processes import BackgroundProcess, stop_all
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.system.conftest import AIRFLOW_2, DAGS

pytestmark = pytest.mark.long

REPORT = 81


class Airflow(Protocol):
    """What these tests ask of an Airflow, whichever it is."""

    def trigger(self, dag_id: str, **conf: Any) -> str: ...
    def states(self, dag_id: str, run_id: str) -> dict[str, tuple[str | None, int]]: ...
    def log(self, dag_id: str, run_id: str, task_id: str) -> str: ...
    def triggerer(self) -> int: ...


class Three:
    """Airflow 3, by its REST API."""

    def __init__(self, airflow: LocalAirflow):
        self._airflow = airflow
        self.trigger = airflow.trigger
        self.log = airflow.task_log

    def states(self, dag_id: str, run_id: str) -> dict[str, tuple[str | None, int]]:
        return {
            f"{task.task_id}[{task.map_index}]": (task.state, task.try_number)
            for task in self._airflow.task_instances(dag_id, run_id)
        }

    def triggerer(self) -> int:
        return triggerers(self._airflow.home)


class Two:
    """Airflow 2.11, by its command line and its database: scheduler and triggerer, one task at a time."""

    def __init__(self, home: Path, env: Mapping[str, str]):
        self.home = home
        # The executor calls `airflow` by its name.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = {**os.environ, **env, "AIRFLOW_HOME": str(home), "PATH": path}
        command = [sys.executable, "-m", "airflow"]
        self._processes = [
            BackgroundProcess(name, [*command, name], log=home / f"{name}.log", env=self.env, cwd=home)
            for name in ("scheduler", "triggerer")
        ]

    def __enter__(self) -> Two:
        self._cli("db", "migrate")
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        stop_all(self._processes, timeout=5)

    def _cli(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "airflow", *arguments], env=self.env, check=True, capture_output=True
        )

    def query(self, sql: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.home / "airflow.db", timeout=30)) as database:
            return database.execute(sql, values).fetchall()

    def trigger(self, dag_id: str, **conf: Any) -> str:
        deadline = time.monotonic() + 300
        while not self.query("SELECT 1 FROM serialized_dag WHERE dag_id = ?", dag_id):
            assert time.monotonic() < deadline, self._processes[0].tail()
            time.sleep(1)
        self._cli("dags", "unpause", dag_id)
        self._cli("dags", "trigger", dag_id, "--run-id", "run", "--conf", json.dumps(conf))
        return "run"

    def states(self, dag_id: str, run_id: str) -> dict[str, tuple[str | None, int]]:
        rows = self.query(
            "SELECT task_id, map_index, state, try_number FROM task_instance WHERE dag_id = ? AND run_id = ?",
            dag_id,
            run_id,
        )
        return {f"{task_id}[{index}]": (state, tries) for task_id, index, state, tries in rows}

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        return "\n".join(file.read_text() for file in sorted(folder.glob("attempt=1.log*")))

    def triggerer(self) -> int:
        return triggerers(self.home)


def triggerers(home: Path) -> int:
    """Return how many triggerers have ever started."""
    with closing(sqlite3.connect(home / "airflow.db", timeout=30)) as database:
        (count,) = database.execute("SELECT count(*) FROM job WHERE job_type = 'TriggererJob'").fetchone()
        return int(count)


@pytest.fixture(scope="module")
def airflow_2_or_3(
    clarus: Sandbox, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Airflow]:
    if not AIRFLOW_2:
        yield Three(request.getfixturevalue("airflow"))
        return
    home = tmp_path_factory.mktemp("airflow2")
    (home / "dags").mkdir()
    (home / "dags" / "poison.py").write_text((DAGS / "poison.py").read_text())
    env = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW_CONN_CLARUS_DEFAULT": clarus.connection_uri,
    }
    with Two(home, env) as airflow:
        yield airflow


def wait_for_states(airflow: Airflow, dag_id: str, run_id: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 500
    while True:
        found = airflow.states(dag_id, run_id)
        if found and {state for state, _ in found.values()} <= set(states):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def test_a_trigger_that_cannot_be_read_ends_alone(airflow_2_or_3: Airflow, clarus: Sandbox) -> None:
    airflow = airflow_2_or_3
    clarus.add_report(Report(REPORT, seconds=math.inf))
    (document_id,) = clarus.add_documents(1, REPORT)
    healthy = airflow.trigger("healthy", document=document_id)
    wait_for_states(airflow, "healthy", healthy, "deferred")
    started = airflow.triggerer()
    poison = airflow.trigger("poison")
    ended = wait_for_states(airflow, "poison", poison, "failed")
    assert len(ended) == 6
    for task in ended:
        name = task.partition("[")[0]
        # A task's last words come after its state.
        deadline = time.monotonic() + 60
        while "The trigger cannot be read" not in airflow.log("poison", poison, name):
            assert time.monotonic() < deadline, name
            time.sleep(0.5)
    assert set(airflow.states("healthy", healthy).values()) == {("deferred", 1)}
    clarus.documents[document_id].seconds = 0
    assert set(wait_for_states(airflow, "healthy", healthy, "success").values()) == {("success", 1)}
    assert airflow.triggerer() == started


def test_what_a_task_group_maps_over_is_what_its_triggers_get(
    airflow_2_or_3: Airflow, clarus: Sandbox
) -> None:
    run_id = airflow_2_or_3.trigger("computed")
    states = wait_for_states(airflow_2_or_3, "computed", run_id, "success")
    assert {f"group.generate[{index}]" for index in (0, 1)} < set(states)


def test_each_key_of_what_a_task_returns_is_an_xcom(
    airflow_2_or_3: Airflow, clarus: Sandbox, tmp_path: Path
) -> None:
    (document_id,) = clarus.add_documents(1, 7)
    run_id = airflow_2_or_3.trigger("landed", document=document_id, folder=f"file://{tmp_path}")
    wait_for_states(airflow_2_or_3, "landed", run_id, "success")
    assert [path.name for path in tmp_path.iterdir()] == [f"report-7-{document_id}.csv"]
