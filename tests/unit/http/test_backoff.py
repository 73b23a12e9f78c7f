# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_provider_clarus.http.backoff import LONGEST_ASKED, backoff, rest


def test_pauses_double_up_to_the_longest_whatever_the_chance() -> None:
    for failures, longest in [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (10_000, 30.0)]:
        pauses = [backoff(failures) for _ in range(200)]
        assert 0.8 * longest <= min(pauses) < max(pauses) <= longest
    assert 48 <= backoff(9, first=2.0, longest=60.0) <= 60


def test_pauses_are_jittered_so_that_many_do_not_return_at_once() -> None:
    assert len({backoff(3) for _ in range(20)}) == 20


def test_a_rest_is_what_the_server_asks_for_and_no_shorter_than_a_backoff() -> None:
    asked = [rest(1, 30.0, first=2.0, longest=60.0) for _ in range(200)]
    assert 30 <= min(asked) < max(asked) <= 36
    assert 48 <= rest(9, 1.0, first=2.0, longest=60.0) <= 60


def test_nobody_is_left_alone_for_an_hour_because_one_answer_says_so() -> None:
    asked = [rest(1, 3600.0, first=2.0, longest=60.0) for _ in range(200)]
    assert LONGEST_ASKED <= min(asked) < max(asked) <= 1.2 * LONGEST_ASKED <= 72
