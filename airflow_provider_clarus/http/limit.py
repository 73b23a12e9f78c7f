# SPDX-License-Identifier: Apache-2.0
"""Bound all requests of a thread by the time that is left to whoever waits for them, or cut them off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

_of_thread = threading.local()


class Limit:
    """Bounds the requests of the thread that enters it; any other thread may cut them off before.

    :param seconds: from now on, for all of them together
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._is_cut = False
        self._stop: Callable[[], None] | None = None
        self._around: Limit | None = None

    def __enter__(self) -> Limit:
        self._around = current()
        _of_thread.limit = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _of_thread.limit = self._around

    @property
    def left(self) -> float:
        """Seconds, none once it was cut."""
        return 0.0 if self._is_cut else max(0.0, self._end - time.monotonic())

    def cut(self) -> None:
        """End the request under way, if any, and refuse those that would follow."""
        with self._lock:
            self._is_cut = True
            stop = self._stop
        if stop:
            stop()

    def guard(self, stop: Callable[[], None] | None) -> None:
        """Have ``stop`` called when it is cut; at once, when it was cut already."""
        with self._lock:
            self._stop = stop
            is_late = self._is_cut
        if stop and is_late:
            stop()


def current() -> Limit | None:
    """Return the limit of this thread."""
    return getattr(_of_thread, "limit", None)
