# SPDX-License-Identifier: Apache-2.0
"""Faults in retries, pauses and deadlines."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "backoff never grows",
        "http/backoff.py",
        "growing = first * 2.0 ** min(failures - 1, 64)",
        "growing = first",
        "unit/http/test_backoff.py::test_pauses_double_up_to_the_longest_whatever_the_chance",
    ),
    Mutant(
        "backoff has no longest pause",
        "http/backoff.py",
        "return min(longest, growing) *",
        "return growing *",
        "unit/http/test_backoff.py::test_pauses_double_up_to_the_longest_whatever_the_chance",
    ),
    Mutant(
        "backoff is not jittered",
        "http/backoff.py",
        "random.uniform(0.8, 1.0)",
        "1.0",
        "unit/http/test_backoff.py::test_pauses_are_jittered_so_that_many_do_not_return_at_once",
    ),
    Mutant(
        "a rest is shorter than the server asked for",
        "http/backoff.py",
        "return max(jittered, backoff(failures, first=first, longest=longest))",
        "return backoff(failures, first=first, longest=longest)",
        "unit/http/test_backoff.py::test_a_rest_is_what_the_server_asks_for_and_no_shorter_than_a_backoff",
    ),
    Mutant(
        "what may have been done is done again",
        "http/retries.py",
        "and (repeatable or not error.may_have_acted)",
        "",
        "unit/http/test_retries.py::test_what_must_not_happen_twice_is_repeated_only_when_it_did_not_happen",
    ),
    Mutant(
        "a pause of an hour is slept in a worker",
        "http/retries.py",
        "and (error.retry_after or 0) <= LONGEST_PAUSE",
        "",
        "unit/http/test_retries.py::test_a_pause_that_is_too_long_is_left_to_airflow",
    ),
    Mutant(
        "Retry-After in seconds has no cap",
        "http/responses.py",
        "return min(float(value), LONGEST_RETRY_AFTER)",
        "return float(value)",
        "unit/http/test_responses.py::test_retry_after_is_a_number_or_a_date",
    ),
    Mutant(
        "Retry-After as a date has no cap",
        "http/responses.py",
        "return min(max(0.0, seconds), LONGEST_RETRY_AFTER)",
        "return max(0.0, seconds)",
        "unit/http/test_responses.py::test_retry_after_is_a_number_or_a_date",
    ),
    Mutant(
        "a pause is begun that outlasts the wait",
        "http/retries.py",
        "if error and bound and bound.left <= seconds:",
        "if False:",
        "unit/http/test_retries.py::test_no_pause_is_begun_that_outlasts_what_the_thread_has_left",
    ),
    Mutant(
        "a connection made after the deadline is not ended",
        "http/_deadline.py",
        ("        if self.over:\n            self.end()"),
        "",
        "unit/http/test_deadline.py::test_a_connection_that_comes_after_it_ends_at_once",
    ),
    Mutant(
        "a pooled connection is not watched",
        "http/_deadline.py",
        ("        _watch(self.sock)\n        super().request"),
        "        super().request",
        "unit/http/test_deadline.py::test_a_connection_of_the_pool_ends_with_the_deadline_of_its_next_request",
    ),
    Mutant(
        "a request that is cut off goes on",
        "http/limit.py",
        ("        if stop:\n            stop()"),
        "",
        "unit/http/test_limit.py::test_a_cut_stops_what_is_under_way_and_what_begins_just_then",
    ),
    Mutant(
        "a request that is late to be cut off goes on",
        "http/limit.py",
        ("        if stop and is_late:\n            stop()"),
        "",
        "unit/http/test_limit.py::test_a_cut_stops_what_is_under_way_and_what_begins_just_then",
    ),
)
