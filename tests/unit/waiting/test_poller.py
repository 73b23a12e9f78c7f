# SPDX-License-Identifier: Apache-2.0
"""What it costs to wait."""

from __future__ import annotations

import asyncio
import contextvars
import time
import tracemalloc

import pytest

from airflow_provider_clarus.waiting import _waiter, poller

WAITS = 500
#: Bytes for each, its task included. With the trigger's own, 10,000 have to fit into 50 MB.
MOST = 3_000


def test_a_wait_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_waiter, "FIRST_LOOK", 600.0)  # Nothing is asked before.
    now = time.time()

    async def start(ids: range) -> list[asyncio.Task[object]]:
        tasks = []
        for document_id in ids:
            wait = poller.wait_for(
                document_id,
                clarus_conn_id="clarus_default",
                subdomain="acme",
                interval=5.0,
                since=now,
                deadline=now + 3600,
            )
            tasks.append(contextvars.Context().run(asyncio.get_running_loop().create_task, wait))
        await asyncio.sleep(0)
        return tasks

    async def scenario() -> float:
        tasks = await start(range(1, WAITS + 1))  # What is made once, for all of them, is there then.
        tracemalloc.start()
        try:
            tasks += await start(range(WAITS + 1, 2 * WAITS + 1))
            return tracemalloc.get_traced_memory()[0] / WAITS
        finally:
            tracemalloc.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    assert asyncio.run(scenario()) < MOST
