# SPDX-License-Identifier: Apache-2.0
"""When one document is looked at, for one trigger."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import ClarusTimeoutError, ClarusTransientError
from airflow_provider_clarus.triggers.deferral import GRACE
from airflow_provider_clarus.waiting import watch
from airflow_provider_clarus.waiting._waiter import COALESCE, FIRST_LOOK, LATE_LOOK, LONGEST_PAUSE, Waiter
from tests.unit.waiting.waiters import in_a_loop

PROCESSING, READY = (Document(7, DocumentStatus(status)) for status in ("processing", "available"))


def starting(timeout: float, age: float = 0.0) -> Waiter:
    since = time.time() - age
    return Waiter.starting(7, interval=5.0, since=since, deadline=since + timeout)


def settle(one: Waiter, answer: Document | None, now: float, jitter: float = 1.0) -> None:
    one.settle(answer, tenant="acme", now=now, jitter=jitter)


def outcome(one: Waiter) -> Any:
    return (one.future.exception() or one.future.result()) if one.future.done() else None


@in_a_loop
async def test_the_first_look_leaves_airflow_time_to_defer_and_others_time_to_come() -> None:
    one = starting(3600)
    assert one.due - one.not_before == pytest.approx(COALESCE)
    assert one.last_look - one.not_before == pytest.approx(3600 - FIRST_LOOK, abs=1)


@in_a_loop
@pytest.mark.parametrize("timeout", [2.0, FIRST_LOOK])
async def test_a_last_look_may_be_the_first(timeout: float) -> None:
    one = starting(timeout)
    assert one.not_before == one.due == one.last_look
    settle(one, READY, one.last_look)
    assert outcome(one) == READY


@in_a_loop
async def test_a_deadline_that_has_passed_leaves_a_look_at_once() -> None:
    one = starting(60, age=3600)
    assert one.not_before == one.due == one.last_look
    settle(one, PROCESSING, one.last_look)
    assert isinstance(outcome(one), ClarusTimeoutError)


@in_a_loop
@pytest.mark.parametrize(("left", "age"), [(-60, 3660), (0, 3600), (10, 3590)])
async def test_one_that_a_triggerer_takes_up_late_has_time_for_a_first_look(left: float, age: float) -> None:
    one = starting(age + left, age)
    assert one.is_late
    assert one.over_at - one.not_before == pytest.approx(LATE_LOOK, abs=6)
    assert LATE_LOOK < GRACE, "or Airflow ends it"
    ended = one.out_of_time("acme", one.over_at, " 503.")
    assert isinstance(ended, ClarusTransientError)
    assert "document 7 in tenant 'acme'" in str(ended)
    assert "503. A retry goes on with it." in str(ended)
    # An answer, whatever it says, makes it one of the others.
    settle(one, PROCESSING, one.not_before)
    assert one.over_at == one.last_look + watch.LAST_LOOK
    assert isinstance(one.out_of_time("acme", one.over_at, ""), ClarusTimeoutError)


@in_a_loop
@pytest.mark.parametrize(("timeout", "age"), [(1.0, 0.0), (30.0, 3.0), (3600.0, 1800.0)])
async def test_one_that_has_had_its_time_ends_at_its_deadline(timeout: float, age: float) -> None:
    one = starting(timeout, age)
    assert one.over_at == pytest.approx(one.last_look + watch.LAST_LOOK)
    assert isinstance(one.out_of_time("acme", one.over_at, ""), ClarusTimeoutError)


@in_a_loop
async def test_a_clock_that_was_set_back_gives_a_wait_its_whole_time_again_and_no_more() -> None:
    one, other = starting(600, age=-86_400), starting(600)
    assert one.last_look - other.last_look == pytest.approx(0, abs=1)
    assert one.since - other.since == pytest.approx(0, abs=1)


@in_a_loop
async def test_an_answer_to_others_before_its_first_look_is_none() -> None:
    one = starting(3600)
    settle(one, READY, one.not_before - 0.001)
    assert not one.is_over
    settle(one, READY, one.not_before)
    assert outcome(one) == READY


@in_a_loop
async def test_the_next_look_comes_after_a_pause_and_the_last_at_the_deadline() -> None:
    one = starting(3600)
    for age, jitter, pause in ((10, 1.1, 5.5), (400, 1.0, 20), (2000, 0.9, 0.9 * LONGEST_PAUSE)):
        settle(one, PROCESSING, one.since + age, jitter)
        assert one.due - one.since == pytest.approx(age + pause)
    settle(one, PROCESSING, one.last_look - 1)
    assert one.due == one.last_look
    settle(one, PROCESSING, one.last_look)
    assert isinstance(outcome(one), ClarusTimeoutError)
    assert "'processing'" in str(outcome(one))


@in_a_loop
async def test_an_answer_after_the_end_changes_nothing() -> None:
    one, other = starting(3600), starting(3600)
    error = ClarusTransientError("It was stopped.")
    for each in (one, other):
        each.end(error)
        each.end(ClarusTransientError("Again."))
        settle(each, READY, each.last_look)
        assert str(outcome(each)) == "It was stopped."
    # Each raises its own, or their tracebacks would grow into each other.
    assert len({id(outcome(one)), id(outcome(other)), id(error)}) == 3
