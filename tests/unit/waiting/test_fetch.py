# SPDX-License-Identifier: Apache-2.0
"""The connection of a shared poller, which Airflow hands out late, or never."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import ClarusConfigError, ClarusTransientError
from airflow_provider_clarus.hooks import connections
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.waiting import _tenant, _waiter, poller, watch
from airflow_provider_clarus.waiting._reader import Reader
from airflow_provider_clarus.waiting._slots import Request
from airflow_provider_clarus.waiting.poller import Poller
from tests.unit.waiting.waiters import in_a_loop

#: Seconds: longer than any test allows.
NEVER = 20.0


class Client:
    """All documents are available through it, until it is closed."""

    connection = SimpleNamespace(tenant="acme")
    has_id_filter = True
    is_closed = False

    def for_tenant(self, subdomain: str | None) -> Client:
        return self

    def close(self) -> None:
        self.is_closed = True

    def get_documents(self, ids: Iterable[int]) -> dict[int, Document]:
        return {number: Document(number, DocumentStatus.AVAILABLE) for number in ids}


Airflow = Callable[..., list[Client]]


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    """Has Airflow take so many seconds for each fetch, the last of them for all that follow."""
    monkeypatch.setattr(_waiter, "FIRST_LOOK", 0.05)
    monkeypatch.setattr(_waiter, "COALESCE", 0.02)
    monkeypatch.setattr(_tenant, "FIRST_REST", 0.1)
    monkeypatch.setattr(poller, "LINGER", 0.1)

    def takes(*seconds: float) -> list[Client]:
        fetches: list[Client] = []

        async def aopen(*_: Any, **__: Any) -> Client:
            fetches.append(Client())
            await asyncio.sleep(seconds[min(len(fetches), len(seconds)) - 1])
            return fetches[-1]

        monkeypatch.setattr(ClarusHook, "aopen", aopen)
        return fetches

    return takes


async def wait_for(document_id: int, *, timeout: float = 30.0, age: float = 0.0) -> Document:
    since = time.time() - age
    return await poller.wait_for(
        document_id, clarus_conn_id="c", subdomain=None, interval=0.1, since=since, deadline=since + timeout
    )


async def ask(subdomain: str) -> str:
    return await Poller.of("c").ask(subdomain, lambda client: f"{subdomain}: {client.connection.tenant}")


@in_a_loop
async def test_a_fetch_that_never_returns_is_given_up_and_the_next_is_made(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "LONGEST_FETCH", 0.3)
    fetches = airflow(NEVER, 0.0)
    # Whoever comes later waits with the others, and not for ever.
    first = asyncio.ensure_future(wait_for(1))
    await asyncio.sleep(0.15)
    second = asyncio.ensure_future(wait_for(2))
    assert [document.id for document in await asyncio.gather(first, second)] == [1, 2]
    assert len(fetches) == 2
    assert "Could not fetch connection 'c': no answer from Airflow" in caplog.text


@in_a_loop
async def test_so_is_one_for_a_question(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LONGEST_FETCH", 0.3)
    airflow(NEVER, 0.0)
    given_up = await asyncio.gather(ask("acme"), ask("globex"), return_exceptions=True)
    assert [type(error) for error in given_up] == [ClarusTransientError] * 2
    assert all("connection 'c': no answer from Airflow" in str(error) for error in given_up)
    assert await ask("acme") == "acme: acme"


@in_a_loop
async def test_a_poller_stays_while_questions_wait_for_the_connection(airflow: Airflow) -> None:
    fetches = airflow(0.5)
    assert await asyncio.gather(ask("acme"), ask("globex")) == ["acme: acme", "globex: acme"]
    assert [client.is_closed for client in fetches] == [False]


@in_a_loop
async def test_a_poller_stays_while_a_question_waits_for_its_turn(airflow: Airflow) -> None:
    airflow(0.0)
    assert await ask("acme") == "acme: acme"
    shared = Poller.of("c")
    shared._slots.count = 0
    waits = asyncio.ensure_future(ask("globex"))
    await asyncio.sleep(0.5)
    shared._slots.count = 1
    assert await waits == "globex: acme"
    assert Poller.of("c") is shared


@in_a_loop
async def test_who_gives_up_leaves_the_fetch_to_the_others(airflow: Airflow) -> None:
    fetches = airflow(0.3)
    gives_up, other = asyncio.ensure_future(ask("acme")), asyncio.ensure_future(ask("globex"))
    await asyncio.sleep(0.1)
    gives_up.cancel()
    assert await other == "globex: acme"
    assert len(fetches) == 1


@in_a_loop
@pytest.mark.parametrize("overdue", [60.0, 0.0, -0.2])
async def test_a_triggerer_that_comes_back_late_looks_before_it_ends_a_wait(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch, overdue: float
) -> None:
    monkeypatch.setattr(watch, "LAST_LOOK", 0.1)
    airflow(0.6)
    assert (await wait_for(1, timeout=3600, age=3600 + overdue)).id == 1


@in_a_loop
async def test_one_that_it_could_not_look_at_is_retried(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LAST_LOOK", 0.1)
    monkeypatch.setattr(_waiter, "LATE_LOOK", 0.5)
    monkeypatch.setattr(connections, "LONGEST_FETCH", 0.2)
    airflow(NEVER)
    with pytest.raises(ClarusTransientError, match="Could not fetch connection 'c': no answer from Airflow"):
        await wait_for(1, timeout=3600, age=3660)


@in_a_loop
async def test_what_may_well_hang_is_asked_about_as_such(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that some room stays free of it: a batch is spoilt, and then each of it is under suspicion."""
    airflow(0.0)
    made: list[Request] = []

    def spoilt(client: Client, ids: Iterable[int]) -> dict[int, Document]:
        if 1 in ids:
            raise ClarusTransientError("500", status=500, may_have_acted=True)
        return {number: Document(number, DocumentStatus.AVAILABLE) for number in ids}

    def request(*facts: Any) -> Request:
        made.append(Request(*facts))
        return made[-1]

    monkeypatch.setattr(Client, "get_documents", spoilt)
    monkeypatch.setattr(poller, "Request", request)
    await asyncio.gather(wait_for(1, timeout=1), wait_for(2), return_exceptions=True)
    assert [(len(one.batch), one.suspect) for one in made[:2]] == [(2, False), (0, True)]
    assert {one.suspect for one in made[2:]} == {True}


@in_a_loop
async def test_a_connection_that_is_refused_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def aopen(*_: Any, **__: Any) -> Client:
        raise ClarusConfigError("needs a password")

    monkeypatch.setattr(ClarusHook, "aopen", aopen)
    with pytest.raises(ClarusConfigError, match="needs a password"):
        await Reader("c").open()
