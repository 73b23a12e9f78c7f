# SPDX-License-Identifier: Apache-2.0
"""What is said, and in whose log."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
from collections.abc import Sequence

import pytest

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting import _waiter
from tests.integration.waiting.waits import NEVER, outcomes, until, wait_for


def test_the_poller_keeps_out_of_its_waiters_logs_and_each_waiter_logs_into_its_own(clarus: Sandbox) -> None:
    task = contextvars.ContextVar[str]("task")
    lines: list[tuple[str, str]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append((task.get("nobody's"), record.getMessage()))

    one, other = clarus.add_documents(2, 7)
    clarus.inject(Fault("graphql", status=503, times=1))

    async def named(name: str, document_id: int) -> Document:
        task.set(name)
        return await wait_for(document_id)

    logger, handler = logging.getLogger("airflow_provider_clarus"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        outcomes(named("one", one), named("other", other))
    finally:
        logger.removeHandler(handler)

    for name, document_id in (("one", one), ("other", other)):
        own = [line for owner, line in lines if owner == name]
        assert own[-1] == f"Document {document_id} in tenant 'acme': not seen yet -> available"
    nobodys = [line for owner, line in lines if owner == "nobody's"]
    assert any("2 documents wait; the next try is in" in line for line in nobodys)
    assert any("Got a token" in line for line in nobodys)


def test_waiters_hear_now_and_then_how_it_is_going(
    clarus: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_waiter, "HEARTBEAT", 0.6)
    monkeypatch.setattr(_waiter, "LINES_AT_ONCE", 1)
    caplog.set_level(logging.INFO)
    ids = clarus.add_documents(2, NEVER)

    async def heard(waits: Sequence[int], text: str) -> None:
        waiting = [asyncio.ensure_future(wait_for(document_id)) for document_id in waits]
        await until(lambda: all(re.search(text.format(document_id), caplog.text) for document_id in waits))
        assert not any(wait.done() for wait in waiting)
        for wait in waiting:
            wait.cancel()

    others = "2 documents are waited for in this tenant; requests so far: "
    asyncio.run(heard(ids, rf"Document {{}}: (queued|processing) after \d+ s. {others}\d"))
    clarus.inject(Fault("graphql", status=503))
    asyncio.run(heard(ids[:1], r"Document {}: not seen yet after \d+ s. The last look at it failed: .* 503"))


def test_who_waits_hears_when_trouble_begins_and_when_it_ends(
    clarus: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_clarus.waiting")
    (document_id,) = clarus.add_documents(1, NEVER)
    clarus.inject(Fault("graphql", status=503, times=1))

    async def scenario() -> None:
        waiting = asyncio.ensure_future(wait_for(document_id))
        await until(lambda: "Clarus answers again" in caplog.text)
        clarus.documents[document_id].seconds = 0
        await waiting

    asyncio.run(scenario())
    begins, ends = (
        [number for number, line in enumerate(caplog.messages) if words in line]
        for words in ("the wait goes on until its deadline", "Clarus answers again for tenant 'acme'.")
    )
    assert len(begins) == len(ends) == 1
    assert begins < ends
