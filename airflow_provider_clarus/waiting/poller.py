# SPDX-License-Identifier: Apache-2.0
"""Shared waiting: one poller per event loop, connection and tenant asks about all documents waited for.

A triggerer runs all its triggers in one event loop. Each of ours hands its document to the poller of its
connection and tenant, which asks Clarus about up to 100 of them in one request, in a worker thread, one
request at a time. So the cost of waiting grows with ``ceil(waiting / 100)``, not with the number of tasks.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, TypeAlias

from airflow_provider_clarus.api.documents import PAGE_SIZE
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusError, ClarusTransientError
from airflow_provider_clarus.variables.settle import positive_id
from airflow_provider_clarus.waiting._reader import Reader
from airflow_provider_clarus.waiting._waiter import LONGEST_PAUSE, Answer, Waiter, pause

log = logging.getLogger(__name__)

#: Seconds between a trigger's start and its first look. One that fires sooner can have its task lose a try to
#: "state mismatch" (apache/airflow 71580, 72716).
FIRST_LOOK = 5.0
#: Seconds for which a first look waits for others that have started just after it; and between two rounds.
COALESCE = 1.0
#: Seconds: the longest that a document may be due before the next round.
LONGEST_REST = 10.0
#: Seconds that a poller without waiters stays, with its connection and token, for those that come next.
LINGER = 30.0
#: Seconds between the signs of life in a waiting task's log.
HEARTBEAT = 300.0
#: Log lines that are written before the event loop gets its turn.
LINES_AT_ONCE = 50

Key: TypeAlias = tuple[asyncio.AbstractEventLoop, str, str | None]


async def wait_for(
    document_id: int,
    *,
    clarus_conn_id: str,
    subdomain: str | None,
    interval: float,
    since: float,
    deadline: float,
) -> Document:
    """Wait until a document is available, together with all others who wait in this event loop.

    :param interval: seconds between two looks at a young document; the smallest that anybody asks for counts
    :param since: when the wait began, in seconds since the epoch
    :param deadline: when it ends, in seconds since the epoch; there is one last look then
    :raises ClarusReportFailedError: when Clarus could not generate the document
    :raises ClarusNotFoundError: when it is out of sight for good
    :raises ClarusTimeoutError: at the deadline
    :raises ClarusError: what else ends the wait, such as credentials that are refused
    """
    now = time.time()
    waiter = Waiter(
        positive_id(document_id, "document_id"),
        since,
        deadline,
        interval=interval,
        future=asyncio.get_running_loop().create_future(),
        context=contextvars.copy_context(),
        not_before=now + FIRST_LOOK,
        due=now + FIRST_LOOK + COALESCE,
        last_sign=now,
    )
    poller = Poller.of(clarus_conn_id, subdomain)
    poller.add(waiter)
    try:
        return await waiter.future
    finally:
        poller.remove(waiter)


class Poller:
    """Asks Clarus about the documents of all its waiters, until none is left."""

    _running: ClassVar[dict[Key, Poller]] = {}

    @classmethod
    def of(cls, clarus_conn_id: str, subdomain: str | None) -> Poller:
        """Return this event loop's poller for a connection and tenant, started when there was none."""
        key = (asyncio.get_running_loop(), clarus_conn_id, subdomain)
        poller = cls._running.get(key)
        if poller is None or poller._task.done():
            poller = cls._running[key] = cls(key)
        return poller

    def __init__(self, key: Key) -> None:
        loop, clarus_conn_id, subdomain = self._key = key
        self._waiters: dict[int, list[Waiter]] = {}
        self._reader = Reader(clarus_conn_id, subdomain)
        self._failures = 0
        self._trouble = ""
        self._not_before = 0.0
        self._rests_until = 0.0
        self._told_to_wait_until = 0.0
        self._sleeps_until = 0.0
        self._woken = asyncio.Event()
        # In an empty context, or it would log into the log of whichever task came first.
        context = contextvars.Context()
        self._task = context.run(loop.create_task, self._run())
        self._task.add_done_callback(self._ended, context=context)

    def add(self, waiter: Waiter) -> None:
        """Ask about one more document."""
        self._waiters.setdefault(waiter.document_id, []).append(waiter)
        if waiter.due < self._sleeps_until:
            self._woken.set()

    def remove(self, waiter: Waiter) -> None:
        """Forget one waiter; others may wait for the same document."""
        waiters = self._waiters[waiter.document_id]
        waiters.remove(waiter)
        if not waiters:
            del self._waiters[waiter.document_id]

    def _waiting(self) -> Iterator[Waiter]:
        return (
            waiter for waiters in self._waiters.values() for waiter in waiters if not waiter.future.done()
        )

    async def _run(self) -> None:
        while await self._rest():
            await self._round()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._running.get(self._key) is self:
            del self._running[self._key]
        self._reader.close()
        error = None if task.cancelled() else task.exception()
        if error and not isinstance(error, ClarusError):
            log.error("The shared poller of %s broke", self._key[1:], exc_info=error)
        if not isinstance(error, ClarusError):
            cause = f"broke: {error!r}" if error else "was stopped"
            error = ClarusTransientError(f"The shared poller {cause}. A retry starts a new one.")
        for waiter in list(self._waiting()):
            waiter.end(error)

    async def _rest(self) -> bool:
        """Sleep until the next round; say whether there is to be one."""
        self._not_before = time.time() + COALESCE
        while True:
            now = time.time()
            start = self._next_round()
            if start is not None and start <= now:
                return True
            self._sleeps_until = now + LINGER if start is None else start
            self._woken.clear()
            try:
                await asyncio.wait_for(self._woken.wait(), self._sleeps_until - now)
            except asyncio.TimeoutError:
                if not self._waiters:
                    return False

    def _next_round(self) -> float | None:
        first = last = math.inf
        for waiter in self._waiting():
            first, last = min(first, waiter.due), min(last, waiter.last_look)
        if first == math.inf:
            return None
        # A deadline cuts the rest short: nobody times out without a last look.
        return max(self._not_before, min(max(first, self._rests_until), last))

    async def _round(self) -> None:
        now = time.time()
        if now < self._told_to_wait_until:
            self._expire(now)
            return
        interval = min(waiter.interval for waiter in self._waiting())
        jitter = random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        try:
            for batch in self._reader.batches(self._due(now)):
                answers = await self._reader.read(batch)
                self._settle(answers, lambda age: now + jitter * pause(interval, age))
        except ClarusTransientError as error:
            self._back_off(error)
            self._expire(now)
        else:
            self._failures, self._trouble = 0, ""
            self._rests_until = now + jitter * min(interval, LONGEST_REST)
        await self._give_signs_of_life()

    def _due(self, now: float) -> Iterable[int]:
        """Return the documents to ask about, those first that have been due for longest.

        A request costs the same for one as for a hundred, so those that are due next fill the last one up.
        That also lets those who started apart fall into step.
        """
        dues: dict[int, float] = {}
        for waiter in self._waiting():
            if waiter.not_before <= now:
                dues[waiter.document_id] = min(waiter.due, dues.get(waiter.document_id, math.inf))
        count = sum(due <= now + COALESCE for due in dues.values())
        return sorted(dues, key=dues.__getitem__)[: math.ceil(count / PAGE_SIZE) * PAGE_SIZE]

    def _settle(self, answers: Mapping[int, Answer], next_look: Callable[[float], float]) -> None:
        now = time.time()
        for document_id, answer in answers.items():
            for waiter in self._waiters.get(document_id, ()):
                due = next_look(now - waiter.since)
                waiter.settle(answer, tenant=self._reader.tenant, now=now, next_look=due)

    def _back_off(self, error: ClarusTransientError) -> None:
        """Leave Clarus alone for a while; nobody's wait ends for it before its deadline."""
        now = time.time()
        self._failures += 1
        self._trouble = f" The last look at it failed: {error}"
        asked = error.retry_after or 0.0
        backoff = min(2.0 ** min(self._failures, 10), LONGEST_PAUSE)
        seconds = max(asked, backoff) * random.uniform(1, 1.2)  # noqa: S311 - no secret
        self._told_to_wait_until = now + asked
        self._rests_until = now + seconds
        log.warning("%s %d documents wait; the next try is in %.0f s.", error, len(self._waiters), seconds)

    def _expire(self, now: float) -> None:
        """Time out those whose last look at ``now`` came to nothing."""
        for waiter in self._waiting():
            if waiter.last_look <= now:
                waiter.end(waiter.timed_out(self._reader.tenant, now, self._trouble))

    async def _give_signs_of_life(self) -> None:
        now = time.time()
        silent = [waiter for waiter in self._waiting() if now - waiter.last_sign >= HEARTBEAT]
        for count, waiter in enumerate(silent, 1):
            waiter.last_sign = now
            waiter.say(
                "Document %d: %s after %.0f s.%s The shared poller has %d documents; requests so far: %d",
                waiter.document_id,
                waiter.status,
                now - waiter.since,
                self._trouble,
                len(self._waiters),
                self._reader.requests,
            )
            if count % LINES_AT_ONCE == 0:
                await asyncio.sleep(0)
