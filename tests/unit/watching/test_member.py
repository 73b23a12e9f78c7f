# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from airflow_provider_clarus.api.feed import Listed
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.watching.member import Member
from airflow_provider_clarus.watching.wanted import Wanted


def member(since: float | None = None, **filters: Any) -> Member:
    return Member(Wanted(**filters), 10, since)


def listed(number: int, changed: float | None = None, status: str = "available", **fields: Any) -> Listed:
    return Listed(number, DocumentStatus(status), changed=changed, **fields)


def resumed(*states: Any) -> Member:
    one = member()
    one.resume(json.loads(json.dumps(states)))
    return one


def test_before_its_first_look_nothing_is_news() -> None:
    assert member().take([listed(1)]) == []
    assert member().to_keep() is None


def test_what_is_not_wanted_is_settled_all_the_same() -> None:
    one = member(category="report")
    one.start("acme", 10, [])
    assert one.take([listed(11, category="label"), listed(12, category="report")]) == [
        listed(12, category="report")
    ]
    assert one.ledger
    assert one.ledger.done == {11, 12}


def test_the_first_look_goes_back_to_what_has_finished_since() -> None:
    one = member(since=1000)
    one.start("acme", 10, [9])
    page = [
        listed(3, 999.0),
        listed(4, 1000.0),
        listed(5, None),
        listed(6, made=1001.0),
        listed(7, 1500.0, "failed"),
        listed(8, 1500.0, "processing"),
        listed(9, 1500.0),
        listed(11, 1500.0),
    ]
    assert [document.id for document in one.take_earlier(page)] == [4, 6]
    assert one.take_earlier(page) == []
    # The others are for the rounds that follow.
    assert [document.id for document in one.take(page)] == [9, 11]


def test_a_first_look_that_was_killed_begins_anew_from_the_same_moment() -> None:
    one = member(since=1000)
    state = one.to_keep()
    assert state == {"version": 1, "since": 1000}
    one.start("acme", 10, [])
    assert one.as_dict() == state
    after = resumed(state)
    assert (after.since, after.ledger) == (1000, None)
    one.end_first_look()
    after = resumed(one.as_dict())
    assert after.ledger
    assert (after.place, after.ledger.low) == ("acme", 10)


def test_what_is_kept_is_kept_once() -> None:
    one = member()
    one.start("acme", 10, [])
    state = one.to_keep()
    assert state
    one.kept(state)
    assert one.to_keep() is None
    one.take([listed(11)])
    assert one.to_keep()
    assert resumed(state).to_keep() is None


def test_of_two_assets_the_one_that_knows_least_counts() -> None:
    one, other = member(), member()
    one.start("acme", 10, [])
    other.start("acme", 20, [7])
    for states in ((one.as_dict(), other.as_dict()), (other.as_dict(), one.as_dict()), (None, one.as_dict())):
        after = resumed(*states)
        assert after.ledger
        assert after.ledger.low == 10
        assert after.to_keep(), "the other is to have it, too"


@pytest.mark.parametrize("state", [7, "x", [], {}, {"version": 2, "low": 1}, {"version": 1, "low": None}])
def test_what_cannot_be_read_is_said_and_left_alone(state: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert resumed(state).ledger is None
    assert "begins anew" in caplog.text
