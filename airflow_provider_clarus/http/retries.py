# SPDX-License-Identifier: Apache-2.0
"""Retry a call after a jittered, growing backoff, or as the server's ``Retry-After`` asks."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from airflow_provider_clarus.exceptions import ClarusError, ClarusTransientError
from airflow_provider_clarus.http import limit
from airflow_provider_clarus.http.backoff import backoff
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.policy.patience import Trouble

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Seconds between two tries of a read that was refused, until that is final.
REFUSED_PAUSE = 15.0

#: Seconds: a server that asks for a longer pause than this has the task fail, to be retried by Airflow.
LONGEST_PAUSE = 60.0


def retrying(attempts: int, *, repeatable: bool) -> Retrying:
    """Return what calls a function again while it raises errors that may pass.

    It gives up when the pause would outlast what the thread's requests are limited to.

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
        before_sleep=_begin_pause,
        reraise=True,
    )


def patiently(ask: Callable[[], T], call: Call) -> T:
    """Return what a read brings, asking again while it is refused and that is not final yet.

    A document that has just become available may be refused by another part of Clarus for a moment.

    :param ask: the read, which repeats by itself what may pass
    :param call: what is asked for, as the policy knows it
    :raises ClarusError: what is final, and says how often and for how long it was met; or what may pass, but
        did not in all tries of ``ask``
    """
    trouble = Trouble(call)
    pause = 1.0
    while True:
        try:
            return ask()
        except ClarusTransientError:
            raise
        except ClarusError as error:
            if trouble.failed(error, time.monotonic()).is_final:
                raise trouble.final() from error
            log.warning("%s Asking again in %.0f s: it may pass.", error, pause)
        time.sleep(pause)
        pause = min(2 * pause, REFUSED_PAUSE)


def _pause(state: RetryCallState) -> float:
    error = state.outcome and state.outcome.exception()
    asked = error.retry_after if isinstance(error, ClarusTransientError) else None
    return backoff(state.attempt_number) if asked is None else asked + random.random()  # noqa: S311 - no secret


def _begin_pause(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    seconds, bound = state.next_action.sleep if state.next_action else 0.0, limit.current()
    if error and bound and bound.left <= seconds:
        raise error
    log.warning("%s Trying again in %.1f s.", error, seconds)
