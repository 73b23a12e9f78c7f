# SPDX-License-Identifier: Apache-2.0
"""What goes wrong for one, or for a moment, ends nobody else's wait."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from typing import Any

import pytest

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusTimeoutError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting import watch
from tests.integration.waiting.waits import NEVER, kinds, outcomes, polls, until, wait_for


def says(message: str) -> dict[str, Any]:
    return {"data": None, "errors": [{"message": message}]}


STRAY = {
    "internal": Fault("graphql", status=200, body=says("Internal server error"), times=1),
    "timeout": Fault("graphql", status=200, body=says("Timeout on Query.documents"), times=1),
    "throttled": Fault("graphql", status=200, body=says("Throttled"), times=1),
    "408": Fault("graphql", status=408, times=1),
    "400": Fault("graphql", status=400, body=HTML_ERROR, times=1),
    "302": Fault("graphql", status=302, headers={"Location": "/sign-in"}, times=1),
}


@pytest.mark.parametrize("fault", STRAY.values(), ids=STRAY)
def test_one_stray_answer_ends_nothing(clarus: Sandbox, fault: Fault) -> None:
    (document_id,) = clarus.add_documents(1, 7)
    clarus.inject(fault)
    assert kinds(outcomes(wait_for(document_id))) == [Document]


def test_stray_answers_now_and_then_end_nothing(clarus: Sandbox) -> None:
    ids = clarus.add_documents(50, 7)
    for _ in range(10):
        clarus.inject(STRAY["internal"])
        clarus.inject(Fault("graphql", times=1))
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 50


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("body", [HTML_ERROR, {"errors": [{"details": "No."}]}])
def test_two_refusals_within_a_second_end_nothing(clarus: Sandbox, status: int, body: Any) -> None:
    ids = clarus.add_documents(300, 7)
    clarus.inject(Fault("graphql", status=status, body=body, times=2))
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 300


def test_two_ended_tokens_in_a_row_end_nothing(clarus: Sandbox) -> None:
    ids = clarus.add_documents(10, 7)
    clarus.inject(Fault("graphql", status=401, body={"error": "Signed out."}, times=4))
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 10


@pytest.mark.parametrize("interval", ["5", None])
def test_an_interval_that_makes_no_sense_hurts_nobody_else(clarus: Sandbox, interval: Any) -> None:
    ids = clarus.add_documents(20, 7)
    odd = wait_for(clarus.add_documents(1, NEVER)[0], interval=interval, timeout=3)
    *documents, _ = outcomes(*map(wait_for, ids), odd)
    assert kinds(documents) == [Document] * 20


def test_no_thread_to_be_had_ends_nothing(clarus: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = clarus.add_documents(20, 7)
    start, failures = threading.Thread.start, iter(range(3))

    def starts(thread: threading.Thread) -> None:
        # The loop's own executor in an earlier release, ours since.
        if (
            thread.name.startswith(("clarus-waiting", "clarus-token", "asyncio_"))
            and next(failures, None) is not None
        ):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starts)
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 20


def test_an_answer_that_one_wait_cannot_take_ends_that_wait_alone(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    take = watch.Watch.take
    odd, *ids = clarus.add_documents(20, 7)

    def takes(self: watch.Watch, *args: Any, **kwargs: Any) -> Document | None:
        return 1 // 0 if self.document_id == odd else take(self, *args, **kwargs)  # type: ignore[return-value]

    monkeypatch.setattr(watch.Watch, "take", takes)
    broken, *documents = outcomes(wait_for(odd), *map(wait_for, ids))
    assert "ZeroDivisionError" in str(broken)
    assert kinds(documents) == [Document] * 19
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("hung", [1, *(pytest.param(more, marks=pytest.mark.long) for more in (5, 20))])
def test_documents_that_hang_hold_up_no_other(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, hung: int
) -> None:
    # Those that hang have a last look each, of the real length: none of them is answered.
    monkeypatch.setattr(watch, "LAST_LOOK", 1.5)
    extra = clarus.connection_uri + "?timeout=1"
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", extra)
    ids = clarus.add_documents(100, 7)
    for document_id in ids[:hung]:
        clarus.inject(Fault("graphql", delay=10, document_id=document_id))
    ended: dict[int, float] = {}
    begun = time.monotonic()

    async def one(document_id: int, timeout: float) -> Any:
        try:
            return await wait_for(document_id, timeout=timeout)
        finally:
            ended[document_id] = time.monotonic() - begun

    results = outcomes(*(one(number, 8 if number in ids[:hung] else 120) for number in ids))
    assert kinds(results) == [ClarusTimeoutError] * hung + [Document] * (100 - hung)
    print(f"{hung} hang: the last ready one after {max(ended[number] for number in ids[hung:]):.1f} s")
    assert max(ended[number] for number in ids[hung:]) < 8 + 20 * (hung == 20)
    assert max(ended[number] for number in ids[:hung]) < 8 + 5


@pytest.mark.long
def test_tenants_that_hang_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    tenants = [f"tenant-{number}" for number in range(41)]
    with Sandbox([Report(id=7, seconds=0, tenant=name) for name in tenants], tenants=tenants) as clarus:
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_uri)
        documents = {name: clarus.add_documents(1, 7, tenant=name)[0] for name in tenants}
        for name in tenants[:40]:
            clarus.inject(Fault("graphql", delay=60, tenant=name))
        ended: dict[str, float] = {}

        async def one(name: str) -> Any:
            begun = time.monotonic()
            timeout = 5 if name in tenants[:40] else 120
            try:
                return await wait_for(documents[name], subdomain=name, timeout=timeout)
            except ClarusTimeoutError:
                return None
            finally:
                ended[name] = time.monotonic() - begun

        async def scenario() -> float:
            waits = [asyncio.ensure_future(one(name)) for name in tenants]
            await until(lambda: polls(clarus))
            begun = time.monotonic()
            await asyncio.to_thread(lambda: None)
            elses = time.monotonic() - begun
            await asyncio.gather(*waits)
            return elses

        elses = asyncio.run(scenario())
        healthy, slowest = ended[tenants[-1]], max(ended.values())
        print(f"healthy after {healthy:.1f} s, timeouts after {slowest:.1f} s, to_thread {elses:.2f} s")
        assert healthy < 15
        assert slowest < 15
        assert elses < 5


@pytest.mark.long
def test_a_connection_that_is_never_fetched_holds_no_wait(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(3600)

    monkeypatch.setattr(ClarusHook, "aopen", never)

    async def scenario() -> Any:
        return await asyncio.wait_for(wait_for(1, timeout=1), 20)

    begun = time.monotonic()
    with pytest.raises(ClarusTimeoutError):
        asyncio.run(scenario())
    assert time.monotonic() - begun < 10


def test_one_who_is_impatient_makes_nobody_else_look_more_often(clarus: Sandbox) -> None:
    patient = clarus.add_documents(500, NEVER)
    (impatient,) = clarus.add_documents(1, NEVER)

    async def scenario() -> None:
        waits = [asyncio.ensure_future(wait_for(number, interval=60, timeout=60)) for number in patient]
        waits.append(asyncio.ensure_future(wait_for(impatient, interval=0.4, timeout=60)))
        await asyncio.sleep(6)
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)

    asyncio.run(scenario())
    # One for each look of the impatient one, and one round of five for the others.
    assert len(polls(clarus)) < 1.3 * 6 / 0.4 + 6


@pytest.mark.parametrize(
    "seconds", [-3600, *(pytest.param(other, marks=pytest.mark.long) for other in (-20, 3600))]
)
def test_a_clock_that_is_set_hurts_nobody(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    late, never = clarus.add_documents(2, NEVER)
    real = time.time

    async def scenario() -> list[Any]:
        waits = asyncio.gather(wait_for(late, timeout=60), wait_for(never, timeout=4), return_exceptions=True)
        await until(lambda: polls(clarus))
        monkeypatch.setattr(time, "time", lambda: real() + seconds)
        clarus.documents[late].created, clarus.documents[late].seconds = real() - 1e6, 0
        begun = time.monotonic()
        results = await waits
        assert time.monotonic() - begun < 12
        return results

    document, timeout = asyncio.run(scenario())
    assert document.id == late
    assert isinstance(timeout, ClarusTimeoutError)
    # And not after an hour; a busy machine is late.
    assert re.search("after [4-9] s", str(timeout))
