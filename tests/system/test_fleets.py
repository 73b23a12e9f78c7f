# SPDX-License-Identifier: Apache-2.0
"""Mapped tasks: reports, tenants and windows over one connection."""

from __future__ import annotations

import math
import time
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.system import runs
from tests.system.conftest import AIRFLOW_2, DAGS

DAG = "fleet_in_steps"
MEMBERS = list(product(("acme", "globex"), (21, 22), ("2024-03-01", "2024-03-02")))


def test_everything_maps_and_each_document_lands_for_its_tenant(
    environment: None, clarus: Sandbox, landing: Path
) -> None:
    if not AIRFLOW_2:
        pytest.skip("Airflow 3 does it in processes of its own, below")
    for tenant, number in product(("acme", "globex"), (21, 22)):
        clarus.add_report(Report(number, seconds=0, tenant=tenant))
    results = runs.results_in_one_process(DAGS, [DAG], datetime(2024, 3, 6, tzinfo=timezone.utc))[DAG]
    check(results, clarus, landing)
    check_events(results, runs.asset_events_in_one_process(DAG))


@pytest.mark.long
def test_a_fleet_shares_one_token_and_each_tenant_one_poller(
    airflow: LocalAirflow, clarus: Sandbox, landing: Path
) -> None:
    for tenant, number in product(("acme", "globex"), (21, 22)):
        clarus.add_report(Report(number, seconds=math.inf, tenant=tenant))
    before = len(clarus.requests)
    run_id = airflow.trigger(DAG)
    for tasks in airflow.watch(DAG, run_id, timeout=240):
        if [task.state for task in tasks if task.task_id == "wait"] == ["deferred"] * len(MEMBERS):
            break
    names = {
        (task["task_id"], task["map_index"]): task["rendered_map_index"]
        for task in airflow.call("GET", f"dags/{DAG}/dagRuns/{run_id}/taskInstances")["task_instances"]
    }
    assert names["generate", 5] == "globex 21 2024-03-02"
    documents = [airflow.xcom(DAG, run_id, "generate", map_index=index) for index in range(len(MEMBERS))]
    assert names["wait", 5] == f"globex: {documents[5]}"

    deadline = time.monotonic() + 60
    together = [set(documents[:4]), set(documents[4:])]
    while not all(ids in asked_about(clarus) for ids in together) and time.monotonic() < deadline:
        time.sleep(0.5)
    for document_id in documents:
        clarus.documents[document_id].seconds = 0
    results = runs.results(airflow, DAG, run_id)
    check(results, clarus, landing)
    check_events(results, runs.asset_events(airflow, DAG))

    assert all(ids in asked_about(clarus) for ids in together)
    assert sum(request.endpoint == "token" for request in clarus.requests[before:]) <= 1


def asked_about(clarus: Sandbox) -> list[set[int]]:
    """The documents of each request, which was sent for the tenant that has them."""
    asked = []
    for request in clarus.requests:
        if request.endpoint == "graphql":
            asked_by_id = (request.json["variables"].get("filter") or {}).get("id") or {}
            ids = {int(number) for number in asked_by_id.get("in", ())}
            if not ids:
                continue  # The catalogue's, or the newest documents.
            assert {clarus.documents[number].tenant for number in ids} == {request.tenant}
            asked.append(ids)
    return asked


def check(results: runs.Results, clarus: Sandbox, landing: Path) -> None:
    found = []
    for document_id, waited, receipt in zip(
        results["generate"], results["wait"], results["download"], strict=True
    ):
        assert waited["id"] == receipt["document_id"] == document_id
        document = clarus.documents[document_id]
        assert document.variables["account_id"] == ["3", "14"]
        assert receipt["uri"] == f"file://{landing}/steps/{document.tenant}/{document.file_name}"
        assert Path(receipt["uri"].removeprefix("file://")).stat().st_size == receipt["size"]
        found.append((document.tenant, document.report.id, *document.variables["date_from"]))
    assert found == MEMBERS


def check_events(results: runs.Results, events: list[dict[str, Any]]) -> None:
    # Nothing leads from a document back to its report: the operator that downloads one does not know it.
    assert sorted(events, key=lambda extra: extra["document_id"]) == sorted(
        results["download"], key=lambda receipt: receipt["document_id"]
    )
