# SPDX-License-Identifier: Apache-2.0
"""Learn how a server lets itself be asked for documents: pure, with times passed in."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

#: Documents per request at most (API page "GraphQL": ``first`` is capped at 100).
PAGE_SIZE = 100
#: Seconds after which a filter for ids that was refused is tried again.
PROBE_AFTER = 180.0
#: Seconds after which a page twice as large as the last that was accepted is tried again.
GROW_AFTER = 600.0
#: Seconds between two times that a refusal is looked into: it takes some requests more.
LEARN_AFTER = 30.0


@dataclass(slots=True)
class Way:
    """What has been learnt. Times are in seconds of one clock."""

    has_id_filter: bool = True
    #: Held by whoever looks into a refusal; the others wait for what it finds.
    learning: threading.Lock = field(default_factory=threading.Lock)
    _size: int = PAGE_SIZE
    _probe_at: float = math.inf
    _grow_at: float = math.inf
    _learn_at: float = -math.inf

    def may_learn(self, now: float) -> bool:
        """Tell whether it is time to look into a refusal, and take it that this is done now."""
        is_time = now >= self._learn_at
        if is_time:
            self._learn_at = now + LEARN_AFTER
        return is_time

    def without_ids(self, now: float) -> None:
        """Learn that there is no filter for ids; that is believed for a while."""
        self.has_id_filter, self._probe_at = False, now + PROBE_AFTER

    def with_ids(self) -> None:
        """Learn that there is one."""
        self.has_id_filter, self._probe_at = True, math.inf

    def is_to_be_probed(self, now: float) -> bool:
        """Tell whether the filter for ids is to be tried again."""
        return now >= self._probe_at

    def size(self, now: float) -> int:
        """Return how many documents one request asks for."""
        return min(PAGE_SIZE, 2 * self._size) if now >= self._grow_at else self._size

    def accepted(self, size: int, now: float) -> None:
        """Learn that a page of this size is answered."""
        if size > self._size:
            self._size = size
            self._grow_at = now + GROW_AFTER if size < PAGE_SIZE else math.inf

    def shrink(self, size: int, now: float) -> None:
        """Learn that no larger page is answered."""
        self._size, self._grow_at = size, now + GROW_AFTER
