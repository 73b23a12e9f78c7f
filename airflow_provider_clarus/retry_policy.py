# SPDX-License-Identifier: Apache-2.0
"""Decide whether and when Airflow retries a task, by the error that it met: from Airflow 3.3 on.

Before that there are no such policies, and importing this module says so. The operators do without it: they
fail or are retried by the class of their error all the same, after the task's ``retry_delay``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.http.backoff import backoff

try:
    from airflow.sdk import RetryDecision, RetryPolicy
except ImportError as missing:
    raise ImportError(
        "ClarusRetryPolicy needs Airflow 3.3 or later. Leave retry_policy out on this one: a task's retries "
        "and retry_delay hold, and what is permanent is not retried."
    ) from missing

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: Seconds before the first retry where no task says, by its ``retry_delay``.
FIRST = 60.0
#: Seconds: whoever asks for more cannot mean it, and Airflow counts in dates, which have an end.
LONGEST_ASKED = 86400.0
#: Seconds before any retry where no task says, by its ``max_retry_delay``.
LONGEST = 3600.0


class ClarusRetryPolicy(RetryPolicy):  # type: ignore[misc, unused-ignore]
    """Retry what may pass: when Clarus asked to, or else after pauses that double; fail what cannot pass.

    Pauses begin with the task's ``retry_delay``, and none exceeds its ``max_retry_delay``, or an hour. How
    often a task is retried stays with its ``retries``. Of errors that are not this package's nothing is
    decided: Airflow then does as it does without a policy.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Return what follows from an error.

        :param exception: what the task raised
        :param try_number: of the try that failed, from 1
        :param max_tries: not used: Airflow counts
        :param context: the task's, which tells its ``retry_delay``
        """
        if not isinstance(exception, ClarusError):
            return RetryDecision.default()
        told = f"{type(exception).__name__}: {exception}"
        if not exception.may_pass:
            return RetryDecision.fail(f"No retry can help. {told}")
        if (seconds := exception.retry_after or 0.0) > 0:
            asked = timedelta(seconds=min(seconds, LONGEST_ASKED))
            return RetryDecision.retry(asked, f"Clarus asked for {asked.total_seconds():g} s. {told}")
        first, longest = _bounds(context)
        pause = timedelta(seconds=round(backoff(try_number, first=first, longest=longest), 1))
        return RetryDecision.retry(pause, f"It may pass: backing off. {told}")

    def serialize(self) -> dict[str, Any]:
        """Return what makes the policy anew: nothing, since it has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> ClarusRetryPolicy:
        """Return the policy."""
        return cls()


def _bounds(context: Context | None) -> tuple[float, float]:
    task: Any = context and context.get("task")
    return (
        _seconds(getattr(task, "retry_delay", None), FIRST),
        _seconds(getattr(task, "max_retry_delay", None), LONGEST),
    )


def _seconds(length: Any, otherwise: float) -> float:
    return length.total_seconds() if isinstance(length, timedelta) else length or otherwise
