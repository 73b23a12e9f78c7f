# SPDX-License-Identifier: Apache-2.0
"""Choose which documents of a tenant are asked about next, and which together."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_provider_clarus.api.documents import PAGE_SIZE
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.policy.patience import Trouble
from airflow_provider_clarus.waiting._waiter import Waiter

#: Into so many parts a batch is divided that the server cannot answer: all of them can be asked at once.
PARTS = 8
#: Documents that are remembered as unanswerable with others, after nobody waits for them any more.
REMEMBERED = 1000


@dataclass(slots=True, eq=False)
class Wanted:
    """A document that somebody waits for. Times are in seconds of the event loop's clock.

    :param largest: documents in the largest batch in which it is asked about
    :param failures: looks in a row at it alone that came to nothing
    :param trouble: what became of them, once there was one
    """

    id: int
    waiters: list[Waiter] = field(default_factory=list)
    largest: int = PAGE_SIZE
    is_asked: bool = False
    failures: int = 0
    rests_until: float = 0.0
    trouble: Trouble | None = None
    place: float = math.nan

    @property
    def waiting(self) -> Iterator[Waiter]:
        """Those whose wait is not over."""
        return (waiter for waiter in self.waiters if not waiter.is_over)

    @property
    def due(self) -> float:
        """When it is to be asked about next: never, when nobody waits for it any more."""
        due = last_look = math.inf
        for waiter in self.waiting:
            due = min(due, waiter.due)
            if not waiter.is_late:
                last_look = min(last_look, waiter.last_look)
        return min(max(due, self.rests_until), last_look)

    def may_be_asked(self, now: float) -> bool:
        """Tell whether anybody could use an answer already."""
        return any(waiter.not_before <= now for waiter in self.waiting)


class Queue:
    """The documents of one tenant, those first that are due first.

    A request costs the same for one document as for a hundred, so those that are due next fill it up. That
    also lets those who have started apart fall into step. Those that spoilt their batch are asked about by
    themselves.
    """

    def __init__(self) -> None:
        self.wanted: dict[int, Wanted] = {}
        # When, and which id: the garbage collector need not look into either.
        self._places: list[tuple[float, int]] = []
        self._suspects: dict[int, Wanted] = {}
        self._urgent: dict[int, Wanted] = {}
        self._alone: dict[int, None] = {}

    def add(self, waiter: Waiter) -> Wanted:
        """Let one more be waited for."""
        wanted = self.wanted.setdefault(waiter.document_id, Wanted(waiter.document_id))
        wanted.waiters.append(waiter)
        if wanted.id in self._alone:
            self.suspect(wanted, 1)
        self.place(wanted)
        return wanted

    def remove(self, waiter: Waiter) -> None:
        """Forget one that is waited for; others may wait for the same document."""
        wanted = self.wanted.get(waiter.document_id)
        if wanted and waiter in wanted.waiters:
            wanted.waiters.remove(waiter)
            if not wanted.waiters:
                for kept in (self.wanted, self._suspects, self._urgent):
                    kept.pop(wanted.id, None)
                wanted.place = math.nan
            self.place(wanted)

    def place(self, wanted: Wanted) -> None:
        """Put a document where it belongs by its due time."""
        is_queued = wanted.waiters and not wanted.is_asked and wanted.id not in self._suspects
        if is_queued and wanted.place != (due := wanted.due):
            wanted.place = due
            heapq.heappush(self._places, (due, wanted.id))

    def hurry(self, wanted: Wanted) -> None:
        """Let a document be asked about next, whatever keeps the others."""
        if not wanted.is_asked and wanted.id not in self._suspects:
            self._urgent[wanted.id] = wanted

    def suspect(self, wanted: Wanted, largest: int) -> None:
        """Ask about a document with few others at most, which have spoilt their batch too."""
        wanted.largest, wanted.place = largest, math.nan
        if wanted.waiters:
            # Or whoever waits for it next would have no place.
            self._suspects[wanted.id] = wanted
            self._urgent.pop(wanted.id, None)
        if largest == 1:
            self._alone[wanted.id] = None
            if len(self._alone) > REMEMBERED:
                del self._alone[next(iter(self._alone))]

    def clear(self, wanted: Wanted) -> None:
        """Take note that a document was answered for."""
        if self._suspects.pop(wanted.id, None):
            self._alone.pop(wanted.id, None)
            wanted.largest, wanted.failures, wanted.rests_until, wanted.trouble = PAGE_SIZE, 0, 0.0, None

    def failed_alone(self, wanted: Wanted) -> Trouble:
        """Count a look at one document that came to nothing, and return what became of those before."""
        self.suspect(wanted, 1)
        wanted.failures += 1
        wanted.trouble = wanted.trouble or Trouble(Call.READ, ever_worked=True)
        return wanted.trouble

    @property
    def has_urgent(self) -> bool:
        """Whether a deadline is reached, and not looked at."""
        return bool(self._urgent)

    def next_due(self) -> float:
        """Return when the next document is due, the suspects left out."""
        while self._places:
            due, document_id = self._places[0]
            wanted = self.wanted.get(document_id)
            if wanted and wanted.place == due and not wanted.is_asked:
                return due
            heapq.heappop(self._places)
        return math.inf

    def next_suspect(self) -> float:
        """Return when the next suspect is due."""
        return min((one.due for one in self._suspects.values() if not one.is_asked), default=math.inf)

    def batch(self, until: float, now: float, size: int) -> list[Wanted]:
        """Take the next documents to ask about together; none, when none is due ``until`` then."""
        batch = [one for one in self._urgent.values() if not one.is_asked][:size]
        if not batch and self.next_due() > until:
            return []
        early: list[tuple[float, int]] = []
        taken = {one.id for one in batch}
        while len(batch) < size and self.next_due() < math.inf:
            entry = heapq.heappop(self._places)
            wanted = self.wanted[entry[1]]
            if wanted.id in taken:
                continue
            if wanted.may_be_asked(now):
                batch.append(wanted)
                taken.add(wanted.id)
            else:
                early.append(entry)
        for entry in early:
            heapq.heappush(self._places, entry)
        return self._taken(batch)

    def suspects(self, now: float) -> list[Wanted]:
        """Take the next suspects to ask about together; none, when none is due."""
        due = sorted(
            (one for one in self._suspects.values() if not one.is_asked and one.due <= now), key=_due
        )
        alike = [one for one in due if one.largest == due[0].largest]
        return self._taken(alike[: alike[0].largest]) if alike else []

    def _taken(self, batch: list[Wanted]) -> list[Wanted]:
        for wanted in batch:
            wanted.is_asked, wanted.place = True, math.nan
            self._urgent.pop(wanted.id, None)
        return batch


def _due(wanted: Wanted) -> float:
    return wanted.due
