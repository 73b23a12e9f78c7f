# SPDX-License-Identifier: Apache-2.0
"""Remember between the looks of a rescheduled sensor, where Airflow can (3.3 and later)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.waiting.wait import Wait

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)

LOOKS_KEY = "clarus_looks"


@contextmanager
def looking_again(context: Context, wait: Wait) -> Iterator[None]:
    """Let a look of a sensor that is rescheduled know since when, and how often, those before it missed.

    Each is a process of its own. Without a store that cannot be kept, and a missing document is waited for
    until the sensor's timeout.
    """
    store, mine = (
        context.get("task_state_store"),
        {"document_id": wait.document_id, "max_tries": getattr(context.get("ti"), "max_tries", None) or 0},
    )
    kept = _kept_of(store)
    if kept and mine.items() <= kept.items():
        wait.absence = kept.get("missing_since"), kept.get("misses", 0)
    before = wait.absence
    try:
        yield
    finally:
        if store is not None and wait.absence != before:
            since, misses = wait.absence
            try:
                store.set(LOOKS_KEY, mine | {"missing_since": since, "misses": misses})
            except Exception:
                log.warning("Could not keep what was seen of document %d", wait.document_id, exc_info=True)


def _kept_of(store: Any) -> dict[str, Any] | None:
    try:
        kept = None if store is None else store.get(LOOKS_KEY)
    except Exception:
        # The store is behind Airflow's API: a look is worth more than what is remembered.
        log.warning("Could not read what earlier looks have seen", exc_info=True)
        return None
    return kept if isinstance(kept, dict) else None
