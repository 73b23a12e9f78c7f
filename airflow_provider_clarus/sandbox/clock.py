# SPDX-License-Identifier: Apache-2.0
"""Tell the sandbox's time: the real one, until a test moves it on."""

from __future__ import annotations

import time


class Clock:
    """The clock by which reports take their time, and tokens, URLs and faults end."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def time(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self._ahead

    def monotonic(self) -> float:
        """Return seconds that setting the machine's clock does not move."""
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass: reports get ready, tokens, presigned URLs and faults end."""
        self._ahead += seconds
