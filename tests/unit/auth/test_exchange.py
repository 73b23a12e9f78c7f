# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import atexit
import contextvars
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from airflow_provider_clarus.auth._exchange import AT_THE_END, Exchange
from airflow_provider_clarus.auth._patience import ImpatientError, Patience
from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.http import limit
from airflow_provider_clarus.http.limit import Limit


def test_it_goes_on_when_whoever_has_begun_it_is_cut_off() -> None:
    answered, bounds = threading.Event(), list[object]()

    def get() -> str:
        bounds.append(limit.current())
        answered.wait(10)
        return "a token"

    with Limit(30) as bound:
        exchange = Exchange(get, waits_at_the_end=False)
        threading.Timer(0.1, bound.cut).start()
        with pytest.raises(ImpatientError):
            exchange.outcome(Patience(30))
    assert not exchange.is_over
    answered.set()
    assert exchange.outcome(Patience(30)) == "a token"
    assert exchange.is_over
    assert bounds == [None]


def test_the_time_for_which_it_is_waited_for_is_spent_aside() -> None:
    def get() -> None:
        while not bound.spent_aside:
            time.sleep(0.01)
        time.sleep(0.3)

    with Limit(30) as bound:
        Exchange(get, waits_at_the_end=False).outcome(Patience(30))
        assert bound.spent_aside >= 0.3


def test_all_who_wait_have_an_error_each() -> None:
    def get() -> None:
        raise ClarusTransientError("hung", status=503)

    exchange = Exchange(get, waits_at_the_end=False)
    errors = []
    for _ in range(2):
        with pytest.raises(ClarusTransientError, match="hung") as raised:
            exchange.outcome(Patience(30))
        errors.append(raised.value)
    assert errors[0] is not errors[1]
    assert errors[0].status == errors[1].status == 503
    # By its causes it is told what a certificate's error is.
    assert errors[0].__cause__ is errors[1].__cause__ is not None


def test_it_logs_into_the_log_of_the_task_that_has_begun_it() -> None:
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("of the task")
    assert Exchange(variable.get, waits_at_the_end=False).outcome(Patience(30)) == "of the task"


# A process that ends, as Airflow's tasks do, while it asks for a token: the answer comes a second later.
ENDS = """
import sys, time
from pathlib import Path
from airflow_provider_clarus.auth._exchange import Exchange

def get():
    print("asked", flush=True)
    time.sleep({seconds})
    Path({path!r}).touch()

Exchange(get, waits_at_the_end={waits})
time.sleep(0.3)
{end}
"""
OF_A_FORK = "import atexit, os; atexit._run_exitfuncs(); os._exit(0)"
"""How the process of a task, or of a triggerer's triggers, ends."""


@pytest.mark.parametrize("end", ["sys.exit()", OF_A_FORK], ids=["exit", "fork"])
@pytest.mark.parametrize(
    ("seconds", "waits", "is_there"),
    [(1, True, True), (1, False, False), (600, True, False)],
    ids=["refresh token", "nothing to lose", "hangs"],
)
def test_the_end_of_the_process_waits_for_what_must_not_be_lost_but_not_for_long(
    tmp_path: Path, end: str, seconds: float, waits: bool, is_there: bool
) -> None:
    path = tmp_path / "stored"
    code = ENDS.format(seconds=seconds, path=str(path), waits=waits, end=end)
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, b"asked\n")
    assert path.exists() is is_there
    if waits and not is_there:
        assert time.monotonic() - began > AT_THE_END


def test_what_is_over_keeps_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[object] = []
    monkeypatch.setattr(atexit, "register", lambda wait, seconds: registered.append(wait))
    monkeypatch.setattr(atexit, "unregister", registered.remove)
    exchange = Exchange(lambda: registered.copy(), waits_at_the_end=True)
    assert len(exchange.outcome(Patience(30))) == 1
    until = time.monotonic() + 30
    while registered and time.monotonic() < until:
        time.sleep(0.01)
    assert not registered
