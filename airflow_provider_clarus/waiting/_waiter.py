# SPDX-License-Identifier: Apache-2.0
"""Wait for one document for one trigger: settled by the shared poller, or by itself at its deadline."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusError, ClarusTransientError
from airflow_provider_clarus.waiting import watch
from airflow_provider_clarus.waiting.watch import Watch

log = logging.getLogger(__name__)

#: Seconds between a trigger's start and its first look. One that fires sooner can have its task lose a try to
#: "state mismatch" (apache/airflow 71580, 72716). A deadline that comes before is kept all the same: a task
#: with so little time left waits in its worker.
FIRST_LOOK = 5.0
#: Seconds for which others that have started just after it are waited for.
COALESCE = 1.0
#: Seconds that the first look of a wait may take which a triggerer takes up late, or again: no more than have
#: passed before. A fetch of the connection that hangs is made anew in them, and Airflow allows for more.
LATE_LOOK = 90.0
#: Seconds between the signs of life in a waiting task's log.
HEARTBEAT = 300.0
#: Log lines that are written before the event loop gets its turn.
LINES_AT_ONCE = 50
#: Seconds: the longest pause between two looks at an old document.
LONGEST_PAUSE = 60.0

#: What Clarus says of a document: ``None`` when it does not show it.
Answer: TypeAlias = Document | None


def pause(interval: float, age: float) -> float:
    """Return the seconds until the next look at a document that has been waited for ``age`` seconds.

    That is the interval asked for, and then a twentieth of the age, up to :data:`LONGEST_PAUSE`. Young
    documents are looked at often, since most reports take seconds; old ones rarely, since nobody notices that
    a report of an hour is found a minute late. The delay stays under 5 % of the wait, and a wait of an hour
    costs about 110 looks instead of 720, at an interval of 5 seconds.
    """
    return max(interval, min(age / 20, LONGEST_PAUSE))


@dataclass(slots=True, eq=False, kw_only=True)
class Waiter(Watch):
    """A trigger's future, and when it is to be looked at. Times are in seconds of the event loop's clock.

    :param not_before: when it may be looked at for the first time
    :param due: when it is to be looked at next
    :param last_look: when it is looked at for the last time
    :param over_at: when it is over, whatever hangs
    """

    interval: float
    future: asyncio.Future[Document]
    context: contextvars.Context
    not_before: float
    due: float
    last_look: float
    over_at: float
    _timer: asyncio.TimerHandle | None = None

    @classmethod
    def starting(cls, document_id: int, *, interval: float, since: float, deadline: float) -> Waiter:
        """Return a wait that begins, or goes on, in this event loop and this context.

        :param since: when it began, in seconds since the epoch
        :param deadline: when it ends, in seconds since the epoch. The clock is read once, here: setting it
            later moves nothing, and one that was set back before gives the wait its whole time again at most.
        """
        loop = asyncio.get_running_loop()
        now, epoch = loop.time(), time.time()
        left = min(deadline - epoch, deadline - since)
        last = max(0.0, left)
        first = min(FIRST_LOOK, last)
        passed = max(0.0, epoch - since)
        return cls(
            document_id,
            now - passed,
            now + left,
            interval=interval,
            future=loop.create_future(),
            context=contextvars.copy_context(),
            not_before=now + first,
            due=now + min(first + COALESCE, last),
            last_look=now + last,
            over_at=now + max(last + watch.LAST_LOOK, min(passed, LATE_LOOK)),
        )

    @property
    def is_over(self) -> bool:
        """Whether nobody waits any more."""
        return self.future.done()

    @property
    def is_late(self) -> bool:
        """Whether it was taken up too late to be looked at by its deadline, and not looked at yet."""
        return self.over_at > self.last_look + watch.LAST_LOOK

    @property
    def has_ended(self) -> bool:
        """Whether it came to its end, and was not given up."""
        return self.future.done() and not self.future.cancelled()

    def ring_at(self, moment: float, ring: Callable[[Waiter], None]) -> None:
        """Have something done with it at a moment of the event loop's clock, whatever else goes on then.

        It has one timer, for what comes next.
        """
        # In its own context, of which the timer would else keep a copy.
        self._timer = self.future.get_loop().call_at(moment, ring, self, context=self.context)

    def ring_no_more(self) -> None:
        """Leave nothing behind in the event loop."""
        if self._timer:
            self._timer.cancel()

    def say(self, message: str, *args: object) -> None:
        """Log into the waiting task's own log, which follows its trigger's context."""
        self.context.run(log.info, message, *args)

    def settle(self, answer: Answer, *, tenant: str, now: float, jitter: float) -> None:
        """Take what Clarus answered: end the wait, or have the next look after its pause or at the deadline.

        Whatever goes wrong in it ends this wait alone.

        :param jitter: times the pause
        """
        if self.is_over or now < self.not_before:
            return
        self.over_at = self.last_look + watch.LAST_LOOK
        try:
            if available := self.take(answer, tenant=tenant, now=now):
                self.future.set_result(available)
            elif now >= self.last_look:
                raise self.timed_out(tenant, now)
            self.due = min(now + jitter * pause(self.interval, now - self.since), self.last_look)
        except ClarusError as error:
            self.end(error)
        except Exception as error:
            log.exception("The wait for document %d broke", self.document_id)
            self.end(ClarusTransientError(f"The wait broke: {error!r}. A retry starts a new one."))

    def out_of_time(self, tenant: str, now: float, reason: str) -> ClarusError:
        """Return the error of a wait that has taken too long; a retry mends that of one that came late."""
        if not self.is_late:
            return self.timed_out(tenant, now, reason)
        return ClarusTransientError(
            f"No look at document {self.document_id} in tenant {tenant!r} was answered: a triggerer took its "
            f"wait up late, or again.{reason} A retry goes on with it.",
            document_id=self.document_id,
            tenant=tenant,
            may_have_acted=False,
        )

    def end(self, error: ClarusError) -> None:
        """End the wait without a document."""
        if not self.is_over:
            self.future.set_exception(error.copy())


async def tell(waiters: Sequence[Waiter], line: str) -> None:
    """Write a line into the log of each of many waiting tasks."""
    for count, waiter in enumerate(waiters, 1):
        with suppress(Exception):  # A log that cannot be written is no reason to leave out the others.
            if not waiter.is_over:
                waiter.say("%s", line)
        if count % LINES_AT_ONCE == 0:
            await asyncio.sleep(0)
