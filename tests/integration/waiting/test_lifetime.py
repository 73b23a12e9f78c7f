# SPDX-License-Identifier: Apache-2.0
"""How a poller begins and ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import (
    ClarusTransientError,
)
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting import _reader
from airflow_provider_clarus.waiting.poller import Poller
from tests.integration.waiting.waits import NEVER, kinds, outcomes, polls, until, wait_for


def test_a_poller_without_waiters_lingers_for_the_next_ones_and_then_closes(clarus: Sandbox) -> None:
    first, second = clarus.add_documents(2, 7)

    async def scenario() -> None:
        await wait_for(first)
        shared = Poller.of("clarus_default")
        await wait_for(second)
        assert Poller.of("clarus_default") is shared
        assert shared._reader._client
        await shared._task
        await asyncio.sleep(0)
        assert not Poller._running
        assert shared._reader._client is None

    asyncio.run(scenario())
    assert clarus.count("token") == 1


def test_the_end_of_the_event_loop_ends_the_poller(clarus: Sandbox) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)

    async def scenario() -> None:
        waiting = asyncio.ensure_future(wait_for(document_id))
        await until(lambda: polls(clarus))
        assert not waiting.done()

    asyncio.run(scenario())
    assert not Poller._running
    clarus.documents[document_id].seconds = 0
    assert kinds(outcomes(wait_for(document_id))) == [Document]


def test_everybody_hears_of_it_when_the_poller_is_stopped(clarus: Sandbox) -> None:
    async def scenario() -> list[Any]:
        waits = asyncio.gather(wait_for(1), wait_for(2), return_exceptions=True)
        await asyncio.sleep(0)
        Poller.of("clarus_default")._task.cancel()
        return await waits

    assert kinds(asyncio.run(scenario())) == [ClarusTransientError] * 2


def test_nobody_hears_of_it_when_the_code_breaks_for_a_while(
    clarus: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = clarus.add_documents(3, 7)

    async def scenario() -> list[Any]:
        with monkeypatch.context() as bug:
            bug.setattr(_reader.ClarusClient, "get_documents", lambda self, ids: 1 / 0)
            waits = asyncio.gather(*map(wait_for, ids))
            await until(lambda: "ZeroDivisionError" in caplog.text)
        return await waits

    assert kinds(asyncio.run(scenario())) == [Document] * 3
    assert "Traceback" in caplog.text
