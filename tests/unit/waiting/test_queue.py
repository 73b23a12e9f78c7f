# SPDX-License-Identifier: Apache-2.0
"""Which documents are asked about next."""

from __future__ import annotations

import asyncio
import time

from airflow_provider_clarus.waiting._queue import Queue
from airflow_provider_clarus.waiting._waiter import Waiter


def test_who_waits_for_a_document_again_is_not_lost_behind_who_gave_it_up() -> None:
    """Its first wait ends while a request is under way that fails; then another begins."""

    async def scenario() -> None:
        queue, now = Queue(), time.time()

        def waiter() -> Waiter:
            return Waiter.starting(7, interval=5, since=now, deadline=now + 60)

        first, second = waiter(), waiter()
        given_up = queue.add(first)
        assert queue.batch(first.due, first.due, 100) == [given_up]
        queue.remove(first)
        queue.suspect(given_up, 13)
        wanted = queue.add(second)
        assert queue.next_due() == second.due
        assert queue.batch(second.due, second.due, 100) == [wanted]

    asyncio.run(scenario())


def test_nothing_is_kept_of_a_suspect_that_nobody_waits_for() -> None:
    async def scenario() -> None:
        queue, now = Queue(), time.time()
        waiter = Waiter.starting(7, interval=5, since=now, deadline=now + 60)
        given_up = queue.add(waiter)
        queue.remove(waiter)
        queue.suspect(given_up, 13)
        assert not queue._suspects

    asyncio.run(scenario())
