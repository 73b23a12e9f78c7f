# SPDX-License-Identifier: Apache-2.0
"""Whoever has asked for a token waits no longer, and the server has ended the refresh token all the same."""

from __future__ import annotations

import signal
import time
from types import FrameType

import pytest

from airflow_provider_clarus.auth.tokens import TokenSource
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.http.limit import Limit
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.oauth import USER
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.stopping import TaskStopped
from tests.integration.conftest import Connect


@pytest.fixture
def refreshing(connect: Connect, sandbox: Sandbox) -> ClarusConnection:
    """A connection with a refresh token that is good once, to a server that takes a second for it."""
    sandbox.inject(Fault("token", delay=1.0, times=1))
    token = sandbox.issue_token(USER)["refresh_token"]
    return connect(grant_type="refresh_token", refresh_token=token).connection


def cut_off(tokens: TokenSource) -> None:
    with Limit(0.3), pytest.raises(ClarusTransientError, match=r"had no answer within 0\.[34] s") as raised:
        tokens.get()
    assert not raised.value.may_have_acted


def stopped(tokens: TokenSource) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TaskStopped

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(TaskStopped):
            tokens.get()
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("ended", [cut_off, stopped])
@pytest.mark.parametrize("same_client", [True, False])
def test_the_next_one_has_the_token_that_was_under_way(
    refreshing: ClarusConnection, sandbox: Sandbox, ended: object, same_client: bool
) -> None:
    tokens = TokenSource(refreshing, print)
    began = time.monotonic()
    assert callable(ended)
    ended(tokens)
    assert time.monotonic() - began < 0.9
    assert (tokens if same_client else TokenSource(refreshing, print)).get()
    assert sandbox.count("token") == 1


def test_the_new_refresh_token_goes_to_the_function_that_stores_it(
    refreshing: ClarusConnection, sandbox: Sandbox
) -> None:
    stored: list[str] = []
    tokens = TokenSource(refreshing, print, stored.append)
    cut_off(tokens)
    tokens.get()
    assert len(stored) == sandbox.count("token") == 1


def test_it_is_kept_though_nobody_is_left_to_mask_it_in_logs(
    refreshing: ClarusConnection, sandbox: Sandbox
) -> None:
    def gone(secret: str) -> None:
        raise RuntimeError("Event loop is closed")

    with pytest.raises(RuntimeError, match="closed"):
        TokenSource(refreshing, gone).get()
    assert TokenSource(refreshing, print).get()
    assert sandbox.count("token") == 1


def test_no_thread_to_be_had_may_pass(
    refreshing: ClarusConnection, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: object) -> None:
        raise RuntimeError("can't start new thread")

    tokens = TokenSource(refreshing, print)
    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", start)
        with pytest.raises(ClarusTransientError, match="can't start new thread"):
            tokens.get()
    assert tokens.get()
    assert sandbox.count("token") == 1
