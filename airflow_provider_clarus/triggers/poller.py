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
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar
from weakref import WeakKeyDictionary

from airflow_provider_clarus.client import PAGE_SIZE, ClarusClient
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusError,
    ClarusForbiddenError,
    ClarusRejectedError,
    ClarusTransientError,
)
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.models import Document
from airflow_provider_clarus.triggers.waiter import (
    COALESCE,
    FIRST_LOOK,
    LONGEST_PAUSE,
    Answer,
    Waiter,
    copied,
)

log = logging.getLogger(__name__)

#: Seconds that a poller without waiters stays, with its connection and token, for those that come next.
LINGER = 30.0
#: Seconds between the signs of life in a waiting task's log.
HEARTBEAT = 300.0


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

    :param interval: seconds between two looks at a young document
    :param since: when the wait began, in seconds since the epoch
    :param deadline: when it ends, in seconds since the epoch; there is one last look then
    :raises ClarusReportFailedError: when Clarus could not generate the document
    :raises ClarusNotFoundError: when it is out of sight for good
    :raises ClarusTimeoutError: at the deadline
    :raises ClarusError: what else ends the wait, such as credentials that are refused
    """
    now = time.time()
    waiter = Waiter(
        document_id=document_id,
        interval=interval,
        since=since,
        deadline=deadline,
        future=asyncio.get_running_loop().create_future(),
        context=contextvars.copy_context(),
        not_before=now + FIRST_LOOK,
        due=now + FIRST_LOOK,
        last_seen=now,
        last_said=now,
    )
    poller = Poller.of(clarus_conn_id, subdomain)
    poller.add(waiter)
    try:
        return await waiter.future
    finally:
        poller.remove(waiter)


class Poller:
    """Asks Clarus about the documents of all its waiters, until none is left."""

    _by_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str | None], Poller]]] = (
        WeakKeyDictionary()
    )

    @classmethod
    def of(cls, clarus_conn_id: str, subdomain: str | None) -> Poller:
        """Return this event loop's poller for a connection and tenant, started when there was none."""
        pollers = cls._by_loop.setdefault(asyncio.get_running_loop(), {})
        key = (clarus_conn_id, subdomain)
        if key not in pollers:
            pollers[key] = cls(clarus_conn_id, subdomain, pollers)
        return pollers[key]

    def __init__(
        self, clarus_conn_id: str, subdomain: str | None, pollers: dict[tuple[str, str | None], Poller]
    ) -> None:
        self._key = (clarus_conn_id, subdomain)
        self._pollers = pollers
        self._waiters: dict[int, list[Waiter]] = {}
        self._alone: set[int] = set()
        self._client: ClarusClient | None = None
        self._requests = 0
        self._failures = 0
        self._trouble: ClarusError | None = None
        self._tenant = subdomain or ""
        self._not_before = 0.0
        self._sleeps_until = 0.0
        self._woken = asyncio.Event()
        # In an empty context, or it would log into the log of whichever task came first.
        self._task = contextvars.Context().run(asyncio.get_running_loop().create_task, self._run())

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

    def _all(self) -> Iterator[Waiter]:
        return (waiter for waiters in self._waiters.values() for waiter in waiters)

    async def _run(self) -> None:
        reason: ClarusError = ClarusTransientError("The shared poller was stopped.")
        try:
            while await self._rest():
                await self._round()
        except ClarusError as error:
            reason = error
        except Exception as error:
            log.exception("The shared poller of %s broke", self._key)
            reason = ClarusTransientError(f"The shared poller broke: {error!r}. A retry starts a new one.")
        finally:
            del self._pollers[self._key]
            for waiter in list(self._all()):
                if not waiter.future.done():
                    waiter.future.set_exception(copied(reason))
            self._close()

    async def _rest(self) -> bool:
        """Sleep until the next round; say whether there is to be one."""
        self._not_before = max(self._not_before, time.time() + COALESCE)
        while True:
            now = time.time()
            if self._trouble:
                self._expire(now)
            until = self._next_round() or now + LINGER
            if self._waiters and until <= now:
                return True
            self._sleeps_until = until
            self._woken.clear()
            try:
                await asyncio.wait_for(self._woken.wait(), until - now)
            except asyncio.TimeoutError:
                if not self._waiters:
                    return False

    def _next_round(self) -> float | None:
        waiting = [waiter for waiter in self._all() if not waiter.future.done()]
        if not waiting:
            return None
        until = max(min(waiter.due for waiter in waiting), self._not_before)
        return min(until, min(waiter.deadline for waiter in waiting)) if self._trouble else until

    async def _round(self) -> None:
        now = time.time()
        # Those that are nearly due come along, so that waiters fall into step and share their requests.
        slack = min(waiter.interval for waiter in self._all()) / 2
        due = {w.document_id for w in self._all() if w.due <= now + slack and w.not_before <= now}
        try:
            for ids in self._batches(due):
                answers = await self._ask(ids)
                for document_id in ids:
                    self._settle(document_id, answers.get(document_id))
            self._failures, self._trouble = 0, None
        except ClarusTransientError as error:
            self._back_off(error)

    def _settle(self, document_id: int, answer: Answer) -> None:
        now = time.time()
        for waiter in self._waiters.get(document_id, ()):
            waiter.settle(answer, tenant=self._tenant, now=now)
            if now - waiter.last_said >= HEARTBEAT:
                waiter.say(
                    now,
                    "Document %d is %s after %.0f s; the shared poller asks about %d documents and has "
                    "sent %d requests",
                    document_id,
                    waiter.status,
                    now - waiter.since,
                    len(self._waiters),
                    self._requests,
                )

    def _back_off(self, error: ClarusTransientError) -> None:
        """Leave Clarus alone for a while; nobody's wait ends for it before its deadline."""
        self._failures += 1
        self._trouble = error
        seconds = min(LONGEST_PAUSE, 2.0**self._failures) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        seconds = max(seconds, error.retry_after or 0)
        self._not_before = time.time() + seconds
        log.warning("%s %d documents wait; the next try is in %.0f s.", error, len(self._waiters), seconds)

    def _expire(self, now: float) -> None:
        for waiter in self._all():
            if now >= max(waiter.deadline, waiter.not_before):
                waiter.time_out(self._tenant, now, f" The last look at it failed: {self._trouble}")

    def _batches(self, document_ids: Iterable[int]) -> Iterator[list[int]]:
        ids = sorted(document_ids)
        together = [document_id for document_id in ids if document_id not in self._alone]
        # Without a filter for ids, each request reads all that is unfinished: one batch, then.
        size = PAGE_SIZE if self._client is None or self._client.has_id_filter else max(len(together), 1)
        for start in range(0, len(together), size):
            yield together[start : start + size]
        yield from ([document_id] for document_id in ids if document_id in self._alone)

    async def _ask(self, ids: list[int]) -> Mapping[int, Answer]:
        """Return what Clarus says of each document, an error for one that spoils each request naming it."""
        try:
            return await self._read(ids)
        except ClarusRejectedError as error:
            return await self._bisect(ids, error)

    async def _bisect(self, ids: list[int], error: ClarusRejectedError) -> Mapping[int, Answer]:
        if len(ids) == 1:
            self._alone.update(ids)
            return {ids[0]: error}
        answers: dict[int, Answer] = {}
        for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
            try:
                answers |= await self._read(half)
            except ClarusRejectedError as narrower:
                answers |= await self._bisect(half, narrower)
        return answers

    async def _read(self, ids: list[int]) -> Mapping[int, Answer]:
        client = await self._connected()
        self._requests += 1
        try:
            return await asyncio.to_thread(client.get_documents, ids)
        except (ClarusAuthError, ClarusForbiddenError) as error:
            # The connection may have been given other credentials since it was fetched.
            log.warning("%s Fetching the connection again.", error)
            self._close()
            client = await self._connected()
            self._requests += 1
            return await asyncio.to_thread(client.get_documents, ids)

    async def _connected(self) -> ClarusClient:
        if self._client is None:
            self._client = await ClarusHook.aopen(*self._key)
            self._tenant = self._client.connection.tenant
        return self._client

    def _close(self) -> None:
        if self._client:
            self._client.close()
            self._client = None
