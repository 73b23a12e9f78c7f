# SPDX-License-Identifier: Apache-2.0
"""Account for a tenant's documents: which are settled, which may still finish. Pure, with times passed in.

Clarus numbers documents upwards (*inferred*, as of any table), but they finish in any order, and show up in
any order: a transaction that began first may end last, and reads come from a replica. So no highest number
tells what is settled. Instead:

* ``low`` is a number up to which no document is expected any more that nobody has seen;
* ``pending`` are those up to ``low`` that were seen unfinished: they are asked for by their numbers;
* ``done`` are those above ``low`` that are settled: each round reads all above ``low`` again.

``low`` rises to the highest number that a round has shown, once that round is :data:`GRACE` seconds old and
:data:`ROUNDS` more were complete since: so long, all that shows up below it is still found.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_clarus.api.feed import Listed
from airflow_provider_clarus.policy.patience import MISSING_GRACE

#: Seconds for which a document may show up after others with higher numbers.
GRACE = MISSING_GRACE
#: Complete rounds that read above a number again before it may be settled: pages shift while they are read.
ROUNDS = 2
#: Unfinished documents that are asked for one by one; while there are more, ``low`` does not rise.
MOST_PENDING = 5000
#: Settled documents that are kept for a restart; of more, the rest would be told of again after it.
MOST_KEPT = 10_000


@dataclass(slots=True)
class Ledger:
    """The account of one watcher."""

    low: int
    pending: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    _open: set[int] = field(default_factory=set)
    _high: int = 0
    _rounds: deque[tuple[float, int]] = field(default_factory=deque)
    _shown: set[int] = field(default_factory=set)
    _missing: dict[int, tuple[float, int]] = field(default_factory=dict)

    @classmethod
    def starting(cls, high: int, unfinished: Iterable[int]) -> Ledger:
        """Return an account in which all documents up to ``high`` are settled, but for those unfinished.

        :param unfinished: of too many, the newest are kept
        """
        known = sorted(document_id for document_id in unfinished if document_id <= high)
        return cls(low=high, pending=set(known[-MOST_PENDING:]))

    def take(self, documents: Iterable[Listed]) -> list[Listed]:
        """Take what a page shows, and return what has finished since, well or not; each once."""
        return [document for document in documents if self._is_news(document)]

    def _is_news(self, document: Listed) -> bool:
        number = document.id
        if number <= self.low:
            if number not in self.pending:
                return False
            self._shown.add(number)
            if document.is_final:
                self._settle(number)
            return document.is_final
        self._high = max(self._high, number)
        if number in self.done:
            return False
        if document.is_final:
            self.done.add(number)
            self._open.discard(number)
        else:
            self._open.add(number)
        return document.is_final

    def end_round(self, now: float) -> list[int]:
        """Take note that all above ``low``, and all pending, were asked for; return those that are gone.

        :param now: seconds of any clock, always the same
        """
        gone = self._gone(now)
        self._rounds.append((now, max(self._high, self.low)))
        settled = len(self._rounds) - 1 - ROUNDS
        while settled >= 1 and self._rounds[1][0] <= now - GRACE:
            self._rounds.popleft()
            settled -= 1
        if settled >= 0 and self._rounds[0][0] <= now - GRACE:
            self._rise(self._rounds[0][1])
        return gone

    def _rise(self, target: int) -> None:
        unfinished = sorted(number for number in self._open if number <= target)
        room = max(0, MOST_PENDING - len(self.pending))
        if len(unfinished) > room:
            target, unfinished = unfinished[room] - 1, unfinished[:room]
        if target <= self.low:
            return
        self.low = target
        self.pending.update(unfinished)
        self._open.difference_update(unfinished)
        self.done = {number for number in self.done if number > target}

    def _gone(self, now: float) -> list[int]:
        """Give up what Clarus has not shown for long: it was deleted."""
        missing, self._missing = self._missing, {}
        gone = []
        for number in self.pending - self._shown:
            since, looks = missing.get(number, (now, 0))
            if now - since >= GRACE and looks >= ROUNDS:
                gone.append(number)
            else:
                self._missing[number] = (since, looks + 1)
        self._shown.clear()
        self.pending.difference_update(gone)
        return sorted(gone)

    def _settle(self, number: int) -> None:
        self.pending.discard(number)
        self._shown.discard(number)
        self._missing.pop(number, None)

    def as_dict(self) -> dict[str, Any]:
        """Return what is kept for a restart: plain JSON values, of bounded size."""
        return {
            "low": self.low,
            "pending": _steps(sorted(self.pending)),
            "done": _steps(sorted(self.done)[-MOST_KEPT:]),
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Ledger:
        """Return the account that :meth:`as_dict` returned.

        :raises ValueError: when it is none
        """
        try:
            low, pending, done = kept["low"], _numbers(kept["pending"]), _numbers(kept["done"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"no account of documents: {error!r}") from None
        if type(low) is not int or low < 0:
            raise ValueError(f"no document's number: {low!r}")
        return cls(
            low=low,
            pending={number for number in pending if number <= low},
            done={number for number in done if number > low},
        )


def _steps(numbers: list[int]) -> list[int]:
    """Return each number as what it is higher than the one before: short, as most follow each other."""
    return [number - before for before, number in itertools.pairwise([0, *numbers])]


def _numbers(steps: Any) -> list[int]:
    if not isinstance(steps, list) or any(type(step) is not int for step in steps):
        raise TypeError(f"{steps!r} are no numbers")
    return list(itertools.accumulate(steps))
