# SPDX-License-Identifier: Apache-2.0
"""Bound how long somebody waits until others have done with asking for a token."""

from __future__ import annotations

import time
from collections.abc import Callable

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
        self._seconds = seconds
        self._end = time.monotonic() + seconds + GRACE

    def wait(self, acquired: Callable[[float], bool]) -> None:
        """Wait for a lock.

        :param acquired: tries for so many seconds, and tells whether it is held now
        :raises ImpatientError: when it is not
        """
        while not acquired(max(0.0, min(self._left, _STEP))):
            if self._left <= 0:
                raise ImpatientError(f"another has asked for {self._seconds:g} s, without an answer")

    @property
    def _left(self) -> float:
        bound = limit.current()
        left = self._end - time.monotonic()
        return min(left, bound.left) if bound else left
