# SPDX-License-Identifier: Apache-2.0
"""The report catalogue in a real Airflow: names and checks, mapped, and what a wrong one costs."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report
from airflow_provider_clarus.sandbox.server import Sandbox

pytestmark = pytest.mark.long

NAMES = {71: "Stock by zone", 72: "Stock by owner"}


def test_reports_are_found_and_checked_by_name(airflow: LocalAirflow, clarus: Sandbox) -> None:
    for number, name in NAMES.items():
        clarus.add_report(Report(number, name=name, seconds=1, query=STOCK_QUERY))
    run_id = airflow.trigger("by_name", other=NAMES[72])
    tasks = airflow.wait("by_name", run_id, timeout=240)
    ended = {(task.task_id, task.map_index): (task.state, task.try_number) for task in tasks}
    assert ended == {
        ("land", 0): ("success", 1),
        ("land", 1): ("success", 1),
        # What cannot get better is not tried again, whatever the task's retries.
        ("misspelt", 0): ("failed", 1),
        ("misspelt", 1): ("failed", 1),
        ("unchecked", -1): ("success", 1),
    }
    made: dict[int, list[dict[str, Any]]] = {number: [] for number in NAMES}
    for document in clarus.documents.values():
        if document.report.id in NAMES:
            made[document.report.id].append(dict(document.variables))
    window = {"date_from": ["2024-03-05T00:00:00+00:00"], "account_id": ["3", "14"]}
    assert sorted(made[71], key=len) == [{}, window]
    assert made[72] == [window]
    log = airflow.task_log("by_name", run_id, "misspelt", map_index=0)
    assert "did you mean 'date_from' or 'date_to'?" in log
    log = airflow.task_log("by_name", run_id, "land", map_index=1)
    assert "Report 'Stock by owner' of tenant 'acme' has the id 72" in log
    assert "keeps the value stored in the report: date_to, note" in log
