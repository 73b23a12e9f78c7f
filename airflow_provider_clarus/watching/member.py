# SPDX-License-Identifier: Apache-2.0
"""Follow a stream for one watcher: what is news to it, what it keeps for a restart, and where. Pure."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_clarus.api.feed import Listed
from airflow_provider_clarus.watching.ledger import Ledger
from airflow_provider_clarus.watching.wanted import Wanted

log = logging.getLogger(__name__)

VERSION = 1


@dataclass(slots=True, eq=False)
class Member:
    """A watcher, from its first look on.

    :param interval: seconds between two looks
    :param since: documents that have finished since then are news at the first look, in seconds since the
        epoch; ``None``: those that finish from then on
    :param place: whose documents the account is of: server and tenant; empty before the first look
    """

    wanted: Wanted
    interval: float
    since: float | None = None
    place: str = ""
    ledger: Ledger | None = None
    _looks_back: bool = False
    _told: set[int] = field(default_factory=set)
    _kept: dict[str, Any] | None = None

    def start(self, place: str, high: int, unfinished: Iterable[int]) -> None:
        """Begin, at the first look.

        :param high: the highest number of any document there
        :param unfinished: those of them that have not finished
        """
        self.place, self.ledger = place, Ledger.starting(high, unfinished)
        self._looks_back = self.since is not None

    def take(self, documents: Iterable[Listed]) -> list[Listed]:
        """Return what is news on a page, and wanted."""
        if self.ledger is None:
            return []
        return [document for document in self.ledger.take(documents) if self.wanted.takes(document)]

    def take_earlier(self, documents: Iterable[Listed]) -> list[Listed]:
        """Return what has finished between ``since`` and the first look, and is wanted; each once."""
        if self.ledger is None or self.since is None:
            return []
        found = [
            document
            for document in documents
            if document.is_final
            and document.id <= self.ledger.low
            and document.id not in self.ledger.pending | self._told
            and (document.changed or document.made or 0.0) >= self.since
        ]
        self._told.update(document.id for document in found)
        return [document for document in found if self.wanted.takes(document)]

    def end_first_look(self) -> None:
        """Take note that all that finished before it has been told of."""
        self._looks_back = False
        self._told.clear()

    def as_dict(self) -> dict[str, Any] | None:
        """Return what is to be kept for a restart, in JSON values, bounded in size; ``None``: nothing yet."""
        if self.ledger is None or self._looks_back:
            return None if self.since is None else {"version": VERSION, "since": self.since}
        return {"version": VERSION, "place": self.place, **self.ledger.as_dict()}

    def to_keep(self) -> dict[str, Any] | None:
        """Return what is to be kept, ``None`` when that is kept already."""
        state = self.as_dict()
        return None if state == self._kept else state

    def kept(self, state: dict[str, Any]) -> None:
        """Take note of what was kept."""
        self._kept = state

    def resume(self, states: Iterable[Any]) -> None:
        """Go on from what was kept, if anything was; of several, from the one that knows least.

        What cannot be read is left alone, and said.
        """
        states = list(states)
        for state in states:
            try:
                self._resume(state)
            except ValueError as error:
                log.warning("What was kept of a watch cannot be read, and begins anew: %s", error)
        if states and all(state == self.as_dict() for state in states):
            self._kept = self.as_dict()

    def _resume(self, state: Any) -> None:
        if state is None:
            return
        if not isinstance(state, Mapping) or state.get("version") != VERSION:
            raise ValueError(f"{state!r:.200} is of another release")
        since = state.get("since")
        if "low" in state:
            ledger = Ledger.from_dict(state)
            if self.ledger is None or ledger.low < self.ledger.low:
                self.place, self.ledger = str(state.get("place", "")), ledger
        elif isinstance(since, int | float):
            self.since = since if self.since is None else min(since, self.since)

    def forget(self) -> None:
        """Begin anew: the account is of another tenant."""
        self.place, self.ledger = "", None


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of a stream.

    :param tenant: whose documents these are
    :param earlier: the watcher at whose first look they are read, when they are not for all
    """

    tenant: str
    documents: Sequence[Listed] = ()
    earlier: Member | None = None

    def news(self, member: Member) -> list[Listed]:
        """Return what a watcher is to be told of."""
        if self.earlier is None:
            return member.take(self.documents)
        return member.take_earlier(self.documents) if self.earlier is member else []
