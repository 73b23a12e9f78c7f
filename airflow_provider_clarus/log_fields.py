# SPDX-License-Identifier: Apache-2.0
"""Put the ids of what is worked on into fields of the log, where Airflow's log has fields (3.0 and later)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_NAMES = ("report_id", "document_id", "tenant")


def bind(**fields: int | str | None) -> None:
    """Let each further line of this task, or trigger, have these fields; what is ``None`` is not known.

    :param fields: any of ``report_id``, ``document_id`` and ``tenant``
    """
    try:
        from structlog.contextvars import bind_contextvars
    except ImportError:
        return
    bind_contextvars(**{name: value for name, value in fields.items() if value is not None})


@contextmanager
def bound(**fields: int | str | None) -> Iterator[None]:
    """Let each line inside have these fields, and those that are bound there."""
    bind(**fields)
    try:
        yield
    finally:
        _unbind()


def _unbind() -> None:
    try:
        from structlog.contextvars import unbind_contextvars
    except ImportError:
        return
    unbind_contextvars(*_NAMES)
