# SPDX-License-Identifier: Apache-2.0
"""Watch one document, wherever it is looked at from: a worker or the triggerer."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_clarus.api.models import Document, finished
from airflow_provider_clarus.exceptions import ClarusTimeoutError
from airflow_provider_clarus.policy.patience import MISSING_LOOKS

log = logging.getLogger(__name__)

#: Seconds that the look at the deadline may take. Then the wait is over, whatever hangs.
LAST_LOOK = 1.5


@dataclass(slots=True, eq=False)
class Watch:
    """What is known of a document. Times are in seconds since the epoch."""

    document_id: int
    since: float
    deadline: float
    status: str = "not seen yet"
    missing_since: float | None = None
    misses: int = 0

    def take(self, document: Document | None, *, tenant: str, now: float) -> Document | None:
        """Take what Clarus says; return the document when it is available, ``None`` while it is not yet.

        :param document: ``None`` when Clarus does not show it
        :raises ClarusReportFailedError: when it never will be
        :raises ClarusNotFoundError: when it has been out of sight for too long, and at each of several looks
        """
        missing_for = 0.0
        if document is None:
            self.missing_since = self.missing_since or now
            self.misses += 1
            if self.misses >= MISSING_LOOKS:
                missing_for = now - self.missing_since
        else:
            self.count_anew()
            if document.status.value != self.status:
                self.say(
                    "Document %d in tenant %r: %s -> %s",
                    self.document_id,
                    tenant,
                    self.status,
                    document.status.value,
                )
                self.status = document.status.value
        return finished(document, document_id=self.document_id, tenant=tenant, missing_for=missing_for)

    def count_anew(self) -> None:
        """Count absence anew: a look has found the document, or was not answered, as in an outage."""
        self.missing_since, self.misses = None, 0

    def timed_out(self, tenant: str, now: float, reason: str = "") -> ClarusTimeoutError:
        """Return the error of a wait that has taken too long."""
        # In reschedule mode each look has a watch of its own, which begins with the look.
        waited = max(now, self.deadline) - self.since
        return ClarusTimeoutError(
            f"Document {self.document_id} in tenant {tenant!r} was not available after {waited:.0f} s; its "
            f"last status was {self.status!r}.{reason} Raise `timeout`, or see in Clarus why the report "
            "takes so long.",
            document_id=self.document_id,
            tenant=tenant,
        )

    def say(self, message: str, *args: object) -> None:
        """Log into the waiting task's log."""
        log.info(message, *args)
