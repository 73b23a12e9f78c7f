# SPDX-License-Identifier: Apache-2.0
"""Whatever order documents finish in, and wherever a watcher is killed: none lost, repeats as declared."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_clarus.api.feed import Listed
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.watching import ledger as ledger_module
from airflow_provider_clarus.watching.ledger import GRACE, ROUNDS, Ledger
from airflow_provider_clarus.watching.member import Member
from airflow_provider_clarus.watching.wanted import Wanted

FIRST_LOOK = 0


@dataclass(frozen=True)
class Made:
    """A document of the model. Times are in seconds from the first look on.

    :param lag: seconds for which the replica does not show it, if it was made after the first look
    :param making: seconds until it has finished
    """

    made: int
    lag: int
    making: int
    outcome: DocumentStatus

    @property
    def shown(self) -> int:
        return self.made + (self.lag if self.made > FIRST_LOOK else 0)

    @property
    def finished(self) -> int:
        return max(self.shown, self.made + self.making)


@dataclass
class Clarus:
    """All documents there ever are, in the order of their numbers."""

    documents: Sequence[Made]
    chance: random.Random
    missed: set[int] = field(default_factory=set)

    def listed(self, number: int, now: float) -> Listed:
        document = self.documents[number - 1]
        is_final = document.finished <= now
        return Listed(number, document.outcome if is_final else DocumentStatus.PROCESSING)

    def shown(self, now: float) -> list[int]:
        return [number for number, one in enumerate(self.documents, 1) if one.shown <= now]

    def pages(self, numbers: Sequence[int], size: int, now: float) -> Iterator[list[Listed]]:
        """Return pages in any order; while they are read, each document may slip through once."""
        numbers = self.chance.sample(numbers, len(numbers))
        slipped = {number for number in numbers if number not in self.missed and self.chance.random() < 0.1}
        self.missed |= slipped
        kept = [number for number in numbers if number not in slipped]
        for start in range(0, len(kept), size):
            yield [self.listed(number, now) for number in kept[start : start + size]]


made = st.builds(
    Made,
    made=st.integers(-200, 400),
    lag=st.integers(0, int(GRACE) - 20),
    making=st.integers(0, 900),
    outcome=st.sampled_from([DocumentStatus.AVAILABLE, DocumentStatus.FAILED]),
)


@dataclass
class Watch:
    """A watcher that is killed now and then, and what Airflow's database has of it."""

    clarus: Clarus
    kills: set[int]
    size: int
    told: Counter[int] = field(default_factory=Counter)
    excused: set[int] = field(default_factory=set)
    kept: str | None = None
    pages: int = 0

    def __post_init__(self) -> None:
        self.member = self.fresh()

    def fresh(self) -> Member:
        member = Member(Wanted(failed=True), 10)
        member.resume([self.kept and json.loads(self.kept)])
        return member

    def round(self, now: float) -> bool:
        """Run a round as the stream does; return whether it was survived."""
        if self.member.ledger is None:
            shown = self.clarus.shown(now)
            unfinished = [one for one in shown if not self.clarus.listed(one, now).is_final]
            self.member.start("acme", max(shown, default=0), unfinished)
        ledger = self.member.ledger
        assert ledger
        shown = self.clarus.shown(now)
        for page in self.clarus.pages([one for one in shown if one > ledger.low], self.size, now):
            if not self.page(page):
                return False
        for page in self.clarus.pages(sorted(ledger.pending), self.size, now):
            if not self.page(page):
                return False
        assert ledger.end_round(now) == []
        self.save()
        return True

    def page(self, page: list[Listed]) -> bool:
        news = self.member.take(page)
        self.pages += 1
        if self.pages in self.kills and self.pages % 2:
            return False  # Killed before any event was in the database.
        self.told.update(one.id for one in news)
        if self.pages in self.kills:
            self.excused |= {one.id for one in news}
            return False  # Killed between the events and what is kept.
        self.save()
        return True

    def save(self) -> None:
        if state := self.member.to_keep():
            self.kept = json.dumps(state)
            self.member.kept(state)


@given(
    st.lists(made, max_size=40),
    st.integers(1, 7),
    st.integers(1, 400),
    st.sets(st.integers(1, 60), max_size=8),
    st.integers(0, 2**32),
)
def test_none_is_lost_and_what_comes_twice_was_killed_over(
    documents: list[Made], size: int, interval: int, kills: set[int], seed: int
) -> None:
    clarus = Clarus(sorted(documents, key=lambda one: one.made), random.Random(seed))
    watch = Watch(clarus, kills, size)
    now = FIRST_LOOK
    while not watch.round(now):
        watch.member = watch.fresh()  # Until something is kept, the first look is yet to come.
    quiet_since = 400 + GRACE + 900  # Nothing finishes any more, and nobody is killed.
    while now < quiet_since + (ROUNDS + 3) * interval + GRACE:
        now += interval
        if not watch.round(now):
            watch.member = watch.fresh()
            quiet_since = max(quiet_since, now)
    expected = {
        number
        for number, one in enumerate(clarus.documents, 1)
        if one.finished > FIRST_LOOK or one.shown > FIRST_LOOK
    }
    assert set(watch.told) == expected
    assert {number for number, times in watch.told.items() if times > 1} <= watch.excused
    ledger = watch.member.ledger
    assert ledger
    assert not ledger.pending | ledger.done
    assert len(ledger._rounds) <= GRACE / interval + ROUNDS + 2


def available(*numbers: int) -> list[Listed]:
    return [Listed(number, DocumentStatus.AVAILABLE) for number in numbers]


def processing(*numbers: int) -> list[Listed]:
    return [Listed(number, DocumentStatus.PROCESSING) for number in numbers]


def rounds(ledger: Ledger, *pages: list[Listed], start: float = 0.0, count: int = ROUNDS + 2) -> float:
    """Run so many rounds that what they show can be settled; return when the last one was."""
    for number in range(count):
        for page in pages:
            ledger.take(page)
        ledger.end_round(start + number * GRACE)
    return start + (count - 1) * GRACE


def test_a_document_that_shows_up_late_is_news() -> None:
    ledger = Ledger.starting(10, [])
    assert len(ledger.take(available(12, 14))) == 2
    ledger.end_round(0)
    assert ledger.take(available(11, 12, 14)) == available(11)


def test_however_many_rounds_there_were_what_shows_up_within_the_grace_is_news() -> None:
    ledger = Ledger.starting(10, [])
    for number in range(20):
        ledger.take(available(12))
        ledger.end_round(number * GRACE / 20)
    assert ledger.take(available(11, 12)) == available(11)


def test_however_old_a_number_is_two_rounds_more_are_read_before_it_is_settled() -> None:
    ledger = Ledger.starting(10, [])
    ledger.take(available(12))
    lows = []
    for number in range(4):
        ledger.end_round(number * 10 * GRACE)
        lows.append(ledger.low)
    assert lows == [10, 10, 12, 12]


def test_a_number_is_settled_once_its_round_is_as_old_as_the_grace() -> None:
    ledger = Ledger.starting(10, [])
    ledger.take(available(12))
    lows = []
    for now in (0, GRACE / 2, GRACE):
        ledger.end_round(now)
        lows.append(ledger.low)
    assert lows == [10, 10, 12]


def test_one_that_finishes_last_is_asked_for_by_its_number() -> None:
    ledger = Ledger.starting(10, [3])
    rounds(ledger, processing(3, 11), available(12, 13))
    assert (ledger.low, ledger.pending, ledger.done) == (13, {3, 11}, set())
    assert ledger.take(available(3, 11, 12)) == available(3, 11)
    assert ledger.take(available(3, 11, 12)) == []


def test_the_highest_of_those_settled_may_be_the_one_that_is_not() -> None:
    ledger = Ledger.starting(10, [10])
    assert ledger.take(available(10)) == available(10)
    assert not ledger.pending


def test_one_that_is_gone_is_given_up_and_one_that_is_back_is_not() -> None:
    ledger = Ledger.starting(10, [3, 4])
    gone = []
    for number in range(6):
        ledger.take(processing(4) if number == 2 else [])
        gone += ledger.end_round(number * GRACE)
        if number == 2:
            assert gone == [3]
    assert gone == [3, 4]


def test_an_outage_gives_up_nothing() -> None:
    ledger = Ledger.starting(10, [3])
    ledger.end_round(0)
    assert ledger.end_round(100 * GRACE) == []
    assert ledger.take(available(3)) == available(3)


def test_while_too_many_are_unfinished_nothing_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "MOST_PENDING", 3)
    ledger = Ledger.starting(10, [])
    now = rounds(ledger, processing(*range(11, 21)))
    assert (ledger.low, ledger.pending) == (13, {11, 12, 13})
    assert ledger.take(available(*range(11, 21))) == available(*range(11, 21))
    rounds(ledger, available(*range(14, 21)), start=now + GRACE)
    assert (ledger.low, ledger.pending, ledger.done) == (20, set(), set())


def test_what_is_kept_of_ten_thousand_is_less_than_airflow_wants_it_to_be() -> None:
    ledger = Ledger.starting(10_000_000, [])
    ledger.take(available(*range(10_000_001, 10_100_001, 7)))
    ledger.take(available(*range(10_100_001, 10_400_001, 3)))
    kept = json.dumps(ledger.as_dict())
    assert len(kept) < 65_535
    assert len(Ledger.from_dict(json.loads(kept)).done) == 10_000


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"low": 1, "pending": [], "done": None},
        {"low": "1", "pending": [], "done": []},
        {"low": -1, "pending": [], "done": []},
        {"low": True, "pending": [], "done": []},
        {"low": 1, "pending": ["2"], "done": []},
        {"low": 1, "pending": {"2": 3}, "done": []},
    ],
)
def test_what_is_no_account_is_refused(kept: Any) -> None:
    with pytest.raises(ValueError, match="no "):
        Ledger.from_dict(kept)
