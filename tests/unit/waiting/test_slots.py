# SPDX-License-Identifier: Apache-2.0
"""How many requests are under way at a time, and whose patience ends."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.http.limit import Limit
from airflow_provider_clarus.waiting import _slots
from airflow_provider_clarus.waiting._slots import (
    LEAST_PATIENCE,
    MOST_PATIENCE,
    REQUESTS_AT_ONCE,
    Request,
    Slots,
    requests_at_once,
)
from airflow_provider_clarus.waiting._tenant import Tenant


def tenant(name: str) -> Tenant:
    return Tenant(name, wake=lambda: None, tell=lambda waiters, line: None, clock=lambda: 0.0)


@pytest.fixture
def tenants() -> list[Tenant]:
    return [tenant(name) for name in ("acme", "globex", "initech")]


def begin(slots: Slots, whose: Tenant, at: float, *, suspect: bool = False) -> Request:
    request = Request(whose, (), at, Limit(3600), suspect, slots.patience(whose))
    slots.running.add(request)
    return request


def test_there_is_room_for_so_many(tenants: list[Tenant]) -> None:
    slots = Slots(3)
    for _ in range(3):
        assert slots.has_room(suspect=False)
        begin(slots, tenants[0], 0.0)
    assert not slots.has_room(suspect=False)


@pytest.mark.parametrize(("count", "suspects"), [(8, 7), (2, 1), (1, 1)])
def test_one_is_kept_free_of_what_may_well_hang(tenants: list[Tenant], count: int, suspects: int) -> None:
    slots = Slots(count)
    for _ in range(suspects):
        assert slots.has_room(suspect=True)
        begin(slots, tenants[0], 0.0, suspect=True)
    assert not slots.has_room(suspect=True)
    assert slots.has_room(suspect=False) is (count > 1)


def test_who_took_long_is_slow_until_it_is_quick_again(tenants: list[Tenant]) -> None:
    slots, (slow, other, _) = Slots(8), tenants
    slots.over(begin(slots, slow, 0.0), LEAST_PATIENCE, answered=False)
    assert slots.is_slow(slow)
    assert not slots.is_slow(other)
    assert slots.patience(slow) == 2 * LEAST_PATIENCE
    assert slots.patience(other) == LEAST_PATIENCE
    for _ in range(5):
        slots.over(begin(slots, slow, 0.0), 100.0, answered=False)
    assert slots.patience(slow) == MOST_PATIENCE
    slots.over(begin(slots, slow, 0.0), 0.5, answered=True)
    assert not slots.is_slow(slow)


def test_where_answers_take_long_all_have_more_patience(tenants: list[Tenant]) -> None:
    slots = Slots(8)
    slots.over(begin(slots, tenants[0], 0.0), 0.9, answered=True)
    assert slots.patience(tenants[1]) == pytest.approx(3.6)
    slots.over(begin(slots, tenants[0], 0.0), 0.1, answered=True)
    assert slots.patience(tenants[1]) == pytest.approx(4 * (0.8 * 0.9 + 0.2 * 0.1))


def test_what_keeps_another_tenant_waiting_is_cut_off_the_oldest_first(tenants: list[Tenant]) -> None:
    slots, (ours, theirs, others) = Slots(3), tenants
    slots.over(begin(slots, ours, 0.0), 0.1, answered=True)
    own, young, old = begin(slots, ours, 0.0), begin(slots, theirs, 0.5), begin(slots, others, 0.2)
    assert slots.overtake(ours, 1.1) == pytest.approx(1.2)
    assert (own.is_cut, young.is_cut, old.is_cut) == (False, False, False)
    assert slots.overtake(ours, 1.6) == pytest.approx(1.6 + LEAST_PATIENCE)
    assert (own.is_cut, young.is_cut, old.is_cut) == (False, False, True)
    assert old.limit.left == 0
    slots.overtake(ours, 1.6)
    assert young.is_cut
    assert not own.is_cut


def waits_aside(request: Request, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let a request wait for the token that all need."""
    monkeypatch.setattr(request.limit, "_aside", seconds)


def test_what_waits_for_a_token_keeps_nobody_waiting(
    tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    slots, (ours, theirs, others) = Slots(2), tenants
    slots.over(begin(slots, ours, 0.0), 0.1, answered=True)
    first, second = begin(slots, theirs, 0.0), begin(slots, others, 0.0)
    waits_aside(first, monkeypatch, 8.5)
    waits_aside(second, monkeypatch, 8.9)
    assert slots.overtake(ours, 9.0) == pytest.approx(9.5)
    assert not first.is_cut
    assert slots.overtake(ours, 9.6) == pytest.approx(9.6 + LEAST_PATIENCE)
    assert (first.is_cut, second.is_cut) == (True, False)
    assert "no answer within 1 s" in str(first.met(ClarusTransientError("cut"), 9.6))


def test_a_tenant_is_not_slow_for_the_token_that_it_has_waited_for(
    tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = Slots(8)
    request = begin(slots, tenants[0], 0.0)
    waits_aside(request, monkeypatch, 9.0)
    slots.over(request, 9.2, answered=True)
    assert not slots.is_slow(tenants[0])
    assert slots.patience(tenants[1]) == LEAST_PATIENCE


def test_until_anything_was_answered_one_is_let_wait(tenants: list[Tenant]) -> None:
    slots, (ours, theirs, others) = Slots(2), tenants
    first, second = begin(slots, theirs, 0.0), begin(slots, others, 0.1)
    for now in (100.0, 101.0):
        slots.overtake(ours, now)
    assert (first.is_cut, second.is_cut) == (False, True)


def test_a_tenant_that_may_not_answer_is_asked_one_by_one(tenants: list[Tenant]) -> None:
    slots, (ours, theirs, _) = Slots(8), tenants
    begin(slots, ours, 5.0)
    begin(slots, theirs, 9.0)
    assert slots.one_by_one(ours) == 5.0 + LEAST_PATIENCE
    assert slots.one_by_one(tenants[2]) < 0


@pytest.mark.parametrize(
    ("configured", "count"), [("3", 3), ("0", 1), ("-5", 1), ("1000", 32), ("many", REQUESTS_AT_ONCE)]
)
def test_a_slip_in_the_configuration_ends_no_wait(
    monkeypatch: pytest.MonkeyPatch, configured: str, count: int
) -> None:
    monkeypatch.setenv("AIRFLOW__CLARUS__REQUESTS_AT_ONCE", configured)
    assert requests_at_once() == count


def test_another_question_waits_for_its_turn(tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("LEAST_PAUSE", "LEAST_PATIENCE"):
        monkeypatch.setattr(_slots, pause, 0.0)
    slots = Slots(1)

    async def scenario() -> None:
        running = begin(slots, tenants[0], 0.0)
        turn = asyncio.ensure_future(slots.turn(tenants[1], lambda: 1e9, Limit(3600)))
        await asyncio.sleep(0)
        assert not turn.done()
        slots.over(running, 0.1, answered=True)
        request = await turn
        assert request.tenant is tenants[1]
        assert slots.running == {request}

    asyncio.run(scenario())
