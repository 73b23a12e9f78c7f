# SPDX-License-Identifier: Apache-2.0
"""Poll for one tenant in the shared poller, whatever goes on at others; rest after failures (backoff)."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusError, ClarusRejectedError, ClarusTransientError
from airflow_provider_clarus.http.backoff import LONGEST_ASKED, rest
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.policy.patience import Trouble
from airflow_provider_clarus.waiting import _waiter
from airflow_provider_clarus.waiting._queue import PARTS, Queue, Wanted
from airflow_provider_clarus.waiting._waiter import Waiter

log = logging.getLogger(__name__)

#: Seconds: the first and the longest pause after failures in a row.
FIRST_REST, LONGEST_REST = 2.0, 60.0
#: Requests for those who spoilt their batch, in so many seconds: the others' looks come first.
SUSPECTED_REQUESTS, SUSPECTED_SECONDS = 60, 10.0
#: Looks in a row at one document alone that break in this code, until its wait is ended.
MOST_BREAKS = 3

Batch = Sequence[Wanted]


class Tenant:
    """The documents of one tenant that are waited for. Times are in seconds of the event loop's clock.

    :param subdomain: ``None`` for the connection's own
    :param wake: has the poller look for something to do
    :param tell: has a line written into the log of each of many waiters
    """

    def __init__(
        self,
        subdomain: str | None,
        *,
        wake: Callable[[], None],
        tell: Callable[[list[Waiter], str], None],
        clock: Callable[[], float],
    ) -> None:
        self.subdomain = subdomain
        self.name = subdomain or ""
        self.queue = Queue()
        self.empty_since = clock()
        self.requests = 0
        self._wake, self._tell, self._clock = wake, tell, clock
        # Once, and not for each of thousands of timers.
        self._at_beat, self._at_last_look = self._beat, self._hurry
        self._trouble = Trouble(Call.READ)
        self._failures = 0
        self._failed_at = -math.inf
        self._answered_at = -math.inf
        self._rests_until = -math.inf
        self._told_to_wait_until = -math.inf
        self._gap_until = -math.inf
        self._round_until = -math.inf
        self._said = ""
        self._unexplained: list[tuple[Batch, ClarusError, float]] = []
        self._probes = False
        self._spent: list[float] = []
        self._suspects_from = -math.inf

    # Who waits

    def add(self, waiter: Waiter) -> None:
        """Ask about one more document."""
        self.queue.add(waiter)
        self._wind(waiter, _waiter.HEARTBEAT)
        if self._said:
            self._tell([waiter], self._said)

    def remove(self, waiter: Waiter) -> None:
        """Forget one waiter; others may wait for the same document."""
        waiter.ring_no_more()
        self.queue.remove(waiter)
        self.empty_since = self._clock()

    def waiting(self) -> Iterator[Waiter]:
        """Return those whose wait is not over."""
        return (waiter for wanted in self.queue.wanted.values() for waiter in wanted.waiting)

    def _wind(self, waiter: Waiter, seconds: float) -> None:
        """Have a waiter's clock ring for the next sign of life, or for its last look, which goes before."""
        beat_at = self._clock() + seconds
        if beat_at < waiter.last_look:
            waiter.ring_at(beat_at, self._at_beat)
        else:
            waiter.ring_at(waiter.last_look, self._at_last_look)

    def _beat(self, waiter: Waiter) -> None:
        # Not all at once, though they have started together.
        self._wind(waiter, _waiter.HEARTBEAT * random.uniform(0.9, 1))  # noqa: S311 - no secret
        self._tell([waiter], self._how_it_goes(waiter))

    def _hurry(self, waiter: Waiter) -> None:
        waiter.ring_at(waiter.over_at, self._over)
        if not waiter.is_late:
            self.queue.hurry(self.queue.wanted[waiter.document_id])
        self._wake()

    def _over(self, waiter: Waiter) -> None:
        waiter.end(waiter.out_of_time(self.name, self._clock(), self.reason(waiter)))

    # When to ask, and about what

    @property
    def is_proven(self) -> bool:
        """Whether it has been answered since something last went wrong."""
        return self._answered_at > self._failed_at

    def ready_at(self) -> float:
        """Return when there is something to ask."""
        if self._probes:
            return math.inf
        if self._unexplained:
            return -math.inf
        if self.queue.next_due() <= self._round_until:
            return self._told_to_wait_until
        next_due = min(self.queue.next_due(), max(self.queue.next_suspect(), self._suspects_from))
        start = -math.inf if self.queue.has_urgent else max(next_due, self._rests_until, self._gap_until)
        return max(start, self._told_to_wait_until)

    def next_request(self, now: float, size: int, *, suspects: bool) -> tuple[Batch, bool] | None:
        """Take what to ask about, and whether it is under suspicion; ``None`` when there is nothing.

        An empty batch asks whether Clarus answers at all.

        :param size: documents in the largest batch
        :param suspects: whether there is room for what may well hang
        """
        if self._unexplained:
            self._probes = True
            return (), True
        # Whoever has waited longest: those under suspicion would else never have their turn where others are
        # always due, and most of them are innocent.
        is_their_turn = not self.queue.has_urgent and self.queue.next_suspect() < self.queue.next_due()
        if suspects and is_their_turn and (batch := self._suspected(now)):
            return batch, True
        if batch := self.queue.batch(max(now, self._round_until), now, size):
            # Those that are due a moment later belong to the same round.
            if self._round_until < now:
                self._round_until = now + _waiter.COALESCE / 2
            if self.queue.next_due() > self._round_until:
                self._round_until = -math.inf
                self._gap_until = now + _waiter.COALESCE
            return batch, False
        self._round_until = -math.inf
        return None

    def _suspected(self, now: float) -> Batch:
        self._spent = [at for at in self._spent if at > now - SUSPECTED_SECONDS]
        if len(self._spent) >= SUSPECTED_REQUESTS:
            self._suspects_from = self._spent[0] + SUSPECTED_SECONDS
            return []
        if batch := self.queue.suspects(now):
            self._spent.append(now)
        return batch

    # What came of it

    def answered(self, batch: Batch, found: Mapping[int, Document], started: float) -> None:
        """Settle those who wait for a batch."""
        now = self._clock()
        self._answered_at = max(self._answered_at, started)
        jitter = random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        for wanted in batch:
            wanted.is_asked = False
            self.queue.clear(wanted)
            for waiter in wanted.waiting:
                waiter.settle(found.get(wanted.id), tenant=self.name, now=now, jitter=jitter)
            self.queue.place(wanted)
        self._trouble.worked()
        self._failures = 0
        if self._said:
            self._rests_until = -math.inf
            self._tell(list(self.waiting()), f"Clarus answers again for tenant {self.name!r}.")
            self._said = ""

    def failed(self, batch: Batch, error: ClarusError, started: float) -> None:
        """Find out whether a batch is at fault, or else leave the tenant alone for a while."""
        spoilt = isinstance(error, ClarusRejectedError) or (
            isinstance(error, ClarusTransientError)
            and error.may_have_acted
            and error.status != 503  # It is not there, whatever it is asked.
            and not error.retry_after
        )
        if spoilt and self._answered_at >= started:
            self._divide(batch, error, started)
        elif spoilt:
            self._unexplained.append((batch, error, started))
        else:
            self.back_off(error, started)
            self._release(batch, started)

    def probed(self, error: ClarusError | None, started: float) -> None:
        """Take note of whether Clarus answers at all, without any of the documents that are waited for."""
        self._probes = False
        unexplained, self._unexplained = self._unexplained, []
        if error is None:
            self._answered_at = max(self._answered_at, started)
        else:
            self.back_off(error, started)
        for batch, cause, began in unexplained:
            if error is None:
                self._divide(batch, cause, began)
            else:
                self._release(batch, began)

    def given_up(self, batch: Batch) -> None:
        """Take back a batch that nobody waited for any more."""
        self._release(batch, self._clock())

    def back_off(self, error: ClarusError, started: float) -> None:
        """Leave the tenant alone for a while. No wait ends for it before its deadline, unless it is final."""
        now = self._clock()
        if started < self._failed_at:
            return  # One of several at once, which are one failure.
        self._failed_at = now
        self._failures += 1
        is_final = self._trouble.failed(error, now).is_final
        asked = error.retry_after or 0.0
        seconds = rest(self._failures, asked, first=FIRST_REST, longest=LONGEST_REST)
        self._told_to_wait_until = now + min(asked, LONGEST_ASKED)
        self._rests_until = now + seconds
        # Those of the round that are due still have to wait as long.
        self._round_until = -math.inf
        count = len(self.queue.wanted)
        if is_final:
            self._end_all(self._trouble.final())
        log.warning("%s %d documents wait; the next try is in %.0f s.", error, count, seconds)
        if not self._said:
            self._said = f"{error} It is tried again; the wait goes on until its deadline."
            self._tell(list(self.waiting()), self._said)

    def _divide(self, batch: Batch, error: ClarusError, started: float) -> None:
        if len(batch) == 1:
            self._fails_alone(batch[0], error)
        else:
            log.info("Asking about %d documents in parts: %s", len(batch), error)
            for wanted in batch:
                self.queue.suspect(wanted, math.ceil(len(batch) / PARTS))
        self._release(batch, started)

    def _fails_alone(self, wanted: Wanted, error: ClarusError) -> None:
        now = self._clock()
        if not wanted.failures:
            log.warning("Document %d is asked for alone from now on: %s", wanted.id, error)
        trouble = self.queue.failed_alone(wanted)
        wanted.rests_until = now + rest(
            wanted.failures, error.retry_after or 0.0, first=FIRST_REST, longest=LONGEST_REST
        )
        is_broken = not isinstance(error.__cause__, ClarusError | None) and wanted.failures >= MOST_BREAKS
        if trouble.failed(error, now).is_final or is_broken:
            for waiter in list(wanted.waiting):
                waiter.end(trouble.final())

    def _release(self, batch: Iterable[Wanted], started: float) -> None:
        """Let documents be asked about again; those whose last look this was have no other."""
        now = self._clock()
        for wanted in batch:
            wanted.is_asked = False
            for waiter in list(wanted.waiting):
                waiter.count_anew()
                if waiter.last_look <= started and not waiter.is_late:
                    self._over(waiter)
            self.queue.place(wanted)
            if any(started < waiter.last_look <= now for waiter in wanted.waiting):
                # Their last look is still to come, and has not been made by a request from before.
                self.queue.hurry(wanted)

    def _end_all(self, error: ClarusError) -> None:
        for waiter in list(self.waiting()):
            waiter.end(error)

    # What is said of it

    def reason(self, waiter: Waiter) -> str:
        """Say why the last looks came to nothing, if they did."""
        wanted = self.queue.wanted.get(waiter.document_id)
        own = wanted and wanted.trouble and wanted.trouble.last
        if error := own or self._trouble.last or next((cause for _, cause, _ in self._unexplained), None):
            return f" The last look at it failed: {error}"
        return " The last look at it was not answered in time." if wanted and wanted.is_asked else ""

    def _how_it_goes(self, waiter: Waiter) -> str:
        return (
            f"Document {waiter.document_id}: {waiter.status} after {self._clock() - waiter.since:.0f} s."
            f"{self.reason(waiter)} {len(self.queue.wanted)} documents are waited for in this tenant; "
            f"requests so far: {self.requests}"
        )
