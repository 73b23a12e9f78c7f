# SPDX-License-Identifier: Apache-2.0
"""Bound all requests of a thread by the time that is left to whoever waits for them, or cut them off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        self._aside = 0.0
        self._aside_since: float | None = None

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

    @property
    def spent_aside(self) -> float:
        """Seconds that were spent :meth:`aside`, until now."""
        with self._lock:
            since = self._aside_since
            return self._aside + (0.0 if since is None else time.monotonic() - since)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take note of the time inside as one in which nothing is asked: others are asking, for all."""
        with self._lock:
            since = self._aside_since = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._aside += time.monotonic() - since
                self._aside_since = None

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
