# SPDX-License-Identifier: Apache-2.0
"""Who is asked about together, and when."""

from __future__ import annotations

import asyncio
import math
import re

import pytest

from airflow_provider_clarus.api import models
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import (
    ClarusReportFailedError,
)
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting import _slots, _waiter
from tests.integration.waiting.waits import NEVER, asked, kinds, outcomes, polls, until, wait_for


def test_a_document_is_returned_when_it_is_available(clarus: Sandbox) -> None:
    (document_id,) = clarus.add_documents(1, 7)
    (document,) = outcomes(wait_for(document_id))
    assert document == Document(document_id, DocumentStatus.AVAILABLE, f"report-7-{document_id}.csv", "csv")


def test_all_are_asked_for_in_batches_of_100(clarus: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_waiter, "COALESCE", 2.0)
    ids = clarus.add_documents(250, 7)
    assert kinds(outcomes(*(wait_for(document_id) for document_id in ids))) == [Document] * 250

    first_round = polls(clarus)[:3]
    assert sorted(len(asked(request)) for request in first_round) == [50, 100, 100]
    assert sorted(document_id for request in first_round for document_id in asked(request)) == ids


@pytest.mark.parametrize(("configured", "at_once"), [("1", 1), ("3", 3), ("0", 1)])
def test_so_many_requests_are_under_way_at_a_time(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, configured: str, at_once: int
) -> None:
    monkeypatch.setenv("AIRFLOW__CLARUS__REQUESTS_AT_ONCE", configured)
    ids = clarus.add_documents(500, 7)
    clarus.inject(Fault("graphql", delay=0.5))
    assert kinds(outcomes(*(wait_for(document_id) for document_id in ids))) == [Document] * 500
    starts = [request.at for request in polls(clarus)]
    most = max(sum(start <= other < start + 0.5 for other in starts) for start in starts)
    assert most == at_once


def test_only_four_fields_are_asked_for_and_cursors_are_followed(clarus: Sandbox) -> None:
    ids = clarus.add_documents(2, 7)
    page = {"documents": {"all": {"edges": [], "pageInfo": {"hasNextPage": True, "endCursor": "Mg=="}}}}
    clarus.inject(Fault("graphql", status=200, body={"data": page}, times=1))
    outcomes(*(wait_for(document_id) for document_id in ids))

    first, second, *_ = polls(clarus)
    assert re.search(r"node \{ ([\w ]+) \}", first.json["query"])[1] == "id status file_name file_type"
    assert (first.json["variables"]["after"], second.json["variables"]["after"]) == (None, "Mg==")


def test_several_triggers_share_one_document(clarus: Sandbox) -> None:
    (document_id,) = clarus.add_documents(1, 7)
    assert kinds(outcomes(*(wait_for(document_id) for _ in range(3)))) == [Document] * 3
    assert all(asked(request) == [document_id] for request in polls(clarus))


def test_those_who_started_apart_fall_into_step(clarus: Sandbox) -> None:
    ids = clarus.add_documents(4, NEVER)

    async def scenario() -> None:
        waits = []
        for document_id in ids:
            waits.append(asyncio.ensure_future(wait_for(document_id, interval=0.4)))
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        for document_id in ids:
            clarus.documents[document_id].seconds = 0
        await asyncio.gather(*waits)

    asyncio.run(scenario())
    assert all(sorted(asked(request)) == ids for request in polls(clarus)[4:])


@pytest.mark.parametrize(
    "waiting", [100, *(pytest.param(more, marks=pytest.mark.long) for more in (250, 1000))]
)
def test_the_cost_grows_with_the_hundreds_that_wait(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, waiting: int
) -> None:
    monkeypatch.setattr(_waiter, "COALESCE", 2.0)
    ids = clarus.add_documents(waiting, NEVER)

    async def scenario() -> None:
        waits = [asyncio.ensure_future(wait_for(document_id)) for document_id in ids]
        await until(lambda: len(polls(clarus)) >= 3 * math.ceil(waiting / 100))
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)

    asyncio.run(scenario())
    requests = polls(clarus)[: 3 * math.ceil(waiting / 100)]
    # Triggers that poll for themselves would have sent one request for each of these.
    assert sum(len(asked(request)) for request in requests) >= 3 * waiting


def test_without_a_filter_for_ids_the_documented_ones_do_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # All that are waited for have finished before the first look.
    reports = [Report(id=7, seconds=0), Report(id=8, seconds=0, outcome="failed"), Report(id=9, seconds=60)]
    with Sandbox(reports, id_filter=False) as clarus:
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_uri)
        monkeypatch.setattr(models, "MISSING_GRACE", 0.3)
        monkeypatch.setattr(_slots, "LEAST_PATIENCE", 60.0)
        ready = clarus.add_documents(120, 7)
        (failed,) = clarus.add_documents(1, 8)
        clarus.add_documents(120, 9)
        *documents, error = outcomes(*map(wait_for, ready), wait_for(failed))

    assert [document.id for document in documents] == ready
    assert isinstance(error, ClarusReportFailedError)
    assert caplog.text.count("It takes no filter for ids") == 1
    unfiltered = [
        request for request in polls(clarus) if "status" in request.json["variables"].get("filter", ())
    ]
    assert {request.json["variables"]["filter"]["category"]["eq"] for request in unfiltered} == {"report"}
    # Two looks, at a hundred files each, and not one per hundred ids; two pages each.
    pages = [request.json["variables"] for request in unfiltered if request.json["variables"]["first"] == 100]
    looks = [(page["filter"]["status"]["in"][0], page["after"] is None) for page in pages]
    assert looks == [
        ("queued", True),
        ("queued", False),
        ("queued", True),
        ("queued", False),
        ("failed", True),
    ]
