# SPDX-License-Identifier: Apache-2.0
"""Who wakes the shared poller, which sleeps until somebody is due."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_clarus.http.limit import Limit
from airflow_provider_clarus.waiting._slots import Request
from airflow_provider_clarus.waiting.poller import Poller
from tests.unit.waiting.waiters import waiter


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each time that a poller looks whether somebody is due: in an hour, it finds."""
    looks: list[int] = []

    def look(poller: Any) -> float:
        looks.append(len(looks))
        return float(poller._loop.time() + 3600)

    monkeypatch.setattr(Poller, "_start_what_is_due", look)
    return looks


async def turns() -> None:
    """Let all that is ready to run, run."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_who_comes_while_it_sleeps_wakes_it(looks: list[int]) -> None:
    async def scenario() -> None:
        poller = Poller.of("clarus_default")
        poller.add(waiter(1, 1000.0), None)
        await turns()
        assert looks == [0]
        await turns()
        assert looks == [0]
        poller.add(waiter(2, 1000.0), None)
        await turns()
        assert looks == [0, 1]

    asyncio.run(scenario())


@pytest.mark.parametrize("later", range(6))
def test_a_loop_that_ends_just_after_it_was_woken_ends_it(looks: list[int], later: int) -> None:
    """As ``dag.test()`` ends its loop with the event of the one trigger in it."""

    async def scenario() -> None:
        poller = Poller.of("clarus_default")
        await turns()
        poller._woken.set()
        for _ in range(later):
            await asyncio.sleep(0)
        poller._task.cancel()
        await asyncio.wait({poller._task}, timeout=5)
        assert poller._task.cancelled()

    asyncio.run(scenario())


def test_a_deadline_wakes_it(looks: list[int]) -> None:
    async def scenario() -> None:
        poller = Poller.of("clarus_default")
        tenant = poller.add(waiter(1, 1e9, last_look=poller._loop.time() + 0.05), None)
        for _ in range(3000):
            if not tenant.queue.has_urgent:
                await asyncio.sleep(0.01)
        await turns()
        assert looks == [0, 1]

    asyncio.run(scenario())


def test_who_gives_up_ends_the_request_that_nobody_else_waits_for(looks: list[int]) -> None:
    async def scenario() -> None:
        poller = Poller.of("clarus_default")
        one, other = waiter(1), waiter(1)
        tenant = poller.add(one, None)
        poller.add(other, None)
        wanted = [tenant.queue.wanted[1]]
        request = Request(tenant, wanted, 0.0, Limit(3600), suspect=False, patience=1.0)
        poller._slots.running.add(request)
        poller.remove(one, tenant)
        assert not request.is_cut
        poller.remove(other, tenant)
        assert request.is_cut
        assert not request.limit.left

    asyncio.run(scenario())
