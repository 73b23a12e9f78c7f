# SPDX-License-Identifier: Apache-2.0
"""Read a tenant's documents for all its watchers, round after round, whatever goes wrong: the stream.

A round reads all documents above the lowest number that any of the watchers still minds, and then those below
it that are unfinished: usually one or two requests, through the shared poller of the connection, in turn with
all that wait there. A page is read when the one before was dealt with, so memory does not grow with the
number of documents. Times are in seconds of the event loop's clock: one that is set moves nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from airflow_provider_clarus.api import feed
from airflow_provider_clarus.api.feed import Filter, Listed
from airflow_provider_clarus.exceptions import ClarusError, ClarusRejectedError
from airflow_provider_clarus.http.backoff import rest
from airflow_provider_clarus.http.responses import REFUSALS
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.policy.patience import Trouble
from airflow_provider_clarus.waiting.poller import Poller
from airflow_provider_clarus.watching.member import Member, Shown

if TYPE_CHECKING:
    from airflow_provider_clarus.api.client import ClarusClient

log = logging.getLogger(__name__)

T = TypeVar("T")
Key: TypeAlias = tuple[asyncio.AbstractEventLoop, str, str | None]

#: Seconds: the first and the longest pause after failures in a row.
FIRST_REST, LONGEST_REST = 2.0, 60.0
#: Failures in a row at one page, after which the round begins anew: its cursor may be what is refused.
MOST_FAILURES = 5
#: Seconds until a stream that nobody follows looks whether anybody does.
IDLE = 60.0
#: Seconds after which a first look that is shown nothing asks again: no later one finds what it leaves out.
AGAIN = 5.0
#: Seconds for which a document may have been in the making: so much further back does a first look look.
LONGEST_MAKING = 86400.0
#: Seconds between two rounds for each page, where a server without a filter for ids must show all documents.
PAUSE_PER_PAGE = 2.0
#: Seconds after which such a server is asked again whether it takes one.
PROBE_AFTER = 3600.0
#: Seconds after which larger pages are asked for again than a server has answered.
GROW_AFTER = 600.0


class _RoundBrokenError(Exception):
    """The round cannot go on where it is."""


class Stream:
    """What the watchers of one tenant through one connection read together in one event loop."""

    _running: ClassVar[WeakValueDictionary[Key, Stream]] = WeakValueDictionary()

    @classmethod
    def of(cls, clarus_conn_id: str, subdomain: str | None) -> Stream:
        """Return this event loop's stream of a connection and a tenant."""
        key = (asyncio.get_running_loop(), clarus_conn_id, subdomain)
        stream = cls._running.get(key)
        if stream is None:
            stream = cls._running[key] = cls(clarus_conn_id, subdomain)
        return stream

    def __init__(self, clarus_conn_id: str, subdomain: str | None) -> None:
        self._clarus_conn_id, self._subdomain = clarus_conn_id, subdomain
        self._members: list[Member] = []
        self._woken = asyncio.Event()
        self._trouble, self._failures = Trouble(Call.READ), 0
        self._size, self._grow_at = feed.PAGE_SIZE, math.inf
        #: Names of filters that the server does not take.
        self._refused: set[str] = set()
        self._probe_at = math.inf
        self._tenant = subdomain or ""
        self._place = ""

    def join(self, member: Member) -> None:
        """Read for one more watcher from now on."""
        self._members.append(member)
        self._woken.set()

    def leave(self, member: Member) -> None:
        """Read for one watcher less."""
        if member in self._members:
            self._members.remove(member)

    async def pages(self) -> AsyncIterator[Shown]:
        """Yield page after page, for ever, each when it is asked for; a round ends with an empty one.

        What goes wrong is logged, and waited out.
        """
        while True:
            self._woken.clear()
            began, count = self._now(), 0
            if self._members:
                try:
                    async for shown in self._round():
                        count += 1
                        yield shown
                except _RoundBrokenError:
                    continue
                yield Shown(self._tenant)
            interval = min((member.interval for member in self._members), default=IDLE)
            if "id" in self._refused:
                interval = max(interval, count * PAUSE_PER_PAGE)
            await self._rest(began + interval - self._now())

    async def _rest(self, seconds: float) -> None:
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            # Not wait_for, which can swallow a cancellation before Python 3.12.
            await asyncio.wait({woken}, timeout=max(0.0, seconds))
        finally:
            woken.cancel()

    async def _round(self) -> AsyncIterator[Shown]:
        members = list(self._members)
        await self._look_where()
        for member in members:
            if member.ledger and member.place != self._place:
                log.warning("A watch of %s is of %s from now on, and begins anew.", member.place, self._place)
                member.forget()
            if member.ledger is None:
                async for shown in self._first_look(member):
                    yield shown
        ledgers = [member.ledger for member in members if member.ledger]
        async for documents in self._listed(feed.above(min(ledger.low for ledger in ledgers))):
            yield Shown(self._tenant, documents)
        pending = sorted(set[int]().union(*(ledger.pending for ledger in ledgers)))
        if "id" not in self._refused:
            for start in range(0, len(pending), feed.PAGE_SIZE):
                async for documents in self._listed(feed.these(pending[start : start + feed.PAGE_SIZE])):
                    yield Shown(self._tenant, documents)
        if gone := set[int]().union(*(ledger.end_round(self._now()) for ledger in ledgers)):
            log.warning("Unfinished documents of tenant %r are gone: %s", self._tenant, sorted(gone))

    async def _first_look(self, member: Member) -> AsyncIterator[Shown]:
        # In this order: whatever is made meanwhile has a higher number, and is read in the round.
        high = await self._newest()
        if not high:
            await asyncio.sleep(AGAIN)
            high = await self._newest()
        unfinished: set[int] = set()
        async for documents in self._listed_for_certain(feed.UNFINISHED):
            unfinished.update(document.id for document in documents if not document.is_final)
        member.start(self._place, high, unfinished)
        log.info(
            "Watching tenant %r for documents after number %d; up to it, %d are unfinished.",
            self._tenant,
            high,
            len(unfinished),
        )
        if member.since is not None:
            async for documents in self._listed_for_certain(feed.made_since(member.since - LONGEST_MAKING)):
                yield Shown(self._tenant, documents, earlier=member)
        member.end_first_look()

    async def _newest(self) -> int:
        """Return the highest number of any document: nothing says in which order they come."""
        high, nobody = 0, math.inf
        while "id" not in self._refused:
            probe = (
                high if nobody == high + 1 else 2 * high if nobody == math.inf else (high + int(nobody)) // 2
            )
            page = await self._page(feed.above(probe), None)
            if not page.documents:
                if probe == high:
                    return high
                nobody = probe
            else:
                high = max(high, *(document.id for document in page.documents))
                if page.cursor is None:
                    return high
                nobody = nobody if high < nobody else math.inf
        async for documents in self._listed(feed.EVERYTHING):
            high = max([high, *(document.id for document in documents)])
        return high

    async def _look_where(self) -> None:
        if self._now() >= self._probe_at:
            await self._probe()
        connection = await self._ask(lambda client: client.connection)
        self._tenant, self._place = connection.tenant, f"{connection.base_url} {connection.tenant}"

    async def _listed_for_certain(self, wanted: Filter) -> AsyncIterator[Sequence[Listed]]:
        """Yield all pages of what meets a filter; where there is nothing, ask again: one proves nothing."""
        is_empty = True
        async for documents in self._listed(wanted):
            is_empty = is_empty and not documents
            yield documents
        if is_empty:
            await asyncio.sleep(AGAIN)
            async for documents in self._listed(wanted):
                yield documents

    async def _listed(self, wanted: Filter) -> AsyncIterator[Sequence[Listed]]:
        """Yield all pages of what meets a filter."""
        after = None
        while True:
            page = await self._page(wanted, after)
            yield page.documents
            if page.cursor is None:
                return
            after = page.cursor

    async def _page(self, wanted: Filter, after: str | None) -> feed.Page:
        """Return a page, in whatever way the server lets itself be asked.

        :raises _RoundBrokenError: when the round cannot go on from there
        """
        failures = 0
        while True:
            known = set(self._refused)
            try:
                page = await self._put(
                    partial(
                        feed.page_of,
                        # Those that are wanted are known by their numbers and times, too.
                        wanted=feed.EVERYTHING if wanted.keys() & known else wanted,
                        first=self._page_size(),
                        after=after,
                    )
                )
            except ClarusError as error:
                failures += 1
                # One stray answer teaches nothing.
                if isinstance(error, ClarusRejectedError) or (isinstance(error, REFUSALS) and failures > 1):
                    await self._ask_differently(wanted)
                if self._refused == known:
                    await self._back_off(error)
                if after and (self._refused != known or failures >= MOST_FAILURES):
                    raise _RoundBrokenError from error
            else:
                if self._failures:
                    log.info("Clarus answers again for the watch of tenant %r.", self._tenant)
                self._failures = 0
                self._trouble.worked()
                return page

    def _page_size(self) -> int:
        if self._now() >= self._grow_at:
            self._size, self._grow_at = min(feed.PAGE_SIZE, 2 * self._size), self._now() + GROW_AFTER
        return self._size

    async def _ask_differently(self, wanted: Filter) -> None:
        """Find out whether it is the filter that a server does not take, or else ask for less."""
        if "id" in wanted and "id" not in self._refused and not await self._probe():
            log.warning("Tenant %r has no filter for ids: each round reads all documents.", self._tenant)
        elif "created_at" in wanted and "created_at" not in self._refused:
            self._refused.add("created_at")
        else:
            self._size, self._grow_at = max(1, self._size // 2), self._now() + GROW_AFTER

    async def _probe(self) -> bool:
        is_taken = await self._ask(feed.has_id_filter)
        if is_taken:
            self._refused.clear()
        else:
            self._refused.add("id")
        self._probe_at = math.inf if is_taken else self._now() + PROBE_AFTER
        return is_taken

    async def _ask(self, question: Callable[[ClarusClient], T]) -> T:
        """Return the answer to a question, however long that takes."""
        while True:
            try:
                return await self._put(question)
            except ClarusError as error:
                await self._back_off(error)

    async def _put(self, question: Callable[[ClarusClient], T]) -> T:
        return await Poller.of(self._clarus_conn_id).ask(self._subdomain, question)

    async def _back_off(self, error: ClarusError) -> None:
        self._failures += 1
        seconds = rest(self._failures, error.retry_after or 0.0, first=FIRST_REST, longest=LONGEST_REST)
        is_final = self._trouble.failed(error, self._now()).is_final
        log.log(
            logging.ERROR if is_final else logging.WARNING,
            "The watch of tenant %r through connection %r goes on in %.0f s (failure %d in a row): %s",
            self._tenant,
            self._clarus_conn_id,
            seconds,
            self._failures,
            error,
        )
        await asyncio.sleep(seconds)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
