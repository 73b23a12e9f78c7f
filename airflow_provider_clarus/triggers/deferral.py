# SPDX-License-Identifier: Apache-2.0
"""How a task waits: in its worker, or deferred, in the triggerer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.triggers.document import ClarusDocumentTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

    from airflow_provider_clarus.api.models import Document
    from airflow_provider_clarus.waiting.wait import Wait


def wait_for_document(
    task: BaseOperator, wait: Wait, *, deferrable: bool, settled: Mapping[str, Any]
) -> Document:
    """Return the document when it is available; a deferred task goes on in its ``execute_complete``.

    :param settled: what that method is to find in :func:`~airflow_provider_clarus.waiting.event.settled_of`
    :raises TaskDeferred: which tells Airflow to free the worker
    :raises ClarusReportFailedError: when it never will be
    :raises ClarusTimeoutError: when it was not in time
    """
    if not deferrable:
        return wait.block()
    available = wait.look()
    if available is None:
        trigger = ClarusDocumentTrigger.going_on_with(wait, settled)
        task.defer(trigger=trigger, method_name="execute_complete")
    return available
