# SPDX-License-Identifier: Apache-2.0
"""Count and time what is asked of Clarus, in Airflow's own metrics (StatsD, OpenTelemetry).

``docs/metrics.md`` has the table of all names. Each has the tag ``tenant``, and a timer ``outcome``, too:
``ok``, or the kind of the error that ended it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

GENERATE, GENERATE_RETRIES = "clarus.generate", "clarus.generate.retries"
WAIT, WAIT_POLLS, WAIT_RETRIES = "clarus.wait", "clarus.wait.polls", "clarus.wait.retries"
WAITERS = "clarus.wait.waiters"
LAND, LAND_SIZE, LAND_RETRIES = "clarus.land", "clarus.land.size", "clarus.land.retries"


def count(name: str, number: int = 1, *, tenant: str) -> None:
    """Add to a counter."""
    if number:
        _tell("incr", name, number, tags={"tenant": tenant})


def gauge(name: str, value: float, *, tenant: str) -> None:
    """Set a gauge."""
    _tell("gauge", name, value, tags={"tenant": tenant})


@contextmanager
def timed(name: str, *, tenant: str) -> Iterator[None]:
    """Time what is done inside; what is cancelled is not over, and not timed."""
    began = time.monotonic()
    try:
        yield
    except Exception as error:
        took(name, time.monotonic() - began, error, tenant=tenant)
        raise
    took(name, time.monotonic() - began, tenant=tenant)


def took(name: str, seconds: float, error: BaseException | None = None, *, tenant: str) -> None:
    """Tell a timer how long something took, and how it ended."""
    outcome = getattr(error, "kind", "error") if error else "ok"
    _tell("timing", name, timedelta(seconds=seconds), tags={"tenant": tenant, "outcome": outcome})


def _tell(what: str, *arguments: Any, **options: Any) -> None:
    # No task fails for a metric: its server may have no address, or a tenant's name may be no tag.
    with suppress(Exception):
        getattr(_stats(), what)(*arguments, **options)


def _stats() -> Any:
    try:
        from airflow.providers.common.compat.sdk import Stats
    except ImportError:
        # An older common.compat does not offer it.
        from airflow.stats import Stats  # type: ignore[no-redef,unused-ignore,import-not-found]
    return Stats
