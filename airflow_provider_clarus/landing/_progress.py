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
        # Of the last bytes is told when the file is where it belongs.
        if now - self._said < EVERY or self.done == size:
            return
        self._said = now
        share = f" of {amount(size)} ({self.done / size:.0%})" if size else ""
        self._log.info("Received %s%s so far, %s/s", amount(self.done), share, amount(self._rate(now)))

    def summary(self) -> str:
        """``12.3 MB in 0.4 s (30.8 MB/s)``."""
        now = monotonic()
        return f"{amount(self.done)} in {now - self._started:.1f} s ({amount(self._rate(now))}/s)"

    def _rate(self, now: float) -> float:
        return self.done / max(now - self._started, 1e-3)


def amount(count: float) -> str:
    """Return so many bytes as a person reads them: ``12 B``, ``12.3 kB``, ``12.3 MB``."""
    if count < 1e3:
        return f"{count:.0f} B"
    return f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"
