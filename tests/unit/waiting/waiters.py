# SPDX-License-Identifier: Apache-2.0
"""Waiters without a triggerer, and a clock that moves when it is told to."""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import Callable, Coroutine

from airflow_provider_clarus.waiting import watch
from airflow_provider_clarus.waiting._waiter import Waiter


def in_a_loop(test: Callable[..., Coroutine[object, object, None]]) -> Callable[..., None]:
    """Run a test in an event loop of its own, as waiters need one."""

    @functools.wraps(test)
    def run(**arguments: object) -> None:
        asyncio.run(test(**arguments))

    return run


def waiter(
    document_id: int, due: float = 0.0, *, not_before: float = 0.0, last_look: float = math.inf
) -> Waiter:
    """Return one who is to be asked about at ``due``, in seconds of whatever clock a test has."""
    now = time.time()
    one = Waiter.starting(document_id, interval=5.0, since=now, deadline=now + 3600)
    one.due, one.not_before, one.last_look = due, not_before, last_look
    one.over_at = last_look + watch.LAST_LOOK
    return one
