# SPDX-License-Identifier: Apache-2.0
"""Many deferred tasks over one real triggerer, and over one that is killed."""

from __future__ import annotations

import math
import sqlite3
import time
from contextlib import closing

import pytest

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.demo.processes import session_members
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from airflow_provider_clarus.sandbox.server import Sandbox

pytestmark = pytest.mark.long

REPORT = 61
INTERVAL = 5
BUSY = 5.0
"""Seconds that a busy machine may add to a limit."""


@pytest.fixture(autouse=True)
def _endless(clarus: Sandbox) -> None:
    clarus.add_report(Report(REPORT, seconds=math.inf))


def deferred(airflow: LocalAirflow, dag_id: str, run_id: str, count: int) -> None:
    """Wait until so many tasks are deferred."""
    for _ in airflow.watch(dag_id, run_id, timeout=540):
        answer = airflow.call(
            "GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"state": "deferred"}
        )
        if answer["total_entries"] == count:
            return
    raise AssertionError("The run ended instead.")


def kept_of_triggers(airflow: LocalAirflow, dag_id: str) -> dict[int, str]:
    """Return the arguments that the database keeps of each trigger of a DAG, its deadline among them.

    The API does not show them.
    """
    query = (
        "SELECT trigger.id, kwargs FROM trigger"
        " JOIN task_instance ON trigger_id = trigger.id WHERE dag_id = ?"
    )
    with closing(sqlite3.connect(airflow.home / "airflow.db")) as database:
        return dict(database.execute(query, (dag_id,)))


def polls(requests: list[LoggedRequest]) -> list[set[str]]:
    """Return the documents of each request that asked for some."""
    asked = [
        ((request.json["variables"] or {}).get("filter") or {}).get("id", {}).get("in", ())
        for request in requests
        if request.endpoint == "graphql"
    ]
    return [set(ids) for ids in asked if ids]


def until_polled(clarus: Sandbox, since: int, document_ids: list[int], timeout: float) -> None:
    """Wait until the triggerer has asked for each: it loads triggers after their tasks are deferred."""
    everything = {str(document_id) for document_id in document_ids}
    deadline = time.monotonic() + timeout
    while not set().union(*(ids for ids in polls(clarus.requests[since:]) if len(ids) > 1)) >= everything:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def finish(clarus: Sandbox, document_ids: list[int]) -> None:
    for document_id in document_ids:
        clarus.documents[document_id].seconds = 0


def test_two_hundred_sensors_cost_a_handful_of_requests(airflow: LocalAirflow, clarus: Sandbox) -> None:
    dag_id, before = "waiting_for_documents", len(clarus.requests)
    documents = clarus.add_documents(200, REPORT)
    run_id = airflow.trigger(dag_id, members=documents)
    deferred(airflow, dag_id, run_id, len(documents))
    until_polled(clarus, before, documents, timeout=120)
    time.sleep(2 * INTERVAL)  # Whoever came last has fallen into step with the others.
    all_wait = len(clarus.requests)
    finish(clarus, documents)
    tasks = [task for task in airflow.wait(dag_id, run_id, timeout=540) if task.task_id == "wait"]

    assert {(task.state, task.try_number) for task in tasks} == {("success", 1)}
    assert sum(request.endpoint == "token" for request in clarus.requests[before:]) <= 1

    # A worker looks once before its task defers; all else comes from the triggerer.
    looks = [request for request in clarus.requests[before:all_wait] if polls([request])]
    began = {}
    for request in looks:
        for document_id in polls([request])[0]:
            began.setdefault(document_id, request.at)
    one_by_one = sum(looks[-1].at - at for at in began.values()) / INTERVAL
    by_triggerer = len(looks) - len(documents)
    print(f"{by_triggerer} requests while the tasks started, {one_by_one:.0f} if each polled for itself")
    assert by_triggerer <= one_by_one / 30
    print(f"{len(polls(clarus.requests[all_wait:]))} requests from then on")
    assert len(polls(clarus.requests[all_wait:])) <= 6

    for task in tasks[:3]:
        log = airflow.task_log(dag_id, run_id, "wait", map_index=task.map_index)
        own, others = documents[task.map_index], documents[task.map_index - 1]
        assert f"Document {own} in tenant 'acme': processing -> available" in log
        assert f"Document {others} " not in log


def test_a_killed_triggerer_loses_no_wait_and_repeats_no_report(
    airflow: LocalAirflow, clarus: Sandbox
) -> None:
    dag_id, before = "waiting_for_reports", len(clarus.requests)
    run_id = airflow.trigger(dag_id, members=[{"number": str(number)} for number in range(50)])
    deferred(airflow, dag_id, run_id, 50)
    kept = kept_of_triggers(airflow, dag_id)
    documents = [
        document.id
        for document in clarus.documents.values()
        if document.report.id == REPORT and document.variables
    ]

    airflow.process("triggerer").kill()
    killed = len(clarus.requests)
    airflow.process("triggerer").start()
    until_polled(clarus, killed, documents, timeout=240)
    deferred(airflow, dag_id, run_id, 50)
    assert kept_of_triggers(airflow, dag_id) == kept
    assert len(kept) == 50

    finish(clarus, documents)
    tasks = [task for task in airflow.wait(dag_id, run_id, timeout=540) if task.task_id == "generate"]
    assert {(task.state, task.try_number) for task in tasks} == {("success", 1)}
    returned = [airflow.xcom(dag_id, run_id, "generate", map_index=task.map_index) for task in tasks]
    assert sorted(returned) == documents
    assert sum(request.endpoint == "generate" for request in clarus.requests[before:]) == 50


def test_a_triggerer_that_is_told_to_stop_ends_while_a_request_hangs(
    airflow: LocalAirflow, clarus: Sandbox
) -> None:
    dag_id, before = "waiting_for_documents", len(clarus.requests)
    documents = clarus.add_documents(3, REPORT)
    run_id = airflow.trigger(dag_id, members=documents)
    deferred(airflow, dag_id, run_id, len(documents))
    until_polled(clarus, before, documents, timeout=120)
    clarus.inject(Fault("graphql", delay=300))
    hanging = len(clarus.requests)
    while len(clarus.requests) == hanging:
        time.sleep(0.05)

    triggerer = airflow.process("triggerer")
    session, begun = triggerer.pid, time.monotonic()
    triggerer.terminate()
    while set(session_members(session)) - {session}:
        time.sleep(0.05)
    took = time.monotonic() - begun
    # Airflow's supervisor sometimes misses that its child has ended, and then waits for it for ten seconds.
    while triggerer.running or session_members(session):
        time.sleep(0.05)
    clarus.clear_faults()
    triggerer.kill()
    triggerer.start()
    print(f"{took:.1f} s from SIGTERM until the process in which all triggers ran has ended")
    assert took < 5 + BUSY

    finish(clarus, documents)
    tasks = [task for task in airflow.wait(dag_id, run_id, timeout=540) if task.task_id == "wait"]
    assert {(task.state, task.try_number) for task in tasks} == {("success", 1)}
