# SPDX-License-Identifier: Apache-2.0
"""A wait is over two seconds after its deadline, whatever hangs: in a worker and in the triggerer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, BaseHook

from airflow_provider_clarus.exceptions import ClarusError, ClarusTimeoutError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.waiting import _waiter, watch
from airflow_provider_clarus.waiting.wait import Wait
from tests.integration.tasks import context, run
from tests.integration.waiting.waits import NEVER, polls, until, wait_for, when

ALLOWED = 2.0
"""Seconds after its deadline."""
BUSY = 6.0
"""Seconds that a worker on a busy machine may be late, too: far less than what hangs lasts."""
HANGS = 60.0
REAL = [
    (_waiter, "FIRST_LOOK", _waiter.FIRST_LOOK),
    (_waiter, "COALESCE", _waiter.COALESCE),
    (watch, "LAST_LOOK", watch.LAST_LOOK),
]
"""What the other tests change, being in a hurry."""


def server(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.inject(Fault("graphql", delay=HANGS))


def dripping_errors(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.inject(Fault("graphql", delay=0.7, status=503, headers={"Retry-After": "5"}))


def token_endpoint(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.inject(Fault("token", delay=HANGS))


def lock(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.inject(Fault("token", delay=HANGS, times=1))
    holder = ClarusHook().client
    threading.Thread(target=lambda: quietly(lambda: holder.get_document(1)), daemon=True).start()
    while not sandbox.count("token"):
        time.sleep(0.01)


def connection_fetch(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*args: Any) -> Any:
        await asyncio.sleep(HANGS)

    monkeypatch.setattr(BaseHook, "get_connection", lambda *args: time.sleep(HANGS))
    monkeypatch.setattr("airflow.providers.common.compat.connection.get_async_connection", never)


def quietly(call: Callable[[], Any]) -> None:
    with suppress(ClarusError):
        call()


whatever_hangs = pytest.mark.parametrize(
    "hang",
    [server, dripping_errors, token_endpoint, lock, connection_fetch],
    ids=lambda hang: hang.__name__,
)


@pytest.fixture(autouse=True)
def _in_no_hurry(_hurry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, seconds in REAL:
        monkeypatch.setattr(module, name, seconds)


def ended_in_time(document_id: int, timeout: float) -> BaseException | None:
    async def scenario() -> BaseException | None:
        wait = asyncio.ensure_future(wait_for(document_id, timeout=timeout))
        # A timer of the same event loop: a busy machine holds up both.
        await asyncio.wait([wait], timeout=max(0.0, timeout) + ALLOWED)
        assert wait.done()
        return wait.exception()

    return asyncio.run(scenario())


@whatever_hangs
@pytest.mark.parametrize(
    "timeout", [-60.0, 1.0, *(pytest.param(other, marks=pytest.mark.long) for other in (0.0, 3.0))]
)
def test_in_the_triggerer(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, hang: Callable[..., None], timeout: float
) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)
    hang(clarus, monkeypatch)
    assert isinstance(ended_in_time(document_id, timeout), ClarusTimeoutError)


def test_in_the_triggerer_after_signs_of_life(clarus: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are given by the timer that keeps the deadline."""
    monkeypatch.setattr(_waiter, "HEARTBEAT", 0.2)
    (document_id,) = clarus.add_documents(1, NEVER)
    server(clarus, monkeypatch)
    assert isinstance(ended_in_time(document_id, 1.0), ClarusTimeoutError)


def test_of_one_tenant_in_the_triggerer(clarus_default: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_waiter, "FIRST_LOOK", 1.0)
    (document_id,) = clarus_default.add_documents(1, 7)
    clarus_default.inject(Fault("graphql", delay=HANGS, tenant="globex"))

    async def scenario() -> None:
        hung = [asyncio.ensure_future(wait_for(n, subdomain="globex", timeout=3)) for n in range(1, 301)]
        await until(lambda: polls(clarus_default))
        late = asyncio.ensure_future(wait_for(document_id, timeout=30))
        await asyncio.wait(hung, timeout=3 + ALLOWED)
        assert all(wait.done() for wait in hung)
        assert (await late).id == document_id

    asyncio.run(scenario())


@whatever_hangs
@pytest.mark.parametrize(
    "timeout", [1.0, *(pytest.param(other, marks=pytest.mark.long) for other in (0.0, 3.0))]
)
def test_in_a_worker(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, hang: Callable[..., None], timeout: float
) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)
    hang(clarus, monkeypatch)
    begun = time.monotonic()
    with pytest.raises(ClarusTimeoutError, match=f"Document {document_id}"):
        Wait(ClarusHook(), document_id, interval=10, timeout=timeout).block()
    assert time.monotonic() - begun < timeout + ALLOWED + BUSY


@pytest.mark.long
@pytest.mark.parametrize("deferrable", [False, True])
@whatever_hangs
def test_in_a_sensor(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, hang: Callable[..., None], deferrable: bool
) -> None:
    """A timeout that is shorter than the interval is kept, too; so short a wait stays in its worker."""
    (document_id,) = clarus.add_documents(1, NEVER)
    hang(clarus, monkeypatch)
    begun = time.monotonic()
    with pytest.raises((AirflowSensorTimeout, ClarusError)):
        ClarusDocumentSensor(
            task_id="wait",
            document_id=document_id,
            subdomain="acme",
            poke_interval=30,
            timeout=3,
            deferrable=deferrable,
        ).execute(context())
    assert time.monotonic() - begun < 3 + ALLOWED + BUSY


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_looks_at_its_deadline(clarus: Sandbox, deferrable: bool) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)
    document = clarus.documents[document_id]
    when(lambda: any(poll.status for poll in polls(clarus)), lambda: setattr(document, "seconds", 0))
    outcome = run(
        lambda: ClarusDocumentSensor(
            task_id="wait", document_id=document_id, poke_interval=30, timeout=2, deferrable=deferrable
        )
    )
    assert outcome["id"] == document_id
    assert len(polls(clarus)) == 2


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_set_moves_no_workers_deadline(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)
    wait = Wait(ClarusHook(), document_id, interval=0.3, timeout=2)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)
    begun = time.monotonic()
    with pytest.raises(ClarusTimeoutError, match="after 2 s"):
        wait.block()
    assert 1.9 < time.monotonic() - begun < 2 + ALLOWED + BUSY
    assert len(polls(clarus)) > 2
