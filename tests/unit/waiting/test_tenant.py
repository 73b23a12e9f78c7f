# SPDX-License-Identifier: Apache-2.0
"""What becomes of a tenant's documents after failures: whom it rests for, and whom it asks about alone."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusError,
    ClarusNotFoundError,
    ClarusRejectedError,
    ClarusTimeoutError,
    ClarusTransientError,
)
from airflow_provider_clarus.http.backoff import LONGEST_ASKED
from airflow_provider_clarus.waiting import _waiter
from airflow_provider_clarus.waiting._queue import PARTS, Wanted
from airflow_provider_clarus.waiting._tenant import (
    FIRST_REST,
    LONGEST_REST,
    MOST_BREAKS,
    SUSPECTED_REQUESTS,
    SUSPECTED_SECONDS,
    Tenant,
)
from airflow_provider_clarus.waiting._waiter import LATE_LOOK, LONGEST_PAUSE, Waiter
from tests.unit.waiting.waiters import in_a_loop, waiter

AWAY = ClarusTransientError("Could not read: Clarus answered 503.", status=503, may_have_acted=True)
BROKEN = ClarusTransientError("Could not read: Clarus answered 500.", status=500, may_have_acted=True)
LIMITED = ClarusTransientError("429", status=429, may_have_acted=False)
INVALID = ClarusRejectedError("No such field.", status=200)
#: In seconds of a clock that the event loop's own is far behind: no timer rings.
START = 1e9


class Poller:
    """Asks for a tenant, with a clock of its own."""

    def __init__(self, *due: float, last_look: float = math.inf) -> None:
        self.now = START
        self.woken = 0
        self.said: list[str] = []
        self.tenant = Tenant("acme", wake=self._wake, tell=self._tell, clock=lambda: self.now)
        self.waiters = [self.wait(number, at, last_look) for number, at in enumerate(due, 1)]

    def _wake(self) -> None:
        self.woken += 1

    def _tell(self, waiters: list[Waiter], line: str) -> None:
        self.said += [line] * len(waiters)

    def wait(self, document_id: int, due: float = 0.0, last_look: float = math.inf) -> Waiter:
        one = waiter(document_id, due, last_look=last_look)
        self.tenant.add(one)
        return one

    def ask(self, *, suspects: bool = True) -> tuple[list[Wanted], bool]:
        """Begin the next request; nothing is asked before its time."""
        assert self.tenant.ready_at() <= self.now
        taken = self.tenant.next_request(self.now, 100, suspects=suspects)
        assert taken is not None
        return list(taken[0]), taken[1]

    def fail(self, error: ClarusError = AWAY) -> float:
        """Have the next request fail; return for how long nobody is asked after that."""
        batch, _ = self.ask()
        self.tenant.failed(batch, error, self.now)
        return self.tenant.ready_at() - self.now

    def answer(self) -> None:
        """Have the next request answered: all are in the making."""
        batch, _ = self.ask()
        self.settle(batch)

    def settle(self, batch: list[Wanted]) -> None:
        found = {wanted.id: Document(wanted.id, DocumentStatus.PROCESSING) for wanted in batch}
        self.tenant.answered(batch, found, self.now)

    def sleep(self) -> None:
        """Wait until there is something to ask."""
        self.now = max(self.now, self.tenant.ready_at())


def outcome(one: Waiter) -> Any:
    return one.future.exception() if one.future.done() else None


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what is waited for so that others fall into step."""
    monkeypatch.setattr(_waiter, "COALESCE", 0.0)


@in_a_loop
async def test_rests_grow_with_failures_in_a_row_up_to_the_longest() -> None:
    poller, rests = Poller(0.0, 0.0), []
    for _ in range(10):
        rests.append(poller.fail())
        poller.sleep()
    assert 0.8 * FIRST_REST <= rests[0] <= FIRST_REST
    assert all(earlier < later for earlier, later in pairwise(rests[:5]))
    assert all(0.8 * LONGEST_REST <= rest <= LONGEST_REST for rest in rests[6:])


@in_a_loop
async def test_an_answer_lets_them_begin_anew() -> None:
    poller = Poller(0.0)
    for _ in range(6):
        poller.fail()
        poller.sleep()
    poller.answer()
    assert any("answers again" in line for line in poller.said)
    poller.sleep()
    assert poller.fail() <= FIRST_REST


@in_a_loop
async def test_several_that_fail_at_once_are_one_failure() -> None:
    poller = Poller(*[0.0] * 300)
    batches = [poller.ask()[0] for _ in range(3)]
    started = poller.now
    poller.now += 1
    for batch in batches:
        poller.tenant.failed(batch, AWAY, started)
    assert poller.tenant.ready_at() - poller.now <= FIRST_REST
    assert len({line for line in poller.said if "tried again" in line}) == 1


@in_a_loop
async def test_a_server_that_says_for_how_long_is_left_alone_even_at_a_deadline() -> None:
    poller = Poller(0.0, last_look=START + 5)
    assert poller.fail(ClarusTransientError("429", status=429, retry_after=30.0)) >= 30
    poller.now = START + 5
    poller.tenant.queue.hurry(poller.tenant.queue.wanted[1])
    assert poller.tenant.ready_at() == START + 30


@in_a_loop
@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_says_an_hour_is_asked_within_two_minutes_and_at_a_deadline(status: int) -> None:
    """A proxy's maintenance page says so of a server that is well a second later."""
    hour = ClarusTransientError(f"{status}: Maintenance.", status=status, retry_after=3600.0)
    poller = Poller(0.0, last_look=START + 90)
    assert LONGEST_ASKED <= poller.fail(hour) <= 90
    poller.now = START + 90
    poller.tenant.queue.hurry(poller.tenant.queue.wanted[1])
    assert poller.tenant.ready_at() <= poller.now


@in_a_loop
async def test_a_rest_yields_to_a_deadline() -> None:
    poller = Poller(0.0, last_look=START + 1)
    poller.fail()
    assert poller.tenant.ready_at() > START + 1
    poller.tenant.queue.hurry(poller.tenant.queue.wanted[1])
    assert poller.tenant.ready_at() <= START


@in_a_loop
@pytest.mark.parametrize("error", [BROKEN, INVALID])
async def test_whether_a_batch_is_at_fault_is_found_out_first(error: ClarusError) -> None:
    poller = Poller(*[0.0] * 16)
    poller.fail(error)
    # Nothing was answered since it was asked: it may as well be an outage.
    assert poller.ask() == ([], True)
    assert poller.tenant.ready_at() == math.inf
    poller.tenant.probed(None, poller.now)
    batch, suspect = poller.ask()
    assert suspect
    assert len(batch) == 16 // PARTS


@in_a_loop
@pytest.mark.parametrize("error", [BROKEN, INVALID])
async def test_in_an_outage_no_batch_is_at_fault(error: ClarusError) -> None:
    poller = Poller(*[0.0] * 16)
    poller.fail(error)
    poller.ask()
    poller.tenant.probed(AWAY, poller.now)
    assert poller.tenant.ready_at() >= poller.now + 0.8 * FIRST_REST
    poller.sleep()
    batch, suspect = poller.ask()
    assert not suspect
    assert len(batch) == 16


@in_a_loop
async def test_a_server_that_answered_others_meanwhile_need_not_be_asked_that() -> None:
    poller = Poller(*[0.0] * 116)
    first, second = poller.ask()[0], poller.ask()[0]
    started = poller.now
    poller.now += 1
    poller.settle(first)
    poller.tenant.failed(second, BROKEN, started)
    batch, suspect = poller.ask()
    assert suspect
    assert len(batch) == len(second) // PARTS


@in_a_loop
async def test_what_says_not_now_is_no_batchs_fault() -> None:
    for error in (AWAY, LIMITED, ClarusAuthError("401", status=401)):
        poller = Poller(*[0.0] * 16)
        poller.fail(error)
        poller.sleep()
        batch, suspect = poller.ask()
        assert (len(batch), suspect) == (16, False)


def alone(poller: Poller) -> Wanted:
    """Let a tenant's only document have spoilt its batch."""
    batch, _ = poller.ask()
    poller.tenant.queue.suspect(batch[0], 1)
    poller.tenant.given_up(batch)
    return batch[0]


def fails_alone(poller: Poller, wanted: Wanted, error: ClarusError) -> float:
    poller.now = max(poller.now, wanted.due)
    batch, suspect = poller.ask()
    assert (batch, suspect) == ([wanted], True)
    # Others are answered meanwhile.
    poller.tenant._answered_at = poller.now
    poller.tenant.failed(batch, error, poller.now)
    return wanted.due - poller.now


@in_a_loop
async def test_one_that_fails_alone_rests_longer_each_time_until_it_is_answered_for() -> None:
    poller = Poller(0.0)
    wanted = alone(poller)
    rests = [fails_alone(poller, wanted, BROKEN) for _ in range(8)]
    assert 0.8 * FIRST_REST <= rests[0] <= FIRST_REST
    assert all(earlier < later for earlier, later in pairwise(rests[:5]))
    assert 0.8 * LONGEST_REST <= rests[-1] <= LONGEST_REST
    poller.now = wanted.due
    poller.answer()
    poller.sleep()
    batch, suspect = poller.ask()
    assert (batch, suspect) == ([wanted], False)
    assert outcome(poller.waiters[0]) is None


@in_a_loop
async def test_this_codes_own_error_at_one_document_ends_its_wait_when_it_stays() -> None:
    poller = Poller(0.0)
    wanted = alone(poller)
    broken = ClarusTransientError("Could not read: ZeroDivisionError().", may_have_acted=True)
    broken.__cause__ = ZeroDivisionError()
    for _ in range(MOST_BREAKS - 1):
        fails_alone(poller, wanted, broken)
        assert outcome(poller.waiters[0]) is None
    fails_alone(poller, wanted, broken)
    assert "ZeroDivisionError" in str(outcome(poller.waiters[0]))


@in_a_loop
async def test_a_refusal_that_stays_ends_all_waits_and_one_that_passes_none() -> None:
    poller = Poller(0.0, 0.0)
    refused = ClarusAuthError("401: Signed out.", status=401)
    for _ in range(2):
        poller.fail(refused)
        poller.sleep()
    poller.now += 3600
    poller.answer()
    for _ in range(2):
        poller.sleep()
        poller.fail(refused)
    assert [outcome(one) for one in poller.waiters] == [None, None]
    poller.sleep()
    poller.now += 3600
    poller.fail(refused)
    first, second = map(outcome, poller.waiters)
    assert isinstance(first, ClarusAuthError)
    assert isinstance(second, ClarusAuthError)
    assert first is not second


@in_a_loop
async def test_whose_last_look_fails_has_no_other() -> None:
    poller = Poller(0.0, last_look=START)
    patient = poller.wait(1)
    poller.fail()
    assert isinstance(outcome(poller.waiters[0]), ClarusTimeoutError)
    assert "503" in str(outcome(poller.waiters[0]))
    assert not patient.is_over


@in_a_loop
async def test_a_request_that_began_before_a_deadline_is_no_last_look() -> None:
    poller = Poller(0.0, last_look=START + 5)
    batch, _ = poller.ask()
    poller.now = START + 6
    poller.tenant.failed(batch, AWAY, START)
    assert not poller.waiters[0].is_over
    poller.fail()
    assert isinstance(outcome(poller.waiters[0]), ClarusTimeoutError)


def come_late(one: Waiter) -> None:
    """Let a wait be as one that a triggerer has taken up after its deadline."""
    one.last_look = one.due = START
    one.over_at = START + LATE_LOOK


@in_a_loop
@pytest.mark.parametrize("error", [AWAY, BROKEN])
async def test_one_that_came_late_is_asked_about_again_after_each_rest(error: ClarusError) -> None:
    poller = Poller(0.0)
    (late,) = poller.waiters
    come_late(late)
    rests = []
    while poller.now < START + 30:
        batch, _ = poller.ask()
        poller.tenant._answered_at = poller.now if error is BROKEN else -math.inf
        poller.tenant.failed(batch, error, poller.now)
        rests.append(poller.tenant.ready_at() - poller.now)
        poller.sleep()
    assert 0.8 * FIRST_REST <= rests[0] <= FIRST_REST
    assert rests == sorted(rests)
    assert not late.is_over
    poller.tenant._over(late)
    assert isinstance(outcome(late), ClarusTransientError)
    assert str(error) in str(outcome(late))
    assert "a triggerer took its wait up late" in str(outcome(late))


@in_a_loop
async def test_looks_that_fail_begin_the_count_of_those_that_miss_a_document_anew() -> None:
    poller = Poller(0.0)
    for answer in (None, None, AWAY, None, None, None):
        poller.now += 100
        poller.sleep()
        batch, _ = poller.ask()
        if answer:
            poller.tenant.failed(batch, answer, poller.now)
        else:
            assert outcome(poller.waiters[0]) is None
            poller.tenant.answered(batch, {}, poller.now)
    assert isinstance(outcome(poller.waiters[0]), ClarusNotFoundError)
    assert "has not been for 200 s" in str(outcome(poller.waiters[0]))


@in_a_loop
async def test_suspects_spend_so_many_requests_and_leave_the_others_theirs() -> None:
    poller = Poller(*[0.0] * (SUSPECTED_REQUESTS + 10))
    batch, _ = poller.ask()
    for wanted in batch:
        poller.tenant.queue.suspect(wanted, 1)
    poller.tenant.given_up(batch)
    for _ in range(SUSPECTED_REQUESTS):
        assert poller.ask()[1]
    assert poller.tenant.next_request(poller.now, 100, suspects=True) is None
    assert poller.tenant.ready_at() == START + SUSPECTED_SECONDS
    poller.wait(1000)
    assert poller.ask()[1] is False
    poller.now = START + SUSPECTED_SECONDS
    assert poller.ask()[1]


@in_a_loop
async def test_whoever_has_waited_longest_has_the_next_turn_be_it_a_suspect_or_not() -> None:
    poller = Poller(START + 5, START + 1, START + 9)
    suspect, *_ = poller.tenant.queue.wanted.values()
    poller.tenant.queue.suspect(suspect, 1)
    poller.now = START + 6
    asked = []
    for _ in range(2):
        batch, suspected = poller.ask()
        asked.append(([wanted.id for wanted in batch], suspected))
    assert asked == [([2, 3], False), ([1], True)]


@in_a_loop
async def test_pauses_between_looks_are_jittered_by_a_tenth() -> None:
    poller, pauses = Poller(0.0), []
    for _ in range(20):
        poller.answer()
        pauses.append(poller.waiters[0].due - poller.now)
        poller.now = poller.waiters[0].due
    assert all(0.9 * LONGEST_PAUSE <= pause <= 1.1 * LONGEST_PAUSE for pause in pauses)
    assert len(set(pauses)) == len(pauses)


@in_a_loop
async def test_suspects_have_their_turn_only_where_there_is_room_for_them() -> None:
    poller = Poller(0.0)
    alone(poller)
    assert poller.tenant.next_request(poller.now, 100, suspects=False) is None
    assert poller.ask()[1]


@in_a_loop
async def test_who_joins_during_an_outage_is_told_of_it() -> None:
    poller = Poller(0.0)
    poller.fail()
    poller.said.clear()
    poller.wait(2)
    (line,) = poller.said
    assert "503" in line
    assert "the wait goes on until its deadline" in line
