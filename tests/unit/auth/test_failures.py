# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time

import pytest

from airflow_provider_clarus.auth._failures import PAUSE, Failure
from airflow_provider_clarus.exceptions import ClarusAuthError, ClarusError, ClarusTransientError


def shared(failure: Failure, began: float) -> ClarusError | None:
    """Return what another thread gets of it."""
    found: list[ClarusError | None] = []

    def share() -> None:
        try:
            failure.share(began)
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
    failure = Failure.of(ClarusAuthError("no", status=401))
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
    failure = Failure.of(ClarusTransientError("hung"))
    failure.share(began=time.time())
    assert shared(failure, began=time.time())


def test_a_server_that_asks_for_a_pause_gets_it_from_all_and_what_is_left_of_it_is_said() -> None:
    error = shared(failed(10, ClarusTransientError("busy", retry_after=30)), began=time.time())
    assert error
    assert error.retry_after == pytest.approx(20, abs=5)
    assert shared(failed(100, ClarusTransientError("busy", retry_after=3000)), began=time.time()) is None


def test_a_clock_that_went_back_keeps_nobody_from_asking() -> None:
    assert shared(failed(ago=-3600), began=time.time()) is None
