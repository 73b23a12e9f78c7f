# SPDX-License-Identifier: Apache-2.0
"""Wait for a document in a worker, up to a timeout, or hand the wait to the triggerer."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager

from airflow_provider_clarus import metrics
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusError, ClarusTimeoutError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.http.limit import Limit
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.policy.patience import Trouble
from airflow_provider_clarus.waiting import watch
from airflow_provider_clarus.waiting.watch import Watch

log = logging.getLogger(__name__)


class Wait:
    """Waiting for one document, from now on.

    The clock is read once: setting it later moves no deadline.

    :param interval: seconds between two looks
    :param timeout: seconds from now until the deadline
    """

    def __init__(self, hook: ClarusHook, document_id: int, *, interval: float, timeout: float) -> None:
        now = time.time()
        self._hook = hook
        self.interval = interval
        self._trouble = Trouble(Call.READ)
        self._watch = Watch(document_id, since=now, deadline=now + timeout)
        self._began = time.monotonic()
        self._has_looked_last = False

    @property
    def document_id(self) -> int:
        """The document that is waited for."""
        return self._watch.document_id

    @property
    def clarus_conn_id(self) -> str:
        """The Airflow connection through which it is looked at."""
        return self._hook.clarus_conn_id

    @property
    def tenant(self) -> str:
        """The tenant whose document it is, whatever the connection says later."""
        with self._limit():
            return self._hook.client.connection.tenant

    @property
    def since(self) -> float:
        """When the wait began, in seconds since the epoch."""
        return self._watch.since

    @property
    def deadline(self) -> float:
        """When it ends, in seconds since the epoch."""
        return self._watch.deadline

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._watch.deadline - self._now()

    def end_by(self, end: float | None) -> bool:
        """Bring the deadline forward to ``end``, in seconds since the epoch; say whether that is sooner."""
        if end is None or end >= self._watch.deadline:
            return False
        self._watch.deadline = end
        return True

    @property
    def absence(self) -> tuple[float | None, int]:
        """Since when, in seconds since the epoch, and at how many looks in a row the document was missed."""
        return self._watch.missing_since, self._watch.misses

    @absence.setter
    def absence(self, absence: tuple[float | None, int]) -> None:
        self._watch.missing_since, self._watch.misses = absence

    def look(self) -> Document | None:
        """Ask Clarus once; return the document when it is available, ``None`` while it is not yet.

        It is over soon after the deadline, whatever hangs.

        :raises ClarusReportFailedError: when it never will be
        :raises ClarusNotFoundError: when it is out of sight for good
        :raises ClarusError: when Clarus has refused to tell for so long that it is final
        """
        is_late = self.remaining <= 0
        try:
            with self._limit():
                tenant = self._hook.client.connection.tenant
                document = self._hook.get_document(self._watch.document_id)
        except ClarusError as error:
            if self._trouble.failed(error, time.monotonic()).is_final:
                raise self._trouble.final() from error
            self._watch.count_anew()
            metrics.count(metrics.WAIT_RETRIES, tenant=self._hook.tenant)
            log.warning("%s Still waiting for document %d.", error, self._watch.document_id)
            return None
        else:
            self._trouble.worked()
            return self._watch.take(document, tenant=tenant, now=self._now())
        finally:
            metrics.count(metrics.WAIT_POLLS, tenant=self._hook.tenant)
            self._has_looked_last = is_late or self.remaining <= -watch.LAST_LOOK

    def pause(self) -> float:
        """Return the seconds until the next look.

        :raises ClarusTimeoutError: when the last one, at the deadline, was made
        """
        if self._has_looked_last:
            raise self.timed_out()
        return max(0.0, min(self.interval, self.remaining))

    def block(self, *, look_at_once: bool = True) -> Document:
        """Look until the document is available, in this worker.

        :param look_at_once: ``False``: it has only just been queued
        :raises ClarusTimeoutError: at the deadline, after one last look
        """
        with self.timed():
            if not look_at_once:
                time.sleep(self.pause())
            while not (document := self.look()):
                time.sleep(self.pause())
            return document

    def timed(self) -> AbstractContextManager[None]:
        """Time what is done inside as a wait."""
        return metrics.timed(metrics.WAIT, tenant=self._hook.tenant)

    def timed_out(self) -> ClarusTimeoutError:
        """Return the error of a wait that has taken too long."""
        reason = f" The last look at it failed: {self._trouble.last}" if self._trouble.last else ""
        return self._watch.timed_out(self._hook.tenant, self._now(), reason)

    def _now(self) -> float:
        return self._watch.since + time.monotonic() - self._began

    def _limit(self) -> Limit:
        return Limit(max(0.0, self.remaining + watch.LAST_LOOK))
