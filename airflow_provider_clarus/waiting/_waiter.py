# SPDX-License-Identifier: Apache-2.0
"""One trigger's wait for one document, which the shared poller settles."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from dataclasses import dataclass
from typing import TypeAlias

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusError, ClarusTransientError
from airflow_provider_clarus.waiting.watch import Watch

log = logging.getLogger(__name__)

#: Seconds: the longest pause between two looks at an old document, and after a failed round.
LONGEST_PAUSE = 60.0

#: What Clarus says of a document: ``None`` when it does not show it, an error when only this one fails.
Answer: TypeAlias = Document | ClarusError | None


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
    """A trigger's future, and when it is to be looked at. Times are in seconds since the epoch."""

    interval: float
    future: asyncio.Future[Document]
    context: contextvars.Context
    not_before: float
    due: float
    last_sign: float

    @property
    def last_look(self) -> float:
        """When it is looked at for the last time: at the deadline, but not too soon after a restart."""
        return max(self.deadline, self.not_before)

    def say(self, message: str, *args: object) -> None:
        """Log into the waiting task's own log, which follows its trigger's context."""
        self.context.run(log.info, message, *args)

    def settle(self, answer: Answer, *, tenant: str, now: float, next_look: float) -> None:
        """Take what Clarus answered: end the wait, or have the next look at ``next_look`` or the deadline."""
        if self.future.done() or now < self.not_before:
            return
        reason = ""
        try:
            if isinstance(answer, ClarusTransientError):
                reason = f" The last look at it failed: {answer}"
            elif isinstance(answer, ClarusError):
                raise answer.copy()
            elif available := self.take(answer, tenant=tenant, now=now):
                self.future.set_result(available)
                return
            if now >= self.last_look:
                raise self.timed_out(tenant, now, reason)
        except ClarusError as error:
            self.future.set_exception(error)
        else:
            self.due = min(next_look, self.last_look)

    def end(self, error: ClarusError) -> None:
        """End the wait without a document."""
        if not self.future.done():
            self.future.set_exception(error.copy())
