# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from airflow_provider_clarus.auth import _failures
from airflow_provider_clarus.auth._failures import PAUSE, Failure, surely, this_thread
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusError, ClarusTransientError
from airflow_provider_clarus.policy.patience import TOKEN_PAUSE


def shared(failure: Failure, began: float) -> ClarusError | None:
    """Return what another thread gets of it."""
    found: list[ClarusError | None] = []

    def share() -> None:
        try:
            failure.share(began, this_thread())
        except ClarusError as error:
            found.append(error)
        else:
            found.append(None)

    thread = threading.Thread(target=share)
    thread.start()
    thread.join()
    return found[0]


def failed(ago: float, error: ClarusError | None = None) -> Failure:
    return Failure((error or ClarusTransientError("hung")).as_dict(), time.time() - ago, "another")


def test_a_slot_tells_of_it_and_of_nothing_where_it_is_of_another_kind() -> None:
    failure = Failure.of(ClarusAuthError("no", status=401), this_thread())
    assert Failure.found_in({"access_token": "x"} | failure.as_dict()) == failure
    for content in ({}, {"failure": None}, {"failure": {"at": 1}}, {"failure": "x"}):
        assert Failure.found_in(content) is None


def test_who_has_waited_has_the_error_however_long_that_took() -> None:
    error = shared(failed(ago=5), began=time.time() - 10)
    assert isinstance(error, ClarusTransientError)
    assert shared(failed(ago=5), began=time.time()) is None


def test_who_comes_just_after_does_not_ask_again() -> None:
    assert shared(failed(ago=PAUSE / 4), began=time.time())
    assert shared(failed(ago=PAUSE * 2), began=time.time()) is None


def test_the_thread_that_met_it_asks_again_at_its_own_pace() -> None:
    failure = Failure.of(ClarusTransientError("hung"), this_thread())
    failure.share(time.time(), this_thread())
    assert shared(failure, began=time.time())


def test_a_server_that_asks_for_a_pause_gets_it_from_all_and_what_is_left_of_it_is_said() -> None:
    error = shared(failed(10, ClarusTransientError("busy", retry_after=30)), began=time.time())
    assert error
    assert error.retry_after == pytest.approx(20, abs=5)
    assert shared(failed(100, ClarusTransientError("busy", retry_after=3000)), began=time.time()) is None


def test_a_clock_that_went_back_keeps_nobody_from_asking() -> None:
    assert shared(failed(ago=-3600), began=time.time()) is None


def test_a_refusal_is_shared_with_those_who_have_waited_alone() -> None:
    refused = ClarusAuthError("no", status=401)
    assert isinstance(shared(failed(5, refused), began=time.time() - 10), ClarusAuthError)
    assert shared(failed(PAUSE / 4, refused), began=time.time()) is None


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only sleep moves, and what was slept."""
    found: list[float] = []
    now = [time.time()]

    def sleep(seconds: float) -> None:
        found.append(seconds)
        now[0] += seconds

    clock = SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(_failures, "time", clock)
    return found


def answers(*said: str | ClarusError) -> Callable[[], str]:
    """What a token endpoint says, one after another."""
    left = iter(said)

    def ask() -> str:
        answer = next(left)
        if isinstance(answer, ClarusError):
            raise answer
        return answer

    return ask


NO, LATER = ClarusAuthError("no", status=400), ClarusTransientError("later")


def test_one_refusal_proves_nothing(pauses: list[float]) -> None:
    assert surely(answers(NO, "a token"), []) == "a token"
    assert pauses == [0.0, TOKEN_PAUSE]


def test_a_refusal_that_is_given_twice_is_one(pauses: list[float]) -> None:
    with pytest.raises(ClarusAuthError):
        surely(answers(NO, NO, "never asked for"), [])


def test_what_may_pass_after_a_refusal_may_pass(pauses: list[float]) -> None:
    for said in ([LATER], [NO, LATER]):
        with pytest.raises(ClarusTransientError):
            surely(answers(*said, "never asked for"), [])


def test_who_comes_after_a_refusal_leaves_the_server_alone_for_a_while(pauses: list[float]) -> None:
    surely(answers("a token"), [failed(2, NO), failed(4, NO), failed(1, LATER)])
    surely(answers("a token"), [failed(60, NO)])
    assert pauses == pytest.approx([TOKEN_PAUSE - 2, 0.0], abs=0.5)


def test_a_clock_that_went_back_makes_that_no_longer(pauses: list[float]) -> None:
    surely(answers("a token"), [failed(-3600, NO)])
    assert pauses == [TOKEN_PAUSE]
