# SPDX-License-Identifier: Apache-2.0
"""Which documents are asked about next."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.waiting import _queue
from airflow_provider_clarus.waiting._queue import Queue, Wanted
from airflow_provider_clarus.waiting._waiter import Waiter
from tests.unit.waiting.waiters import in_a_loop, waiter


def ids(batch: list[Wanted]) -> list[int]:
    return [wanted.id for wanted in batch]


def answered(queue: Queue, batch: list[Wanted], due: float) -> None:
    """Let a batch be answered for: not yet, and asked about again at ``due``."""
    for wanted in batch:
        wanted.is_asked = False
        queue.clear(wanted)
        for one in wanted.waiters:
            one.due = due
        queue.place(wanted)


@in_a_loop
async def test_those_who_are_due_first_are_asked_about_first() -> None:
    queue = Queue()
    for document_id, due in {1: 5.0, 2: 1.0, 3: 9.0, 4: 3.0, 5: 7.0}.items():
        queue.add(waiter(document_id, due))
    assert [ids(queue.batch(9.0, 9.0, 2)) for _ in range(4)] == [[2, 4], [1, 5], [3], []]


@in_a_loop
async def test_an_order_that_has_changed_counts() -> None:
    queue = Queue()
    for document_id, due in {1: 1.0, 2: 2.0, 3: 3.0}.items():
        queue.add(waiter(document_id, due))
    answered(queue, queue.batch(1.0, 1.0, 1), due=2.5)
    queue.add(waiter(3, 0.5))
    assert queue.next_due() == 0.5
    assert [ids(queue.batch(9.0, 9.0, 1)) for _ in range(4)] == [[3], [2], [1], []]


@in_a_loop
async def test_a_request_is_filled_up_with_those_who_are_due_next() -> None:
    queue = Queue()
    for document_id in range(1, 151):
        queue.add(waiter(document_id, float(document_id)))
    assert ids(queue.batch(1.0, 1.0, 100)) == list(range(1, 101))
    assert queue.batch(1.0, 1.0, 100) == []
    assert queue.next_due() == 101.0


@in_a_loop
async def test_nothing_is_kept_of_one_that_nobody_waits_for_any_more() -> None:
    queue = Queue()
    given_up, other = waiter(1, 1.0), waiter(1, 2.0)
    for one in (given_up, other):
        queue.add(one)
    queue.remove(given_up)
    queue.remove(given_up)
    assert queue.next_due() == 2.0
    places = len(queue._places)
    queue.remove(other)
    assert len(queue._places) == places
    assert queue.next_due() == math.inf
    assert not queue.wanted
    assert not queue._places


@in_a_loop
async def test_nobody_is_asked_about_when_nobody_is_due() -> None:
    queue = Queue()
    queue.add(waiter(1, 10.0))
    assert queue.batch(9.9, 9.9, 100) == []
    assert queue.next_due() == 10.0


@in_a_loop
async def test_who_may_not_be_looked_at_yet_fills_up_no_request_and_keeps_its_place() -> None:
    queue = Queue()
    queue.add(waiter(1, 1.0))
    queue.add(waiter(2, 3.0, not_before=2.0))
    assert ids(queue.batch(1.0, 1.0, 100)) == [1]
    assert queue.next_due() == 3.0
    assert ids(queue.batch(3.0, 3.0, 100)) == [2]


@in_a_loop
async def test_a_deadline_comes_before_all_others_and_before_any_rest() -> None:
    queue = Queue()
    queue.add(waiter(1, 1.0))
    wanted = queue.add(waiter(2, 500.0, last_look=60.0))
    wanted.rests_until = 300.0
    queue.place(wanted)
    assert wanted.due == 60.0
    queue.hurry(wanted)
    assert queue.has_urgent
    assert ids(queue.batch(0.0, 0.0, 1)) == [2]
    assert not queue.has_urgent


@in_a_loop
async def test_a_document_that_rests_is_due_when_it_has_rested() -> None:
    queue = Queue()
    wanted = queue.add(waiter(1, 1.0))
    wanted.rests_until = 30.0
    queue.place(wanted)
    assert queue.next_due() == wanted.due == 30.0


@in_a_loop
async def test_a_suspect_that_is_answered_for_is_one_of_the_others_again() -> None:
    queue = Queue()
    bad, good = queue.add(waiter(1, 1.0)), queue.add(waiter(2, 1.0))
    assert ids(queue.batch(1.0, 1.0, 100)) == [1, 2]
    answered(queue, [good], due=2.0)
    bad.is_asked = False
    queue.failed_alone(bad).failed(ClarusTransientError("500"), 1.0)
    bad.rests_until = 5.0
    assert ids(queue.batch(2.0, 2.0, 100)) == [2]
    answered(queue, [good], due=5.0)
    assert (queue.suspects(4.9), queue.next_suspect()) == ([], 5.0)
    assert ids(queue.suspects(5.0)) == [1]
    answered(queue, [bad], due=5.0)
    assert (bad.failures, bad.trouble, bad.rests_until, bad.largest) == (0, None, 0.0, 100)
    assert queue.next_suspect() == math.inf
    assert sorted(ids(queue.batch(5.0, 5.0, 100))) == [1, 2]


@in_a_loop
async def test_whether_a_document_recovered_is_remembered_when_nobody_waits_for_it_any_more() -> None:
    queue = Queue()
    first = waiter(1, 1.0)
    queue.failed_alone(queue.add(first))
    queue.remove(first)
    again = waiter(1, 1.0)
    suspect = queue.add(again)
    assert queue.batch(1.0, 1.0, 100) == []
    assert ids(queue.suspects(1.0)) == [1]
    answered(queue, [suspect], due=2.0)
    queue.remove(again)
    queue.add(waiter(1, 3.0))
    assert queue.suspects(3.0) == []
    assert ids(queue.batch(3.0, 3.0, 100)) == [1]


@in_a_loop
async def test_suspects_are_asked_about_with_those_alike_the_longest_due_first() -> None:
    queue = Queue()
    for document_id, due, largest in ((1, 4.0, 2), (2, 2.0, 1), (3, 3.0, 2), (4, 1.0, 2), (5, 9.0, 2)):
        queue.suspect(queue.add(waiter(document_id, due)), largest)
    assert [ids(queue.suspects(8.0)) for _ in range(4)] == [[4, 3], [2], [1], []]


@in_a_loop
async def test_a_suspect_is_in_no_hurry_with_the_others() -> None:
    queue = Queue()
    wanted = queue.add(waiter(1, 1.0))
    queue.hurry(wanted)
    queue.suspect(wanted, 1)
    queue.hurry(wanted)
    assert not queue.has_urgent
    assert queue.batch(9.0, 9.0, 100) == []


def test_so_many_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_queue, "REMEMBERED", 3)

    async def scenario() -> None:
        queue = Queue()
        for document_id in range(1, 6):
            one = waiter(document_id, 1.0)
            queue.failed_alone(queue.add(one))
            queue.remove(one)
        assert not queue.wanted
        for document_id in range(1, 6):
            queue.add(waiter(document_id, 1.0))
        assert ids(queue.batch(1.0, 1.0, 100)) == [1, 2]

    asyncio.run(scenario())


def test_who_waits_for_a_document_again_is_not_lost_behind_who_gave_it_up() -> None:
    """Its first wait ends while a request is under way that fails; then another begins."""

    async def scenario() -> None:
        queue, now = Queue(), time.time()

        def waiter() -> Waiter:
            return Waiter.starting(7, interval=5, since=now, deadline=now + 60)

        first, second = waiter(), waiter()
        given_up = queue.add(first)
        assert queue.batch(first.due, first.due, 100) == [given_up]
        queue.remove(first)
        queue.suspect(given_up, 13)
        wanted = queue.add(second)
        assert queue.next_due() == second.due
        assert queue.batch(second.due, second.due, 100) == [wanted]

    asyncio.run(scenario())


def test_nothing_is_kept_of_a_suspect_that_nobody_waits_for() -> None:
    async def scenario() -> None:
        queue, now = Queue(), time.time()
        waiter = Waiter.starting(7, interval=5, since=now, deadline=now + 60)
        given_up = queue.add(waiter)
        queue.remove(waiter)
        queue.suspect(given_up, 13)
        assert not queue._suspects

    asyncio.run(scenario())
