# SPDX-License-Identifier: Apache-2.0
"""Tell how a transfer goes in the task log."""

from __future__ import annotations

from logging import Logger
from time import monotonic

EVERY = 5.0
"""Seconds between two lines, at least."""


class Progress:
    """Counts the bytes that arrived, and says so now and then."""

    def __init__(self, log: Logger) -> None:
        self.done = 0
        self._log = log
        self._started = self._said = monotonic()

    def add(self, count: int, size: int | None) -> None:
        """Count ``count`` more bytes of ``size``, which is None where the server did not say."""
        self.done += count
        now = monotonic()
        if now - self._said < EVERY:
            return
        self._said = now
        share = f" of {size / 1e6:.1f} MB ({self.done / size:.0%})" if size else ""
        self._log.info("Landed %.1f MB%s so far, %.1f MB/s", self.done / 1e6, share, self._rate(now))

    def summary(self) -> str:
        """``12.3 MB in 0.4 s (30.8 MB/s)``."""
        now = monotonic()
        return f"{self.done / 1e6:.1f} MB in {now - self._started:.1f} s ({self._rate(now):.1f} MB/s)"

    def _rate(self, now: float) -> float:
        return self.done / 1e6 / max(now - self._started, 1e-3)
