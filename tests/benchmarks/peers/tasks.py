# SPDX-License-Identifier: Apache-2.0
"""Print what a task of each kind costs its worker over an ``EmptyOperator`` in the same Airflow, by phase.

In milliseconds of CPU of the task's own process, which Airflow forks from a worker that has imported Airflow:
until the task begins (its DAG file is loaded, and with it the operator's module), for what it imports from
then on, and for its work, up to the stored XComs.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

HERE = Path(__file__).parent
PHASES = ("until it begins", "imports", "its work")
EMPTY = "empty"


def compare(turns: int, folder: Path) -> None:
    """Print a line for each kind: medians of so many tasks, less those of the empty one."""
    rows = folder / "tasks.jsonl"
    with Sandbox([Report(7, seconds=0)]) as clarus:
        airflow = LocalAirflow(
            folder / "airflow",
            dags_folder=HERE / "dags",
            connections={"clarus_default": clarus.connection_uri},
            config={"core.plugins_folder": str(HERE / "plugins")},
            env={"TASKS_CPU": str(rows), "AIRFLOW_VAR_FOLDER": f"file://{folder}/landed"},
        )
        with airflow:
            # The first of each warms the disk's cache.
            for _ in range(turns + 1):
                for dag_id in (EMPTY, "tasks"):
                    states = [task.state for task in airflow.wait(dag_id, airflow.trigger(dag_id))]
                    assert set(states) == {"success"}, states
    found: dict[str, list[dict[str, float]]] = {}
    for line in rows.read_text().splitlines():
        row = json.loads(line)
        found.setdefault(row.pop("task"), []).append(row)
    medians = {
        task: {phase: statistics.median(run[phase] for run in runs[1:]) for phase in (*PHASES, "modules")}
        for task, runs in found.items()
    }
    print(f"| task, medians of {turns} | CPU | over the empty one | {' | '.join(PHASES)} | modules more |")
    print("|---|---|---|---|---|---|---|")
    empty = medians.pop(EMPTY)
    total = sum(empty[phase] for phase in PHASES)
    print(f"| {EMPTY} | {total * 1e3:,.0f} ms | | | | | |")
    for task, phases in medians.items():
        over = {phase: seconds - empty[phase] for phase, seconds in phases.items()}
        cells = [sum(phases[phase] for phase in PHASES), sum(over[phase] for phase in PHASES)]
        shown = [f"{seconds * 1e3:,.0f} ms" for seconds in [*cells, *(over[phase] for phase in PHASES)]]
        print(f"| {task} | {' | '.join(shown)} | {over['modules']:,.0f} |", flush=True)
