# SPDX-License-Identifier: Apache-2.0
"""Watchers in a real triggerer, which is killed: none is lost, and what comes twice is a page at most."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

pytestmark = pytest.mark.long

EXAMPLE, EVERYTHING = "clarus_watch_documents", "watching_everything"
BY_HAND, SLOW, OTHER, FAILED = 71, 72, 73, 74
PAGE = 100
KILLS = 2


@pytest.fixture(autouse=True)
def _reports(clarus: Sandbox) -> None:
    clarus.add_report(Report(BY_HAND, seconds=0, file_name="stock-by-hand.csv"))
    clarus.add_report(Report(SLOW, seconds=math.inf, file_name="stock-slow.csv"))
    clarus.add_report(Report(OTHER, seconds=0))
    clarus.add_report(Report(FAILED, seconds=0, outcome="failed"))


@pytest.fixture
def watching(airflow: LocalAirflow) -> Iterator[LocalAirflow]:
    """The watchers at work, as long as this test takes: others count requests."""
    for dag_id in (EXAMPLE, EVERYTHING):
        airflow.unpause(dag_id)
    yield airflow
    for dag_id in (EXAMPLE, EVERYTHING):
        airflow.call("PATCH", f"dags/{dag_id}", json={"is_paused": True})


def rows(airflow: LocalAirflow, query: str) -> list[tuple[str, str]]:
    """Ask Airflow's database, since its API shows a hundred events at a time."""
    with closing(
        sqlite3.connect(f"file:{airflow.home}/airflow.db?mode=ro", uri=True, timeout=30)
    ) as database:
        return list(database.execute(query))


def kept(airflow: LocalAirflow) -> dict[str, str]:
    """Return what is kept of a watch, by its asset."""
    return dict(
        rows(airflow, "SELECT asset.name, value FROM asset_state_store JOIN asset ON asset.id = asset_id")
    )


def events(airflow: LocalAirflow) -> dict[str, Counter[int]]:
    """Return how often each document was told of, by the asset."""
    found: dict[str, Counter[int]] = {}
    for name, extra in rows(
        airflow, "SELECT asset.name, asset_event.extra FROM asset_event JOIN asset ON asset.id = asset_id"
    ):
        if (payload := json.loads(extra).get("payload")) is not None:
            found.setdefault(name, Counter())[payload["id"]] += 1
    return found


def until(condition: Callable[[], object], timeout: float = 240) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_killed_triggerer_loses_no_document_and_repeats_a_page_at_most(
    watching: LocalAirflow, clarus: Sandbox, landing: Path
) -> None:
    airflow = watching
    by_hand, first, second = (
        f"x-clarus://acme/{name}" for name in ("stock-by-hand", "watched-1", "watched-2")
    )
    until(lambda: kept(airflow).keys() >= {by_hand, first, second})

    slow = clarus.add_documents(4, SLOW)
    stock = [*slow, *clarus.add_documents(4, BY_HAND)]
    made = [*stock, *clarus.add_documents(350, OTHER), *clarus.add_documents(2, FAILED)]
    for kill in range(KILLS):
        aim = 60 + 150 * kill
        until(lambda aim=aim: len(events(airflow).get(first, ())) >= aim)
        airflow.process("triggerer").kill()
        # While nobody looks, some finish out of order, and others are made.
        for document_id in slow[kill::KILLS]:
            clarus.documents[document_id].seconds = 0
        new = clarus.add_documents(1, BY_HAND)
        stock += new
        made += [*new, *clarus.add_documents(20, OTHER)]
        airflow.process("triggerer").start()
    until(lambda: all(len(events(airflow).get(name, ())) >= len(made) for name in (first, second)))
    until(lambda: len(events(airflow).get(by_hand, ())) >= len(stock))
    told = events(airflow)
    for name, expected in ((by_hand, stock), (first, made), (second, made)):
        lost, total = set(expected) - told[name].keys(), sum(told[name].values())
        repeats = total - len(told[name])
        print(f"| {name} | {len(expected)} | {total} | {repeats} | {len(lost)} | {KILLS} |")
        assert told[name].keys() == set(expected)
        assert repeats <= KILLS * PAGE

    # Whatever was made by hand is in the bucket by itself, and nothing else. One event more: one that Airflow
    # stores in the moment at which it makes a run waits for the run of the next.
    stock += clarus.add_documents(1, BY_HAND)
    until(lambda: {int(path.parent.name) for path in landing.glob("by-hand/*/*.csv")} == set(stock))
    until(lambda: set(airflow.runs(EXAMPLE).values()) == {"success"})
    run_id = next(iter(airflow.runs(EVERYTHING)))
    airflow.wait(EVERYTHING, run_id)
    assert int(airflow.xcom(EVERYTHING, run_id, "show")) in made
