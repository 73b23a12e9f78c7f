# SPDX-License-Identifier: Apache-2.0
"""The one token that all waits of a connection need: none of them cuts off the request for it."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.oauth import USER
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting import _slots
from tests.integration.waiting.waits import NEVER, kinds, outcomes, until, wait_for

TENANTS = [f"tenant-{number}" for number in range(12)]


@pytest.fixture
def many_tenants(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """More tenants than there is room for, each of which has patience with the others for 0.2 to 0.5 s."""
    monkeypatch.setenv("AIRFLOW__CLARUS__REQUESTS_AT_ONCE", "3")
    monkeypatch.setattr(_slots, "LEAST_PATIENCE", 0.2)
    monkeypatch.setattr(_slots, "MOST_PATIENCE", 0.5)
    reports = [Report(id=7, seconds=0, tenant=name) for name in TENANTS]
    reports += [Report(id=NEVER, seconds=math.inf, tenant=name) for name in TENANTS]
    with Sandbox(reports, tenants=TENANTS) as clarus:
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_uri)
        yield clarus


def test_tenants_that_are_due_let_a_slow_token_come(many_tenants: Sandbox) -> None:
    clarus = many_tenants
    waits = {name: clarus.add_documents(1, NEVER, tenant=name)[0] for name in TENANTS}

    async def scenario() -> list[Document]:
        waiting = [
            asyncio.ensure_future(wait_for(number, subdomain=name, timeout=60))
            for name, number in waits.items()
        ]
        await until(lambda: clarus.count("graphql") > len(TENANTS))
        asked = clarus.count("token")
        clarus.inject(Fault("token", delay=4.0, times=1))
        clarus.revoke_tokens()
        await until(lambda: clarus.count("token") > asked)
        for number in waits.values():
            clarus.documents[number].seconds = 0
        found = await asyncio.gather(*waiting)
        assert clarus.count("token") == asked + 1
        return found

    assert kinds(asyncio.run(scenario())) == [Document] * len(TENANTS)


def test_a_wait_that_is_cancelled_takes_no_refresh_token_with_it(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = clarus.issue_token(USER)["refresh_token"]
    connection = json.loads(clarus.connection_json)
    connection["extra"] = {"grant_type": "refresh_token", "refresh_token": token}
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", json.dumps(connection))
    clarus.inject(Fault("token", delay=1.0, times=1))
    one, other = clarus.add_documents(2, 7)

    async def scenario() -> Document:
        cleared = asyncio.ensure_future(wait_for(one))
        await until(lambda: clarus.count("token"))
        cleared.cancel()
        with suppress(asyncio.CancelledError):
            await cleared
        return await wait_for(other)

    assert asyncio.run(scenario()).id == other
    assert clarus.count("token") == 1


def test_nor_does_the_end_of_the_event_loop(clarus: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A triggerer is told to stop; the next one goes on with what the last has stored."""
    token = clarus.issue_token(USER)["refresh_token"]
    connection = json.loads(clarus.connection_json)
    connection["extra"] = {"grant_type": "refresh_token", "refresh_token": token}
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", json.dumps(connection))
    clarus.inject(Fault("token", delay=1.0, times=1))
    (document_id,) = clarus.add_documents(1, 7)

    async def stopped() -> None:
        asyncio.ensure_future(wait_for(document_id))  # noqa: RUF006 - it is cancelled with the loop
        await until(lambda: clarus.count("token"))

    asyncio.run(stopped())
    assert [thread for thread in threading.enumerate() if thread.name == "clarus-token"]
    assert kinds(outcomes(wait_for(document_id))) == [Document]
    assert clarus.count("token") == 1
