# SPDX-License-Identifier: Apache-2.0
"""Queue a report once: a retry goes on with the document that a failed try has queued (Airflow 3.3+).

Before a report is asked for, the try writes down that it will be; after the answer, the document. So a retry
knows one of three things: a document to go on with; that nothing was queued; or that an earlier try broke off
in between, and that nobody knows whether Clarus has queued the report. Then it generates again, since the
task's ``retries`` are the consent to that, and says so: a second document costs less than a person at night.

No retry follows a ``ClarusPermanentError``, which a failed document is, or the end of ``timeout``: so a retry
finds a failed document only where it failed while no try was looking.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_clarus import log_fields, metrics
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.doubts import ON_UNKNOWN_OUTCOME, Doubts, short
from airflow_provider_clarus.exceptions import (
    ClarusError,
    ClarusOutcomeUnknownError,
    ClarusTransientError,
)
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.policy.patience import MISSING_GRACE
from airflow_provider_clarus.receipts import Receipts

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from tenacity import RetryCallState

    from airflow_provider_clarus.api.client import ClarusClient

log = logging.getLogger(__name__)

#: Of the task state store: ``{"max_tries", "doubts"}``, and of a document that is known also ``{"id",
#: "report_id", "request"}``. Of a doubt see :mod:`airflow_provider_clarus.doubts`.
KEY = "clarus_document"
#: Tries of one request, while Clarus certainly did not get it: their pauses take a minute and a half.
ATTEMPTS = 10
#: Seconds: the longest pause between two of them.
LONGEST_PAUSE = 31.0
#: The XCom that has the document's id as soon as it is known.
XCOM_KEY = "document_id"


class Generated(NamedTuple):
    """A document that a task waits for.

    :param report_id: what it is generated of
    """

    document: Document
    report_id: int


def generate(
    context: Context,
    client: ClarusClient,
    report: int | str,
    variables: Sequence[Mapping[str, str]],
    *,
    find: Callable[[], int],
    on_unknown_outcome: str = ON_UNKNOWN_OUTCOME[0],
    end: float | None = None,
) -> Generated:
    """Return the document of an earlier try of this task, or else queue the report and keep its document.

    :param report: as the task names it: by its id, or by its name
    :param variables: ``{"name", "value"}`` each
    :param find: is called when the report is about to be queued, and only then; returns its id, or raises
    :param on_unknown_outcome: ``"retry"``: what may have been queued, or not, is queued again by the task's
        retries. ``"fail"``: the task fails without them
    :param end: when the task's ``execution_timeout`` is over, in seconds since the epoch
    :raises ClarusOutcomeUnknownError: when the report may be queued or not
    :raises ClarusError: as :meth:`airflow_provider_clarus.api.client.ClarusClient.generate_report`
    """
    task = _Task(context, client, report, variables, fails=on_unknown_outcome == "fail", end=end)
    generated = task.adopt() or task.queue(find)
    _publish(context, generated.document)
    return generated


def queued_before(
    context: Context, client: ClarusClient, report: int | str, variables: Sequence[Mapping[str, str]]
) -> int | None:
    """Return the document that an earlier try of this task has queued for the very same request."""
    return _Task(context, client, report, variables, fails=False, end=None).queued_before


def forget_if_cleared(context: Context) -> None:
    """Let the next try generate anew, where this one is stopped because a person has cleared the task.

    Airflow restarts such a task as it retries one; what tells the two apart is gone with this process.
    """
    store: Any = context.get("task_state_store")
    ti: Any = context.get("ti")
    try:
        kept = store and store.get(KEY)
        if not kept:
            return
        index = ti.map_index if ti.map_index >= 0 else None
        found = ti.get_task_states(ti.dag_id, map_index=index, task_ids=[ti.task_id], run_ids=[ti.run_id])
        if "restarting" in {state for states in found.values() for state in states.values()}:
            cleared = kept.get("id", "(not known yet)")
            store.set(KEY, {"max_tries": kept["max_tries"], "doubts": [], "cleared": cleared})
            Receipts(context).forget()
            log.info("The task was cleared while it ran: its next try generates anew")
    except Exception:
        log.warning("Could not find out whether the task was cleared; a retry goes on with its document")


class _Task:
    """One try of a task that generates a report, and what its earlier tries have left."""

    def __init__(
        self,
        context: Context,
        client: ClarusClient,
        report: int | str,
        variables: Sequence[Mapping[str, str]],
        *,
        fails: bool,
        end: float | None,
    ) -> None:
        ti = context.get("ti")
        self._store: Any = context.get("task_state_store")
        # The store outlives clearing the task, which is to generate anew; clearing raises this, a retry not.
        self._max_tries: int = getattr(ti, "max_tries", None) or 0
        self._try: int = getattr(ti, "try_number", None) or 1
        self._client = client
        self._report_id = report if isinstance(report, int) else None
        self._variables = variables
        self._end = end
        self._what = f"report {report!r} of tenant {client.connection.tenant!r}"
        self._request = {"report_id": report, "tenant": client.connection.tenant, "variables": variables}
        kept: Any = (self._store and self._store.get(KEY)) or {}
        # The scheduler raises max_tries for such a task, where its executor saw it end.
        self._cleared = kept.get("cleared") or (
            kept.get("id") if kept.get("max_tries") != self._max_tries else None
        )
        self._kept: dict[str, Any] = kept if kept.get("max_tries") == self._max_tries else {}
        self._doubts = Doubts(self._kept.get("doubts", []), client, report, fails=fails)

    @property
    def queued_before(self) -> int | None:
        """The document that an earlier try has queued for the same request."""
        return self._kept["id"] if self._kept.get("request") == self._request else None

    def adopt(self) -> Generated | None:
        """Return the document that a failed try of this task has queued, if there is one to go on with."""
        if self._cleared:
            log.info("The task was cleared after it had queued document %s: generating anew", self._cleared)
        if "id" not in self._kept:
            return None
        document_id: int = self._kept["id"]
        if self.queued_before is None:
            log.info(
                "Document %d of an earlier try is not %s with these variables: generating anew",
                document_id,
                self._what,
            )
            return None
        document = self._seen(document_id)
        if document is None or document.status is DocumentStatus.FAILED:
            log.info(
                "Document %d of an earlier try, for %s, %s: generating anew",
                document_id,
                self._what,
                "failed" if document else "is gone",
            )
            return None
        log_fields.bind(document_id=document_id)
        log.info(
            "Going on with document %d of an earlier try, for %s: %s",
            document_id,
            self._what,
            document.status.value,
        )
        # An earlier release knew reports by their ids alone, and kept them there.
        report_id = self._kept.get("report_id", self._request["report_id"])
        return Generated(document, report_id)

    def _seen(self, document_id: int) -> Document | None:
        """Return a document, ``None`` when it is gone: a wait judges alike, but would fail for good then."""
        from airflow_provider_clarus.http.retries import REFUSED_PAUSE, patiently

        begun, missing_since = time.monotonic(), math.nan
        pause = 1.0
        while True:
            asked = time.monotonic()
            try:
                document = patiently(lambda: self._client.get_document(document_id), Call.READ)
            except ClarusTransientError as error:
                log.warning("%s Waiting for document %d of an earlier try all the same.", error, document_id)
                return Document(document_id, DocumentStatus.QUEUED)
            now = time.monotonic()
            if math.isnan(missing_since) or now - asked > 2 * REFUSED_PAUSE:
                # The first look, or one with an outage in it, in which nobody has seen that it was gone.
                missing_since = now
            if document or now - missing_since > MISSING_GRACE:
                return document
            if now - begun > 3 * MISSING_GRACE:
                log.warning("Nobody can tell whether document %d of an earlier try is gone", document_id)
                return Document(document_id, DocumentStatus.QUEUED)
            log.info("Document %d of an earlier try is out of sight; next look in %.0f s", document_id, pause)
            time.sleep(pause)
            pause = min(2 * pause, REFUSED_PAUSE)

    def queue(self, find: Callable[[], int]) -> Generated:
        """Queue the report, and keep what is known of it before and after."""
        self._doubts.tell()
        report_id = find()
        now = time.time()
        doubt = {"try": self._try, "at": now}
        self._keep({"doubts": [*self._doubts.kept, doubt]}, before=True)
        try:
            document = self._ask_patiently(report_id)
        except ClarusOutcomeUnknownError as error:
            self._keep({"doubts": [*self._doubts.kept, doubt | {"error": short(error)}]})
            raise self._doubts.told(error, now) from error
        except ClarusError:
            # Nothing was queued, so there is nothing to be told of this try.
            self._keep({"doubts": self._doubts.kept})
            raise
        known = {"id": document.id, "report_id": report_id, "request": self._request}
        self._keep({"doubts": [], **known})
        log_fields.bind(report_id=report_id, document_id=document.id)
        log.info(
            "Report %d of tenant %r is queued as document %d, with %s",
            report_id,
            self._client.connection.tenant,
            document.id,
            self._variables or "its stored variables",
        )
        return Generated(document, report_id)

    def _ask_patiently(self, report_id: int) -> Document:
        """Ask again while Clarus is away and certainly did not get it: a whole try of the task costs more."""
        from airflow_provider_clarus.http.retries import retrying

        tenant = self._client.connection.tenant
        ask = retrying(ATTEMPTS, repeatable=False).copy(stop=self._is_enough)
        try:
            with metrics.timed(metrics.GENERATE, tenant=tenant):
                return ask(self._client.once().generate_report, report_id, self._variables)
        finally:
            repeated = ask.statistics.get("attempt_number", 1) - 1
            metrics.count(metrics.GENERATE_RETRIES, repeated, tenant=tenant)

    def _is_enough(self, state: RetryCallState) -> bool:
        is_late = self._end is not None and time.time() + LONGEST_PAUSE > self._end
        return is_late or state.attempt_number >= ATTEMPTS

    def _keep(self, kept: Mapping[str, Any], *, before: bool = False) -> None:
        """Write down what a retry has to know.

        :param before: nothing was sent yet, so that a try which cannot write fails better now
        """
        if not self._store:
            if before and self._max_tries:
                log.info(
                    "This Airflow has no task state store (3.3 and later have): "
                    "a retry will generate %s again.",
                    self._what,
                )
            return
        try:
            self._store.set(KEY, {**kept, "max_tries": self._max_tries})
        except Exception as error:
            if before and self._max_tries:
                raise ClarusTransientError(
                    f"Could not write down in Airflow that {self._what} will be generated: {error!r}. "
                    "Nothing was sent; a retry helps.",
                    report_id=self._report_id,
                    tenant=self._client.connection.tenant,
                    may_have_acted=False,
                ) from error
            # To fail now would be to generate twice for certain.
            log.warning(
                "Could not keep document %s of %s for a retry, which will generate again",
                kept.get("id", "(none)"),
                self._what,
                exc_info=True,
            )


def _publish(context: Context, document: Document) -> None:
    """Let callbacks, alerts and persons know the document before it is ready, or if it never is."""
    try:
        context["ti"].xcom_push(key=XCOM_KEY, value=document.id)
    except Exception:
        log.warning("Could not push document %d as XCom %r", document.id, XCOM_KEY, exc_info=True)
