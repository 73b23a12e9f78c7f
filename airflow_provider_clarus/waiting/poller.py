# SPDX-License-Identifier: Apache-2.0
"""Poll for all documents that are waited for: one shared poller per event loop and connection.

A triggerer runs all its triggers in one event loop. Each of ours hands its document to the poller of its
connection, which asks Clarus about up to 100 of a tenant's documents in one request, in threads of its own, a
few requests at a time. So the cost of waiting grows with ``ceil(waiting / 100)``, not with the number of
tasks. What goes wrong for one tenant, one batch or one document is kept from the others: see
:mod:`._tenant`, :mod:`._queue` and :mod:`._slots`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from airflow_provider_clarus import metrics
from airflow_provider_clarus.api.documents import PAGE_SIZE
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusError, ClarusPermanentError, ClarusTransientError
from airflow_provider_clarus.http.limit import Limit
from airflow_provider_clarus.variables.settle import positive_id
from airflow_provider_clarus.waiting import _waiter
from airflow_provider_clarus.waiting._reader import Reader
from airflow_provider_clarus.waiting._slots import Request, Slots, requests_at_once
from airflow_provider_clarus.waiting._tenant import Tenant
from airflow_provider_clarus.waiting._waiter import Waiter

if TYPE_CHECKING:
    from airflow_provider_clarus.api.client import ClarusClient

log = logging.getLogger(__name__)

#: Seconds that a poller without waiters stays, with its connection and token, for those that come next.
LINGER = 30.0
#: Seconds until a poller whose own code failed goes on.
AFTER_A_BREAK = 2.0
#: Seconds by which a tenant comes later whose last request took long.
HANDICAP = 10.0
#: Documents in one request where each reads all that is unfinished anyway.
ALL = 100_000

#: Seconds that the answer to another question may take, its token included.
LONGEST_ANSWER = 120.0

T = TypeVar("T")
Key: TypeAlias = tuple[asyncio.AbstractEventLoop, str]


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
    :raises ClarusTimeoutError: at the deadline, whatever hangs
    :raises ClarusError: what else ends the wait, such as credentials that are refused for long
    """
    document_id = positive_id(document_id, "document_id")
    waiter = Waiter.starting(document_id, interval=interval, since=since, deadline=deadline)
    poller = Poller.of(clarus_conn_id)
    tenant = poller.add(waiter, subdomain)
    try:
        return await waiter.future
    finally:
        poller.remove(waiter, tenant)


class Poller:
    """Asks Clarus about the documents of all its waiters, until none is left."""

    _running: ClassVar[dict[Key, Poller]] = {}

    @classmethod
    def of(cls, clarus_conn_id: str) -> Poller:
        """Return this event loop's poller for a connection, started when there was none."""
        key = (asyncio.get_running_loop(), clarus_conn_id)
        poller = cls._running.get(key)
        if poller is None or poller._task.done():
            poller = cls._running[key] = cls(key)
        return poller

    def __init__(self, key: Key) -> None:
        self._loop, clarus_conn_id = self._key = key
        self._tenants: dict[str | None, Tenant] = {}
        #: One for each other question, from its beginning to its end.
        self._asked: list[Tenant] = []
        self._reader = Reader(clarus_conn_id)
        self._slots = Slots(requests_at_once())
        self._tasks: set[asyncio.Task[None]] = set()
        self._fetch: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        # In an empty context, or it would log into the log of whichever task came first.
        self._context = contextvars.Context()
        self._task = self._context.run(self._loop.create_task, self._run())
        self._task.add_done_callback(self._ended, context=self._context)

    def add(self, waiter: Waiter, subdomain: str | None) -> Tenant:
        """Ask about one more document."""
        tenant = self._known(subdomain)
        tenant.add(waiter)
        self._woken.set()
        return tenant

    def remove(self, waiter: Waiter, tenant: Tenant) -> None:
        """Forget one waiter, and end the request that only it has waited for."""
        tenant.remove(waiter)
        if waiter.has_ended:
            error = waiter.future.exception()
            metrics.took(metrics.WAIT, self._loop.time() - waiter.since, error, tenant=tenant.name)
        if not tenant.queue.wanted:
            metrics.gauge(metrics.WAITERS, 0, tenant=tenant.name)
        for request in self._slots.running:
            if request.tenant is tenant and not request.is_wanted:
                request.cut()

    async def ask(self, subdomain: str | None, question: Callable[[ClarusClient], T]) -> T:
        """Return the answer to another question, which is put once, when it is its turn in this connection.

        :param question: is called in a thread, with a client of the tenant
        :raises ClarusError: when it is not answered
        """
        tenant = self._known(subdomain)
        self._asked.append(tenant)
        try:
            await self._reader.open()
            tenant.name = self._reader.tenant_of(subdomain)
            return await self._put(tenant, question)
        finally:
            self._asked.remove(tenant)
            tenant.empty_since = self._loop.time()
            self._woken.set()

    async def _put(self, tenant: Tenant, question: Callable[[ClarusClient], T]) -> T:
        request = await self._slots.turn(tenant, self._loop.time, Limit(LONGEST_ANSWER))
        answered = False
        try:
            answer = await self._reader.put(tenant.subdomain, question, request.limit)
            answered = True
        except ClarusError as error:
            if isinstance(error, ClarusPermanentError):
                self._fetch_connection(renew=True)
            raise request.met(error, self._loop.time()) from error
        except Exception as error:
            log.exception("Asking tenant %r broke", tenant.name)
            raise _broken(tenant, error) from error
        finally:
            request.limit.cut()
            self._slots.over(request, self._loop.time(), answered=answered)
        return answer

    def _known(self, subdomain: str | None) -> Tenant:
        tenant = self._tenants.get(subdomain)
        if tenant is None:
            tenant = Tenant(subdomain, wake=self._woken.set, tell=self._tell, clock=self._loop.time)
            self._tenants[subdomain] = tenant
        return tenant

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                wake_at = self._start_what_is_due()
            except Exception:
                log.exception("The shared poller of %r broke; it goes on", self._key[1])
                wake_at = self._loop.time() + AFTER_A_BREAK
                await asyncio.sleep(AFTER_A_BREAK)
            if wake_at is None:
                return
            # Not wait_for, as above: the end of an event loop, which cancels, would take LINGER.
            alarm = self._loop.call_at(min(wake_at, self._loop.time() + LINGER), self._woken.set)
            try:
                await self._woken.wait()
            finally:
                alarm.cancel()

    def _start_what_is_due(self) -> float | None:
        """Start requests, as many as there is room for; return when to look again, ``None`` at the end."""
        now = self._loop.time()
        self._forget_the_empty(now)
        if not self._tenants:
            return None
        times = {tenant: tenant.ready_at() for tenant in self._tenants.values()}
        again = [time for time in times.values() if time > now]
        ready = [tenant for tenant, time in times.items() if time <= now]
        for tenant in sorted(ready, key=lambda one: self._turn(one, times[one])):
            if not self._reader.is_open:
                self._fetch_connection(renew=False)
                break
            tenant.name = self._reader.tenant_of(tenant.subdomain)
            again.append(self._start(tenant, now))
        return min([*again, now + LINGER])

    def _turn(self, tenant: Tenant, ready_at: float) -> float:
        return ready_at + HANDICAP * self._slots.is_slow(tenant)

    def _start(self, tenant: Tenant, now: float) -> float:
        """Start a tenant's requests; return when to look again whether there is room for the others."""
        size = PAGE_SIZE if self._reader.has_id_filter(tenant.subdomain) else ALL
        while (ready_at := tenant.ready_at()) <= now:
            is_slow = self._slots.is_slow(tenant)
            is_careful = size == ALL or not tenant.is_proven
            if is_careful and (turn := self._slots.one_by_one(tenant)) > now:
                return turn
            if not self._slots.has_room(suspect=is_slow):
                return self._slots.overtake(tenant, now)
            taken = tenant.next_request(now, size, suspects=self._slots.has_room(suspect=True))
            if taken is None:
                return max(tenant.ready_at(), now + _waiter.COALESCE / 10)
            batch, suspect = taken
            ends = [waiter.over_at for wanted in batch for waiter in wanted.waiting]
            limit = Limit(max(ends, default=math.inf) - now)
            patience = self._slots.patience(tenant)
            request = Request(tenant, batch, now, limit, suspect or is_slow, patience)
            self._slots.running.add(request)
            tenant.requests += 1
            self._spawn(self._ask(request))
        return ready_at

    async def _ask(self, request: Request) -> None:
        tenant, answered = request.tenant, False
        metrics.count(metrics.WAIT_POLLS, tenant=tenant.name)
        metrics.gauge(metrics.WAITERS, len(tenant.queue.wanted), tenant=tenant.name)
        try:
            ids = [wanted.id for wanted in request.batch]
            found = await self._reader.read(tenant.subdomain, ids, request.limit)
        except ClarusError as error:
            self._failed(request, error)
        except Exception as error:
            log.exception("Asking about documents of tenant %r broke", tenant.name)
            self._failed(request, _broken(tenant, error))
        else:
            answered = True
            if request.batch:
                tenant.answered(request.batch, found, request.started)
            else:
                tenant.probed(None, request.started)
        finally:
            request.limit.cut()
            self._slots.over(request, self._loop.time(), answered=answered)
            self._woken.set()

    def _failed(self, request: Request, error: ClarusError) -> None:
        tenant, error = request.tenant, request.met(error, self._loop.time())
        if request.is_wanted:
            metrics.count(metrics.WAIT_RETRIES, tenant=tenant.name)
        if isinstance(error, ClarusPermanentError):
            self._fetch_connection(renew=True)
        if not request.batch:
            tenant.probed(error, request.started)
        elif request.is_cut and not request.is_wanted:
            tenant.given_up(request.batch)
        else:
            tenant.failed(request.batch, error, request.started)

    def _fetch_connection(self, *, renew: bool) -> None:
        if self._fetch is None or self._fetch.done():
            self._fetch = self._spawn(self._fetched(renew=renew))

    async def _fetched(self, *, renew: bool) -> None:
        started = self._loop.time()
        try:
            await (self._reader.renew() if renew else self._reader.open())
        except ClarusError as error:
            log.warning("%s", error)
            if not self._reader.is_open:
                for tenant in self._tenants.values():
                    tenant.back_off(error, started)
        finally:
            self._woken.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._context.copy().run(self._loop.create_task, work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("The shared poller of %r met what it did not expect", self._key[1], exc_info=error)

    def _tell(self, waiters: list[Waiter], line: str) -> None:
        """Write a line into the log of each of many waiting tasks."""
        self._spawn(_waiter.tell(waiters, line))

    def _forget_the_empty(self, now: float) -> None:
        busy = {*self._asked, *(request.tenant for request in self._slots.running)}
        for subdomain, tenant in list(self._tenants.items()):
            if not tenant.queue.wanted and tenant not in busy and tenant.empty_since + LINGER <= now:
                del self._tenants[subdomain]
                self._slots.forget(tenant)
                self._reader.forget(subdomain)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._running.get(self._key) is self:
            del self._running[self._key]
        for request in self._slots.running:
            request.cut()
        for other in self._tasks:
            other.cancel()
        self._reader.close()
        error = ClarusTransientError("The shared poller was stopped. A retry starts a new one.")
        for tenant in self._tenants.values():
            for waiter in list(tenant.waiting()):
                waiter.end(error)


def _broken(tenant: Tenant, error: Exception) -> ClarusTransientError:
    broken = ClarusTransientError(f"Could not read from tenant {tenant.name!r}: {error!r}.")
    broken.__cause__ = error
    return broken
