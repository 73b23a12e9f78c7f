# SPDX-License-Identifier: Apache-2.0
"""Bound how long somebody waits until others have done with asking for a token."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext

from airflow_provider_clarus.http import limit

#: Seconds beyond a request's own time-out: whoever has waited as long as the one who asks shares the outcome.
GRACE = 1.0
#: Seconds after which a thread whose requests are cut off notices.
_STEP = 0.25


class ImpatientError(Exception):
    """The others have not done in time."""


class Patience:
    """Begins now, and ends after ``seconds``, or with what the thread's requests are limited to."""

    def __init__(self, seconds: float) -> None:
        #: Of the wall clock, which all processes share.
        self.began = time.time()
        self._start = time.monotonic()
        self._end = self._start + seconds + GRACE

    def wait(self, done: Callable[[float], bool]) -> None:
        """Wait for a lock, or for what another thread does.

        :param done: tries for so many seconds, and tells whether that is so now
        :raises ImpatientError: when it is not
        """
        bound = limit.current()
        with bound.aside() if bound else nullcontext():
            while not done(max(0.0, min(self._left, _STEP))):
                if self._left <= 0:
                    waited = time.monotonic() - self._start
                    raise ImpatientError(f"whoever asks for it has had no answer within {waited:.1f} s")

    @property
    def _left(self) -> float:
        bound = limit.current()
        left = self._end - time.monotonic()
        return min(left, bound.left) if bound else left
