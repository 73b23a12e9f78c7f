# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest

from airflow_provider_clarus.exceptions import ClarusForbiddenError, ClarusTransientError
from airflow_provider_clarus.http import retries
from airflow_provider_clarus.http.limit import Limit
from airflow_provider_clarus.http.retries import LONGEST_PAUSE, patiently, retrying
from airflow_provider_clarus.policy.answers import Call


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, without sleeping them."""
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=slept.append))
    return slept


class Flaky:
    """Raises these errors, one per call, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_what_may_pass_is_tried_again_after_growing_pauses(pauses: list[float]) -> None:
    flaky = Flaky(*[ClarusTransientError("down")] * 4)
    assert retrying(5, repeatable=True)(flaky) == "answer"
    assert flaky.calls == 5
    assert all(earlier < later for earlier, later in pairwise(pauses))
    assert 0.4 <= pauses[0] <= 0.5
    assert pauses[3] <= 4.0


def test_pauses_are_jittered(pauses: list[float]) -> None:
    for _ in range(3):
        retrying(2, repeatable=True)(Flaky(ClarusTransientError("down")))
    assert len(set(pauses)) == 3


def test_the_last_error_is_raised_when_the_attempts_are_used_up(pauses: list[float]) -> None:
    last = ClarusTransientError("still down")
    with pytest.raises(ClarusTransientError) as raised:
        retrying(2, repeatable=True)(Flaky(ClarusTransientError("down"), last))
    assert raised.value is last
    assert len(pauses) == 1


def test_what_cannot_pass_is_not_tried_again(pauses: list[float]) -> None:
    flaky = Flaky(ClarusForbiddenError("no"))
    with pytest.raises(ClarusForbiddenError):
        retrying(5, repeatable=True)(flaky)
    assert (flaky.calls, pauses) == (1, [])


def test_what_must_not_happen_twice_is_repeated_only_when_it_did_not_happen(pauses: list[float]) -> None:
    refused = Flaky(ClarusTransientError("refused", may_have_acted=False))
    assert retrying(5, repeatable=False)(refused) == "answer"
    unknown = Flaky(ClarusTransientError("timed out", may_have_acted=True))
    with pytest.raises(ClarusTransientError):
        retrying(5, repeatable=False)(unknown)
    assert (refused.calls, unknown.calls) == (2, 1)


@pytest.mark.parametrize("asked", [0.0, 20.0, LONGEST_PAUSE])
def test_the_server_says_how_long_the_pause_is(pauses: list[float], asked: float) -> None:
    retrying(2, repeatable=True)(Flaky(ClarusTransientError("busy", retry_after=asked)))
    assert asked <= pauses[0] <= asked + 1


def test_a_pause_that_is_too_long_is_left_to_airflow(pauses: list[float]) -> None:
    flaky = Flaky(ClarusTransientError("busy", retry_after=LONGEST_PAUSE + 1))
    with pytest.raises(ClarusTransientError):
        retrying(5, repeatable=True)(flaky)
    assert (flaky.calls, pauses) == (1, [])


def test_no_pause_is_begun_that_outlasts_what_the_thread_has_left(pauses: list[float]) -> None:
    busy = ClarusTransientError("busy", retry_after=50.0)
    flaky = Flaky(busy)
    with Limit(40.0), pytest.raises(ClarusTransientError) as raised:
        retrying(5, repeatable=True)(flaky)
    assert raised.value is busy
    assert (flaky.calls, pauses) == (1, [])
    with Limit(3600.0):
        assert retrying(2, repeatable=True)(Flaky(busy)) == "answer"
    assert len(pauses) == 1


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept between refusals, on a clock that they set."""
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, monotonic=lambda: sum(slept))
    monkeypatch.setattr(retries, "time", clock)
    return slept


def test_a_read_that_stays_refused_is_asked_again_ever_more_rarely_for_a_minute(slept: list[float]) -> None:
    with pytest.raises(ClarusForbiddenError, match="8 times in a row, for 60 s"):
        patiently(Flaky(*[ClarusForbiddenError("no")] * 9), Call.DOWNLOAD)
    assert slept == [1, 2, 4, 8, 15, 15, 15]


def test_a_read_that_is_refused_for_a_moment_has_its_answer(slept: list[float]) -> None:
    assert patiently(Flaky(ClarusForbiddenError("no")), Call.DOWNLOAD) == "answer"
    assert slept == [1]


def test_what_may_pass_has_been_tried_again_already(slept: list[float]) -> None:
    with pytest.raises(ClarusTransientError):
        patiently(Flaky(ClarusTransientError("down")), Call.DOWNLOAD)
    assert not slept
