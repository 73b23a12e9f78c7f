# SPDX-License-Identifier: Apache-2.0
"""One trigger's wait for one document, which the shared poller settles."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from dataclasses import dataclass
from typing import TypeAlias

from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.models import Document, finished, timeout_error

log = logging.getLogger(__name__)

#: Seconds between a trigger's start and its first look. One that fires sooner can have its task lose a try to
#: "state mismatch" (apache/airflow 71580, 72716).
FIRST_LOOK = 5.0
#: Seconds between two rounds, so that triggers that start together are asked about together.
COALESCE = 1.0
#: Seconds: the longest pause between two looks at an old document, and after a failed round.
LONGEST_PAUSE = 60.0

#: What Clarus says of a document: ``None`` when it does not show it, an error when asking for it fails.
Answer: TypeAlias = Document | ClarusError | None


def pause(interval: float, age: float) -> float:
    """Return the seconds until the next look at a document that has been waited for ``age`` seconds.

    That is the interval asked for, and then a twentieth of the age, up to :data:`LONGEST_PAUSE`. Young
    documents are looked at often, since most reports take seconds; old ones rarely, since nobody notices that
    a report of an hour is found a minute late. The delay stays under 5 % of the wait, and a wait of an hour
    costs about 110 looks instead of 720, at an interval of 5 seconds.
    """
    return max(interval, min(age / 20, LONGEST_PAUSE))


@dataclass(slots=True, eq=False)
class Waiter:
    """One trigger's wait for one document. Times are in seconds since the epoch."""

    document_id: int
    interval: float
    since: float
    deadline: float
    future: asyncio.Future[Document]
    context: contextvars.Context
    not_before: float
    due: float
    last_seen: float
    last_said: float
    status: str = "not seen yet"

    def say(self, now: float, message: str, *args: object) -> None:
        """Log into the waiting task's own log, which follows its trigger's context."""
        self.last_said = now
        self.context.run(log.info, message, *args)

    def settle(self, answer: Answer, *, tenant: str, now: float) -> None:
        """Take what Clarus answered: end the wait, or plan the next look."""
        if self.future.done():
            return
        try:
            if isinstance(answer, ClarusError):
                raise copied(answer)
            if answer is not None:
                self.last_seen = now
                if answer.status.value != self.status:
                    self.say(now, "Document %d: %s -> %s", self.document_id, self.status, answer.status.value)
                    self.status = answer.status.value
            done = finished(
                answer, document_id=self.document_id, tenant=tenant, missing_for=now - self.last_seen
            )
        except ClarusError as error:
            self.future.set_exception(error)
            return
        if done:
            self.future.set_result(done)
        elif now >= self.deadline:
            self.time_out(tenant, now)
        else:
            self.due = min(now + pause(self.interval, now - self.since), max(self.deadline, now + COALESCE))

    def time_out(self, tenant: str, now: float, reason: str = "") -> None:
        """End the wait without a document."""
        if not self.future.done():
            self.future.set_exception(
                timeout_error(self.document_id, tenant, now - self.since, self.status, reason)
            )


def copied(error: ClarusError) -> ClarusError:
    """Return an error of its own for one task; one that is raised in many gathers all their tracebacks."""
    return type(error)(str(error))
