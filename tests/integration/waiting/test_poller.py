# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from itertools import pairwise
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_clarus.api import models
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusForbiddenError,
    ClarusInputError,
    ClarusNotFoundError,
    ClarusRejectedError,
    ClarusReportFailedError,
    ClarusTimeoutError,
    ClarusTransientError,
)
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting import _reader as reader
from airflow_provider_clarus.waiting import poller
from airflow_provider_clarus.waiting.poller import Poller

NEVER = 8
"""A report that is never ready."""


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"FIRST_LOOK": 0.2, "COALESCE": 0.05, "LINGER": 0.3, "LONGEST_PAUSE": 0.2}.items():
        monkeypatch.setattr(poller, name, seconds)


@pytest.fixture
def clarus(clarus_default: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, and afterwards the promise that no poller has outlived its event loop."""
    clarus_default.add_report(Report(id=NEVER, seconds=math.inf))
    yield clarus_default
    assert not Poller._running


def wait_for(
    document_id: int, *, subdomain: str | None = None, interval: float = 0.2, timeout: float = 30
) -> Coroutine[Any, Any, Document]:
    now = time.time()
    return poller.wait_for(
        document_id,
        clarus_conn_id="clarus_default",
        subdomain=subdomain,
        interval=interval,
        since=now,
        deadline=now + timeout,
    )


def outcomes(*waits: Coroutine[Any, Any, Document]) -> list[Any]:
    """Run waits together in one event loop, and return what each came to: a document, or an error."""

    async def together() -> list[Any]:
        return await asyncio.gather(*waits, return_exceptions=True)

    return asyncio.run(together())


def kinds(results: list[Any]) -> list[type]:
    return [type(result) for result in results]


def polls(sandbox: Sandbox) -> list[LoggedRequest]:
    return [request for request in sandbox.requests if request.endpoint == "graphql"]


def asked(request: LoggedRequest) -> list[int]:
    """Return the documents that a poll asks for."""
    return [int(document_id) for document_id in request.json["variables"]["filter"]["id"]["in"]]


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - it comes true in the sandbox's thread
        await asyncio.sleep(0.01)


def test_a_document_is_returned_when_it_is_available(clarus: Sandbox) -> None:
    (document_id,) = clarus.add_documents(1, 7)
    (document,) = outcomes(wait_for(document_id))
    assert document == Document(document_id, DocumentStatus.AVAILABLE, f"report-7-{document_id}.csv", "csv")


def test_all_are_asked_for_in_batches_of_100_one_request_at_a_time(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "COALESCE", 0.5)
    ids = clarus.add_documents(250, 7)
    clarus.inject(Fault("graphql", delay=0.1))
    assert kinds(outcomes(*(wait_for(document_id) for document_id in ids))) == [Document] * 250

    first_round = polls(clarus)[:3]
    assert [len(asked(request)) for request in first_round] == [100, 100, 50]
    assert sorted(document_id for request in first_round for document_id in asked(request)) == ids
    starts = [request.at for request in first_round]
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(starts))


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


def test_a_trigger_that_joins_is_not_answered_before_its_own_first_look(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)

    async def scenario() -> None:
        early = asyncio.ensure_future(wait_for(document_id))
        await until(lambda: polls(clarus))
        monkeypatch.setattr(poller, "FIRST_LOOK", 1.0)
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
    assert polls(clarus)[0].at - started >= poller.FIRST_LOOK


def test_a_cancelled_trigger_removes_only_itself(clarus: Sandbox) -> None:
    one, other = clarus.add_documents(2, NEVER)

    async def scenario() -> Document:
        cancelled = [asyncio.ensure_future(wait_for(document_id)) for document_id in (one, other)]
        stays = asyncio.ensure_future(wait_for(other))
        await until(lambda: polls(clarus))
        for task in cancelled:
            task.cancel()
        await asyncio.wait(cancelled)
        clarus.documents[other].seconds = 0
        return await stays

    assert asyncio.run(scenario()).id == other
    assert asked(polls(clarus)[-1]) == [other]


def test_the_smallest_interval_counts_for_all(clarus: Sandbox) -> None:
    slow, fast = clarus.add_documents(2, NEVER)
    outcomes(wait_for(slow, interval=60, timeout=1.5), wait_for(fast, interval=0.2, timeout=1.5))
    assert sum(asked(request) == [slow, fast] for request in polls(clarus)) >= 4


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
    assert all(sorted(asked(request)) == ids for request in polls(clarus)[2:])


@pytest.mark.parametrize("waiting", [100, 250, 1000])
def test_the_cost_grows_with_the_hundreds_that_wait(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, waiting: int
) -> None:
    monkeypatch.setattr(poller, "COALESCE", 0.5)
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
    assert sum(len(asked(request)) for request in requests) == 3 * waiting


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
    clarus.add_report(Report(id=9, seconds=0, replica_lag=1.0))
    (document_id,) = clarus.add_documents(1, 9)
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


def test_a_poisoned_document_ends_its_own_waiters_only_and_is_asked_for_alone_from_then_on(
    clarus: Sandbox,
) -> None:
    ids = clarus.add_documents(100, NEVER)
    poison = ids[37]
    clarus.documents[poison].poisoned = True

    async def scenario() -> list[Any]:
        healthy = [document_id for document_id in ids if document_id != poison]
        waits = asyncio.gather(*map(wait_for, healthy))
        with pytest.raises(ClarusRejectedError, match=f"Document {poison} could not be read"):
            await wait_for(poison)
        clarus.requests.clear()
        with pytest.raises(ClarusRejectedError):
            await wait_for(poison)
        for document_id in healthy:
            clarus.documents[document_id].seconds = 0
        return await waits

    assert kinds(asyncio.run(scenario())) == [Document] * 99
    assert {len(asked(request)) for request in polls(clarus) if poison in asked(request)} == {1}


def test_a_document_that_breaks_the_server_does_not_stop_the_others(clarus: Sandbox) -> None:
    poison, *healthy = clarus.add_documents(8, 7)
    clarus.inject(Fault("graphql", status=500, document_id=poison))
    timeout, *documents = outcomes(wait_for(poison, timeout=2), *map(wait_for, healthy))
    assert kinds(documents) == [Document] * 7
    assert isinstance(timeout, ClarusTimeoutError)
    assert "500" in str(timeout)


def test_a_document_that_broke_the_server_for_a_while_is_waited_for_still(clarus: Sandbox) -> None:
    ids = clarus.add_documents(4, 7)
    clarus.inject(Fault("graphql", status=500, document_id=ids[0], for_seconds=1.0))
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 4


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
    monkeypatch.setattr(poller, "LONGEST_PAUSE", 60.0)
    ids = clarus.add_documents(250, 7)
    clarus.inject(Fault("graphql", status=503, times=1))
    outcomes(*map(wait_for, ids))
    first, second, *_ = polls(clarus)
    assert second.at - first.at >= 2


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


def test_a_deadline_has_one_last_look(clarus: Sandbox) -> None:
    late, never = clarus.add_documents(2, NEVER)
    clarus.documents[late].seconds = 0.9
    deadline = time.time() + 1
    results = outcomes(wait_for(late, interval=60, timeout=1), wait_for(never, interval=60, timeout=1))
    assert kinds(results) == [Document, ClarusTimeoutError]
    assert re.search(
        rf"Document {never} in tenant 'acme' was not available after 1 s; its last status was 'processing'",
        str(results[1]),
    )
    assert isinstance(results[1], AirflowSensorTimeout)
    assert len(polls(clarus)) == 2
    assert polls(clarus)[-1].at >= deadline


def test_a_deadline_that_passed_while_the_triggerer_was_down_has_a_last_look_too(clarus: Sandbox) -> None:
    available, never = *clarus.add_documents(1, 7), *clarus.add_documents(1, NEVER)
    clarus.documents[available].seconds = 0
    assert kinds(outcomes(wait_for(available, timeout=-60), wait_for(never, timeout=-60))) == [
        Document,
        ClarusTimeoutError,
    ]


def test_a_last_look_that_fails_says_why(clarus: Sandbox) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)
    clarus.inject(Fault("graphql", status=502, body=HTML_ERROR))
    (error,) = outcomes(wait_for(document_id, timeout=0.5))
    assert isinstance(error, ClarusTimeoutError)
    assert "'not seen yet'. The last look at it failed: " in str(error)
    assert "502 Bad Gateway" in str(error)


def test_a_back_off_yields_to_a_last_look(clarus: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "LONGEST_PAUSE", 60.0)
    (document_id,) = clarus.add_documents(1, 7)
    clarus.inject(
        Fault("graphql", status=502, times=2)
    )  # The look, and the question whether it is an outage.
    assert kinds(outcomes(wait_for(document_id, timeout=1))) == [Document]


def test_a_retry_after_does_not_outlast_a_deadline(clarus: Sandbox) -> None:
    hasty, patient = clarus.add_documents(2, 7)
    clarus.inject(Fault("graphql", status=429, headers={"Retry-After": "2"}, times=1))
    timeout, document = outcomes(wait_for(hasty, timeout=0.5), wait_for(patient))
    assert isinstance(timeout, ClarusTimeoutError)
    assert "429" in str(timeout)
    assert document.id == patient
    assert [len(asked(request)) for request in polls(clarus)] == [2, 1]


def test_tokens_are_renewed_when_they_expire_or_are_revoked(clarus: Sandbox) -> None:
    ids = clarus.add_documents(3, 7)
    clarus.inject(Fault("graphql", before=clarus.revoke_tokens, times=2))
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 3
    assert 2 <= clarus.count("token") <= 3


def test_a_connection_with_new_credentials_is_fetched_when_the_old_ones_are_refused(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)

    async def scenario() -> Document:
        waiting = asyncio.ensure_future(wait_for(document_id))
        await until(lambda: polls(clarus))
        clarus._authority.client_secret = clarus.client_secret = "another"
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_uri)
        clarus.revoke_tokens()
        await asyncio.sleep(0.5)
        clarus.documents[document_id].seconds = 0
        return await waiting

    assert asyncio.run(scenario()).id == document_id


@pytest.mark.parametrize(
    ("fault", "error_class", "says"),
    [
        (Fault("graphql", status=401, body={"error": "Signed out."}), ClarusAuthError, "401: Signed out."),
        (Fault("token", status=401, body={"error": "invalid_client"}), ClarusAuthError, "invalid_client"),
        (
            Fault("graphql", status=403, body={"errors": [{"details": "No."}]}),
            ClarusForbiddenError,
            "403: No.",
        ),
    ],
)
def test_a_refusal_that_stays_ends_all_with_what_was_said(
    clarus: Sandbox, fault: Fault, error_class: type, says: str
) -> None:
    ids = clarus.add_documents(150, NEVER)
    clarus.inject(fault)
    results = outcomes(*map(wait_for, ids))
    assert kinds(results) == [error_class] * 150
    assert says in str(results[0])
    assert len(set(map(id, results))) == 150


def test_a_tenant_or_a_connection_that_does_not_exist_ends_all(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (error,) = outcomes(wait_for(1, subdomain="nobody"))
    assert isinstance(error, ClarusNotFoundError)
    assert "There is no tenant 'nobody'" in str(error)
    monkeypatch.delenv("AIRFLOW_CONN_CLARUS_DEFAULT")
    (error,) = outcomes(wait_for(1))
    assert "no connection 'clarus_default'" in str(error)


def test_two_tenants_of_one_connection_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [Report(id=7, seconds=0, tenant=tenant) for tenant in ("acme", "other")]
    with Sandbox(reports, tenants=("acme", "other")) as clarus:
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_uri)
        ours, theirs = (clarus.add_documents(2, 7, tenant=tenant) for tenant in ("acme", "other"))
        clarus.inject(Fault("graphql", status=403, tenant="other"))
        results = outcomes(*map(wait_for, ours), *(wait_for(number, subdomain="other") for number in theirs))
        assert kinds(results) == [Document] * 2 + [ClarusForbiddenError] * 2
        assert {(request.tenant, *sorted(asked(request))) for request in polls(clarus)} == {
            ("acme", *ours),
            ("other", *theirs),
        }


def test_without_a_filter_for_ids_the_documented_ones_do_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reports = [
        Report(id=7, seconds=0.8),
        Report(id=8, seconds=0.5, outcome="failed"),
        Report(id=9, seconds=60),
    ]
    with Sandbox(reports, id_filter=False) as clarus:
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_uri)
        monkeypatch.setattr(models, "MISSING_GRACE", 0.3)
        ready = clarus.add_documents(120, 7)
        (failed,) = clarus.add_documents(1, 8)
        clarus.add_documents(120, 9)
        *documents, error = outcomes(*map(wait_for, ready), wait_for(failed))

    assert [document.id for document in documents] == ready
    assert isinstance(error, ClarusReportFailedError)
    assert caplog.text.count("It takes no filter for ids") == 1
    unfiltered = [request for request in polls(clarus) if "status" in request.json["variables"]["filter"]]
    assert {request.json["variables"]["filter"]["category"]["eq"] for request in unfiltered} == {"report"}
    # One listing of three pages in the first round, and not one per hundred ids.
    pages = [request for request in unfiltered if request.json["variables"]["first"] == 100]
    assert [request.json["variables"]["after"] is None for request in pages[:4]] == [True, False, False, True]


def test_a_poller_without_waiters_lingers_for_the_next_ones_and_then_closes(clarus: Sandbox) -> None:
    first, second = clarus.add_documents(2, 7)

    async def scenario() -> None:
        await wait_for(first)
        shared = Poller.of("clarus_default", None)
        await wait_for(second)
        assert Poller.of("clarus_default", None) is shared
        assert shared._reader._client
        await shared._task
        await asyncio.sleep(0)
        assert not Poller._running
        assert shared._reader._client is None

    asyncio.run(scenario())
    assert clarus.count("token") == 1


def test_the_end_of_the_event_loop_ends_the_poller(clarus: Sandbox) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)

    async def scenario() -> None:
        waiting = asyncio.ensure_future(wait_for(document_id))
        await until(lambda: polls(clarus))
        assert not waiting.done()

    asyncio.run(scenario())
    assert not Poller._running
    clarus.documents[document_id].seconds = 0
    assert kinds(outcomes(wait_for(document_id))) == [Document]


def test_everybody_hears_of_it_when_the_poller_is_stopped(clarus: Sandbox) -> None:
    async def scenario() -> list[Any]:
        waits = asyncio.gather(wait_for(1), wait_for(2), return_exceptions=True)
        await asyncio.sleep(0)
        Poller.of("clarus_default", None)._task.cancel()
        return await waits

    assert kinds(asyncio.run(scenario())) == [ClarusTransientError] * 2


def test_everybody_hears_of_it_when_the_poller_breaks_and_the_next_one_works(
    clarus: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = clarus.add_documents(3, 7)

    async def scenario() -> None:
        with monkeypatch.context() as bug:
            bug.setattr(reader.ClarusClient, "get_documents", lambda self, ids: 1 / 0)
            errors = await asyncio.gather(*map(wait_for, ids), return_exceptions=True)
        assert kinds(errors) == [ClarusTransientError] * 3
        assert "ZeroDivisionError" in str(errors[0])
        assert kinds(await asyncio.gather(*map(wait_for, ids))) == [Document] * 3

    asyncio.run(scenario())
    assert "ZeroDivisionError" in caplog.text


def test_the_poller_keeps_out_of_its_waiters_logs_and_each_waiter_logs_into_its_own(clarus: Sandbox) -> None:
    task = contextvars.ContextVar[str]("task")
    lines: list[tuple[str, str]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append((task.get("nobody's"), record.getMessage()))

    one, other = clarus.add_documents(2, 7)
    clarus.inject(Fault("graphql", status=503, times=1))

    async def named(name: str, document_id: int) -> Document:
        task.set(name)
        return await wait_for(document_id)

    logger, handler = logging.getLogger("airflow_provider_clarus"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        outcomes(named("one", one), named("other", other))
    finally:
        logger.removeHandler(handler)

    for name, document_id in (("one", one), ("other", other)):
        own = [line for owner, line in lines if owner == name]
        assert own[-1] == f"Document {document_id} in tenant 'acme': not seen yet -> available"
    nobodys = [line for owner, line in lines if owner == "nobody's"]
    assert any("2 documents wait; the next try is in" in line for line in nobodys)
    assert any("Got a token" in line for line in nobodys)


def test_waiters_hear_now_and_then_how_it_is_going(
    clarus: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "HEARTBEAT", 0.6)
    monkeypatch.setattr(poller, "LINES_AT_ONCE", 1)
    caplog.set_level(logging.INFO)
    ids = clarus.add_documents(2, NEVER)
    outcomes(*(wait_for(document_id, timeout=1.5) for document_id in ids))
    clarus.inject(Fault("graphql", status=503))
    outcomes(wait_for(ids[0], timeout=1.5))

    for document_id in ids:
        assert re.search(
            rf"Document {document_id}: (queued|processing) after 1 s. "
            r"The shared poller has 2 documents; requests so far: \d+",
            caplog.text,
        )
    assert re.search(r"not seen yet after 1 s. The last look at it failed: .* 503", caplog.text)
