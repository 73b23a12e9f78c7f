# SPDX-License-Identifier: Apache-2.0
"""A watcher that shares no stream, as before Airflow 3.3."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.watching import ledger, stream
from tests.integration.tasks import restored

documents = pytest.importorskip(
    "airflow_provider_clarus.triggers.documents", reason="Airflow 2 has no watchers", exc_type=ImportError
)

READY, NEVER = 7, 8


@pytest.fixture(autouse=True)
def _quick(hurry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "FIRST_REST", 0.05)
    monkeypatch.setattr(stream, "AGAIN", 0.05)
    monkeypatch.setattr(ledger, "GRACE", 0.5)


@pytest.fixture
def clarus(clarus_default: Sandbox) -> Sandbox:
    clarus_default.add_report(Report(READY, seconds=0))
    clarus_default.add_report(Report(NEVER, seconds=math.inf))
    return clarus_default


def told(count: int, on_event: Callable[[], None] = lambda: None, **arguments: Any) -> list[int]:
    """Run a watcher until it has told of so many documents."""
    trigger = restored(documents.ClarusDocumentsTrigger(**({"poll_interval": 0.05} | arguments)))

    async def scenario() -> list[int]:
        found: list[int] = []
        async with aclosing(trigger.run()) as events:
            async for event in events:
                found.append(event.payload["id"])
                on_event()
                if len(found) == count:
                    break
        return found

    return asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_watch_begins_an_hour_before_its_first_look(clarus: Sandbox) -> None:
    old, young, late = [*clarus.add_documents(2, READY), *clarus.add_documents(1, NEVER)]
    clarus.documents[old].created -= 7200

    def finish() -> None:
        clarus.documents[late].seconds = 0

    assert told(2, finish) == [young, late]
    # After a restart, that hour is told of again.
    assert sorted(told(2)) == [young, late]


def test_a_watch_begins_where_it_is_told_to(clarus: Sandbox) -> None:
    old, young = clarus.add_documents(2, READY)
    clarus.documents[old].created -= 7200
    assert told(2, look_back=10_000) == [old, young]
    clarus.documents[young].created -= 60
    [late] = clarus.add_documents(1, READY)
    assert told(1, look_back=30) == [late]


def test_a_watch_that_cannot_begin_says_so_and_waits(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        running = asyncio.ensure_future(anext(documents.ClarusDocumentsTrigger(poll_interval="soon").run()))
        deadline = time.monotonic() + 30
        while "This watch cannot begin: poll_interval is 'soon'" not in caplog.text:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()

    asyncio.run(scenario())
