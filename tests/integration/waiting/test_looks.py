# SPDX-License-Identifier: Apache-2.0
"""When a document is looked at for the first time, and again."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import pytest

from airflow_provider_clarus.api import models
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import (
    ClarusInputError,
    ClarusNotFoundError,
    ClarusReportFailedError,
)
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting import _waiter
from tests.integration.waiting.waits import NEVER, asked, kinds, outcomes, polls, until, wait_for, when


def test_a_trigger_that_joins_is_not_answered_before_its_own_first_look(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)

    async def scenario() -> None:
        early = asyncio.ensure_future(wait_for(document_id))
        await until(lambda: polls(clarus))
        monkeypatch.setattr(_waiter, "FIRST_LOOK", 1.0)
        started = time.time()
        late = asyncio.ensure_future(wait_for(document_id))
        await asyncio.sleep(0)
        clarus.documents[document_id].seconds = 0
        await early
        assert not late.done()
        await late
        assert time.time() - started >= 1.0

    asyncio.run(scenario())


def test_the_first_look_comes_no_sooner_than_that(clarus: Sandbox) -> None:
    (document_id,) = clarus.add_documents(1, 7)
    started = time.time()
    outcomes(wait_for(document_id, interval=0.01))
    assert polls(clarus)[0].at - started >= _waiter.FIRST_LOOK


def test_a_cancelled_trigger_removes_only_itself(clarus: Sandbox) -> None:
    one, other = clarus.add_documents(2, NEVER)

    async def scenario() -> Document:
        cancelled = [asyncio.ensure_future(wait_for(document_id)) for document_id in (one, other)]
        stays = asyncio.ensure_future(wait_for(other))
        await until(lambda: polls(clarus) and polls(clarus)[0].status)
        for task in cancelled:
            task.cancel()
        await asyncio.wait(cancelled)
        clarus.documents[other].seconds = 0
        return await stays

    assert asyncio.run(scenario()).id == other
    assert asked(polls(clarus)[-1]) == [other]


def test_the_smallest_interval_counts_for_all(clarus: Sandbox) -> None:
    slow, fast = clarus.add_documents(2, NEVER)

    async def scenario() -> None:
        waits = [
            asyncio.ensure_future(wait_for(slow, interval=60)),
            asyncio.ensure_future(wait_for(fast, interval=0.2)),
        ]
        await until(lambda: sum(asked(request) == [slow, fast] for request in polls(clarus)) >= 4)
        assert not any(wait.done() for wait in waits)
        for wait in waits:
            wait.cancel()

    asyncio.run(scenario())


def test_each_failure_ends_its_own_waiters_only(clarus: Sandbox) -> None:
    clarus.add_report(Report(id=9, seconds=0, outcome="failed"))
    (failed,) = clarus.add_documents(1, 9)
    (good,) = clarus.add_documents(1, 7)
    assert kinds(outcomes(wait_for(failed), wait_for(good), wait_for(failed), wait_for(-1))) == [
        ClarusReportFailedError,
        Document,
        ClarusReportFailedError,
        ClarusInputError,
    ]


def test_a_document_out_of_sight_is_not_yet_until_the_replica_shows_it(clarus: Sandbox) -> None:
    clarus.add_report(Report(id=9, seconds=0, replica_lag=math.inf))
    (document_id,) = clarus.add_documents(1, 9)
    report = clarus.documents[document_id].report
    when(
        lambda: any(poll.status for poll in polls(clarus)),
        lambda: object.__setattr__(report, "replica_lag", 0),
    )
    assert kinds(outcomes(wait_for(document_id))) == [Document]
    assert len(polls(clarus)) > 1


def test_a_document_out_of_sight_for_longer_than_the_grace_is_not_found(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MISSING_GRACE", 0.5)
    (vanishes, good) = clarus.add_documents(2, NEVER)

    async def scenario() -> list[Any]:
        waits = asyncio.gather(wait_for(vanishes), wait_for(good), return_exceptions=True)
        await until(lambda: polls(clarus))
        del clarus.documents[vanishes]
        await asyncio.sleep(1.0)
        clarus.documents[good].seconds = 0
        return await waits

    missing, found = asyncio.run(scenario())
    assert isinstance(missing, ClarusNotFoundError)
    assert f"Document {vanishes} is not to be found in tenant 'acme'" in str(missing)
    assert found.id == good


def test_an_outage_counts_neither_as_absence_nor_as_failure(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MISSING_GRACE", 0.5)
    clarus.add_report(Report(id=9, seconds=0, replica_lag=1.3))
    ids = clarus.add_documents(2, 9)
    clarus.inject(Fault("graphql", status=502, body=HTML_ERROR, for_seconds=1.0))
    assert kinds(outcomes(*(wait_for(document_id) for document_id in ids))) == [Document] * 2
