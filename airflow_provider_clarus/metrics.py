# SPDX-License-Identifier: Apache-2.0
"""Count and time what is asked of Clarus, in Airflow's own metrics (StatsD, OpenTelemetry).

``docs/metrics.md`` has the table of all names. Each has the tag ``tenant``, and a timer ``outcome``, too:
``ok``, or the kind of the error that ended it.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
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


def timed(name: str, *, tenant: str, passed: float = 0.0) -> AbstractContextManager[None]:
    """Time what is done inside; what is cancelled is not over, and not timed.

    :param passed: seconds that had passed before
    """
    return _Timed(name, tenant, time.monotonic() - max(0.0, passed))


@dataclass(slots=True)
class _Timed(AbstractContextManager[None]):
    # No generator: thousands of waits are timed at a time, and one takes half a kilobyte.
    name: str
    tenant: str
    began: float

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None or isinstance(error, Exception):
            outcome = getattr(error, "kind", "error") if error else "ok"
            took = timedelta(seconds=time.monotonic() - self.began)
            _tell("timing", self.name, took, tags={"tenant": self.tenant, "outcome": outcome})


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
