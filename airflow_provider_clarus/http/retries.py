# SPDX-License-Identifier: Apache-2.0
"""When a call is tried again, and after how long: jittered and growing, or as the server asks."""

from __future__ import annotations

import logging
import random

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from airflow_provider_clarus.exceptions import ClarusTransientError

log = logging.getLogger(__name__)

#: Seconds: a server that asks for a longer pause than this has the task fail, to be retried by Airflow.
LONGEST_PAUSE = 60.0

_backoff = wait_exponential_jitter(initial=0.5, max=30, jitter=0.5)


def retrying(attempts: int, *, repeatable: bool) -> Retrying:
    """Return what calls a function again while it raises errors that may pass.

    :param attempts: tries, the first included
    :param repeatable: False: only where the server certainly did not act on the failed try
    """

    def may_repeat(error: BaseException) -> bool:
        return (
            isinstance(error, ClarusTransientError)
            and (repeatable or not error.may_have_acted)
            and (error.retry_after or 0) <= LONGEST_PAUSE
        )

    return Retrying(
        retry=retry_if_exception(may_repeat),
        wait=_pause,
        stop=stop_after_attempt(attempts),
        before_sleep=_log_pause,
        reraise=True,
    )


def _pause(state: RetryCallState) -> float:
    error = state.outcome and state.outcome.exception()
    asked = error.retry_after if isinstance(error, ClarusTransientError) else None
    return _backoff(state) if asked is None else asked + random.random()  # noqa: S311 - no secret


def _log_pause(state: RetryCallState) -> None:
    if state.outcome and state.next_action:
        log.warning("%s Trying again in %.1f s.", state.outcome.exception(), state.next_action.sleep)
