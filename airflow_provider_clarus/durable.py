# SPDX-License-Identifier: Apache-2.0
"""Durable generation: what a task has queued outlives its try, where Airflow can keep it (3.3 and later).

A retry finds a document to go on with after a worker's death, a failure of the destination's storage, a
transfer that broke too often, a long outage of Clarus, or ``execution_timeout``. No retry follows a
``ClarusPermanentError``, which a failed document is, or the end of ``timeout``: so a retry finds a failed
document only where it failed while no try was looking.

Two gaps are left. A worker that dies in the moment between Clarus' answer and the store forgets the document.
And a task that is cleared *while it runs* goes on with its document: Airflow restarts it as it retries one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.api.models import MISSING_GRACE, Document
from airflow_provider_clarus.api.status import DocumentStatus

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_clarus.api.client import ClarusClient

log = logging.getLogger(__name__)

KEY = "clarus_document"


def generate(
    context: Context, client: ClarusClient, report_id: int, variables: Sequence[Mapping[str, str]]
) -> Document:
    """Return the document of an earlier try of this task, or else queue the report and keep its document.

    :param variables: ``{"name", "value"}`` each
    :raises ClarusError: as :meth:`airflow_provider_clarus.api.client.ClarusClient.generate_report`
    """
    tenant = client.connection.tenant
    request = {"report_id": report_id, "tenant": tenant, "variables": variables}
    if adopted := adopt(context, client, request):
        return adopted
    document = client.generate_report(report_id, variables)
    remember(context, document, request)
    log.info(
        "Report %d of tenant %r is queued as document %d, with %s",
        report_id,
        tenant,
        document.id,
        variables or "its stored variables",
    )
    return document


def adopt(context: Context, client: ClarusClient, request: Mapping[str, Any]) -> Document | None:
    """Return the document that a failed try of this task has queued, if there is one to go on with.

    :param request: what would be generated; a document of anything else is not adopted
    """
    store = _store(context)
    kept = store and store.get(KEY)
    if not kept or kept["request"] != request or kept["max_tries"] != _max_tries(context):
        return None
    document_id: int = kept["id"]
    document = client.get_document(document_id)
    if document is None and time.time() - kept["queued_at"] < MISSING_GRACE:
        document = Document(document_id, DocumentStatus.QUEUED)
    if document is None or document.status is DocumentStatus.FAILED:
        log.info("Document %d of an earlier try %s", document_id, "failed" if document else "is gone")
        return None
    log.info("Going on with document %d of an earlier try: %s", document_id, document.status.value)
    return document


def remember(context: Context, document: Document, request: Mapping[str, Any]) -> None:
    """Keep a document that was just queued for this task's next try."""
    if store := _store(context):
        kept = {
            "id": document.id,
            "request": dict(request),
            "max_tries": _max_tries(context),
            "queued_at": time.time(),
        }
        try:
            store.set(KEY, kept)
        except Exception:
            # To fail now would be to generate twice for certain.
            log.warning(
                "Could not keep document %d for a retry, which will generate again",
                document.id,
                exc_info=True,
            )
    elif _max_tries(context):
        log.info("This Airflow has no task state store (3.3 and later have): a retry will generate again.")


def _max_tries(context: Context) -> int:
    # The store outlives clearing the task, which is to generate anew; clearing raises this, a retry does not.
    return getattr(context.get("ti"), "max_tries", None) or 0


def _store(context: Context) -> Any:
    return context.get("task_state_store")
