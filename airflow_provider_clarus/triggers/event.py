# SPDX-License-Identifier: Apache-2.0
"""Write and read a trigger's event, which tells of a wait that is over: version 1, in plain JSON values.

``{"version": 1, "document": {"id", "status", "file_name", "file_type"}}``, or
``{"version": 1, "error": {"kind", "message", …}}``, in which the facts of
:class:`~airflow_provider_clarus.exceptions.ClarusError` follow, as far as they are known. Either has
``"settled"`` beside it: what the task settled before the wait. Its templates are rendered anew when it
resumes, and may then mean something else. ``airflow dags test`` drops ``defer(kwargs=…)``, so the event
brings it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusError, ClarusTimeoutError, ClarusTransientError

VERSION = 1
#: In ``"settled"``: ``"execution_timeout"``, where that ends the wait before the task's own ``timeout``.
ENDS_WITH = "ends_with"


def event_of(outcome: Document | ClarusError, settled: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the event that tells of a document, or of the error that ended the wait.

    :param settled: what the resumed task is to use, in JSON values, without a secret
    """
    name = "document" if isinstance(outcome, Document) else "error"
    return {"version": VERSION, name: outcome.as_dict(), "settled": dict(settled or {})}


def document_of(event: Mapping[str, Any] | None) -> Document:
    """Return the document that an event brings.

    :raises ClarusError: the error that it brings, or when it is no event of ours
    """
    outcome = _outcome(event)
    if outcome is None:
        raise ClarusTransientError(
            f"The trigger sent no event that can be understood: {event!r}. A retry goes on."
        )
    if isinstance(outcome, ClarusTimeoutError) and settled_of(event).get(ENDS_WITH) == "execution_timeout":
        raise cut_short(outcome)
    if isinstance(outcome, ClarusError):
        raise outcome
    return outcome


def cut_short(error: ClarusTimeoutError) -> ClarusTransientError:
    """Return the error of a wait that ended with the task's ``execution_timeout``, which Airflow retries."""
    return ClarusTransientError(
        f"The task's execution_timeout was over before its own timeout: {error} A retry has its time anew.",
        **{**error.facts, "may_have_acted": False},
    )


def settled_of(event: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the task settled before the wait; nothing, when an earlier release began it."""
    match event:
        case {"settled": dict(settled)}:
            return settled
    return {}


def _outcome(event: Mapping[str, Any] | None) -> Document | ClarusError | None:
    with suppress(TypeError, ValueError, KeyError):
        match event:
            case {"version": 1, "document": {"id": _, "status": _} as fields}:
                return Document.from_dict(fields)
            case {"version": 1, "error": {"kind": str(_), "message": str(_)} as fields}:
                return ClarusError.from_dict(fields)
    return None
