# SPDX-License-Identifier: Apache-2.0
"""Defer a task's wait to the triggerer, or wait in the worker; and until when: its timeout."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import ClarusTimeoutError, ClarusTransientError
from airflow_provider_clarus.triggers.document import TOO_SOON, ClarusDocumentTrigger
from airflow_provider_clarus.triggers.event import ENDS_WITH, cut_short

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    from airflow_provider_clarus.waiting.wait import Wait

#: Seconds after a wait's deadline at which Airflow gives the triggerer up, which should have ended the wait.
#: A triggerer that takes over from a dead one, or meets an outage at the deadline, needs some.
GRACE = 300.0

#: What Airflow resumes a task with whose trigger broke, or did not end in time.
TRIGGER_FAILED = "__fail__"


def wait_for_document(
    task: BaseOperator,
    wait: Wait,
    *,
    context: Context,
    deferrable: bool,
    settled: Mapping[str, Any],
    known: Document | None = None,
) -> Document:
    """Return the document when it is available; a deferred task goes on in its ``execute_complete``.

    A task with hardly any time left is not deferred.

    :param settled: what that method is to find in :func:`~airflow_provider_clarus.triggers.event.settled_of`
    :param known: what Clarus has just said of the document; one that is only queued is not looked at at once
    :raises TaskDeferred: which tells Airflow to free the worker
    :raises ClarusReportFailedError: when it never will be
    :raises ClarusTimeoutError: when it was not in time
    :raises ClarusTransientError: when the task's ``execution_timeout`` was over before
    """
    if known and known.status is DocumentStatus.AVAILABLE:
        return known
    # Airflow 3 forgets execution_timeout at a deferral: what is left of it bounds the wait.
    end = end_of_execution(task, context)
    is_cut_short = wait.end_by(end)
    if not deferrable or wait.remaining < TOO_SOON:
        try:
            return wait.block(look_at_once=known is None)
        except ClarusTimeoutError as error:
            raise (cut_short(error) if is_cut_short else error) from None
    available = wait.look() if known is None else None
    if available is None:
        _defer(task, wait, {**settled, **({ENDS_WITH: "execution_timeout"} if is_cut_short else {})})
    return available


def _defer(task: BaseOperator, wait: Wait, settled: Mapping[str, Any]) -> NoReturn:
    task.defer(
        trigger=ClarusDocumentTrigger.going_on_with(wait, settled),
        method_name="execute_complete",
        # Without it, a task whose triggerer is dead would wait for ever.
        timeout=timedelta(seconds=max(0.0, wait.remaining) + GRACE),
    )


def end_of_execution(task: BaseOperator, context: Context) -> float | None:
    """Return when a task's ``execution_timeout`` is over, in seconds since the epoch; ``None`` without one.

    It counts from the first start of this try, which Airflow keeps while the task is deferred.
    """
    started = getattr(context.get("ti"), "start_date", None)
    if not task.execution_timeout or not started:
        return None
    return float((started + task.execution_timeout).timestamp())


def not_ended(what: str, error: Exception) -> ClarusTransientError:
    """Return the error of a wait that no triggerer has ended; a retry goes on with the document."""
    return ClarusTransientError(
        f"No triggerer has ended the wait for {what}: {error}. Is one running? A retry goes on with it.",
        may_have_acted=False,
    )


class GoesOn:
    """A mixin in front of an operator that generates, for what becomes of its deferral."""

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the wait; a wait that no triggerer has ended is told of with its document."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[misc]
        except AirflowException as error:
            if next_method != TRIGGER_FAILED:
                raise
            raise not_ended(f"document {_known_id(context) or '(see the log above)'}", error) from error


def _known_id(context: Context) -> Any:
    ti: Any = context.get("ti")
    with suppress(Exception):
        return ti.xcom_pull(task_ids=ti.task_id, key="document_id", map_indexes=ti.map_index)
    return None
