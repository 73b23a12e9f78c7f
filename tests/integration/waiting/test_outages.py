# SPDX-License-Identifier: Apache-2.0
"""Trouble that passes ends no wait."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting import _tenant, poller
from tests.integration.waiting.waits import kinds, outcomes, polls, wait_for, when


@pytest.mark.parametrize(
    "fault",
    [
        Fault("graphql", status=500, for_seconds=1.0),
        Fault("graphql", status=503, for_seconds=1.0),
        Fault("graphql", status=429, for_seconds=1.0),
        Fault("graphql", status=502, body=HTML_ERROR, for_seconds=1.0),
        Fault("graphql", reset=True, for_seconds=1.0),
        Fault("graphql", cut_at=5, for_seconds=1.0),
        Fault("graphql", status=200, body={"data": None, "errors": []}, for_seconds=1.0),
        Fault("token", status=503, for_seconds=1.0),
        Fault("token", reset=True, for_seconds=1.0),
    ],
    ids=lambda fault: f"{fault.endpoint}-{fault.status or 'broken'}",
)
def test_an_outage_shorter_than_the_deadlines_ends_nothing(clarus: Sandbox, fault: Fault) -> None:
    ids = clarus.add_documents(2, 7)
    clarus.inject(fault)
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 2


def test_an_outage_makes_all_looks_rarer(clarus: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tenant, "LONGEST_REST", 60.0)
    ids = clarus.add_documents(250, 7)
    clarus.inject(Fault("graphql", status=503))
    when(lambda: polls(clarus), lambda: threading.Timer(2.0, clarus.clear_faults).start())
    outcomes(*map(wait_for, ids))
    refused = [poll for poll in polls(clarus) if poll.status == 503]
    assert 1 <= len(refused) <= 3


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(clarus: Sandbox, status: int) -> None:
    (document_id,) = clarus.add_documents(1, 7)
    clarus.inject(Fault("graphql", status=status, headers={"Retry-After": "1"}, times=1))
    assert kinds(outcomes(wait_for(document_id))) == [Document]
    first, second = polls(clarus)
    assert second.at - first.at >= 1


def test_those_behind_a_rate_limit_get_their_turn(clarus: Sandbox) -> None:
    ids = clarus.add_documents(300, 7)
    for _ in range(20):
        clarus.inject(Fault("graphql", times=1))
        clarus.inject(Fault("graphql", status=429, times=1))
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 300


def test_tokens_are_renewed_when_they_expire_or_are_revoked(clarus: Sandbox) -> None:
    ids = clarus.add_documents(3, 7)
    clarus.inject(Fault("graphql", before=clarus.revoke_tokens, times=2))
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 3
    assert 2 <= clarus.count("token") <= 3


def test_an_error_of_our_own_is_told_and_the_poller_goes_on(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(poller, "AFTER_A_BREAK", 0.05)
    start, broken = poller.Poller._start_what_is_due, iter([False, True, True])

    def start_or_break(shared: poller.Poller) -> float | None:
        if next(broken, False):
            raise ZeroDivisionError("a slip of ours")
        return start(shared)

    monkeypatch.setattr(poller.Poller, "_start_what_is_due", start_or_break)
    ids = clarus.add_documents(2, 7)
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 2
    assert caplog.text.count("broke; it goes on") == 2
    assert "ZeroDivisionError: a slip of ours" in caplog.text
