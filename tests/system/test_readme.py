# SPDX-License-Identifier: Apache-2.0
"""The DAGs that the README shows, as they stand there, in a real Airflow."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from tests import readme

pytestmark = pytest.mark.long
DAG_IDS = [re.findall(r'dag_id="(\w+)"', code)[0] for code in readme.dags()]


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_a_dag_of_the_readme_lands_its_reports(dag_id: str, airflow: LocalAirflow) -> None:
    run_id = airflow.trigger(dag_id, logical_date=datetime(2024, 3, 5, 6, tzinfo=timezone.utc))
    tasks = airflow.wait(dag_id, run_id)
    assert {task.state for task in tasks} == {"success"}
    receipts = [
        airflow.xcom(dag_id, run_id, task.task_id, map_index=task.map_index)
        for task in tasks
        if task.task_id in ("stock", "download")
    ]
    assert len(receipts) == (2 if dag_id == "stock_of_all_tenants" else 1)
    for receipt in receipts:
        assert Path(receipt["uri"].removeprefix("file://")).stat().st_size == receipt["size"] > 0
