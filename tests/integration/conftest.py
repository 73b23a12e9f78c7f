# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest
from airflow.providers.common.compat import sdk
from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_clarus import durable
from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.http import retries
from airflow_provider_clarus.landing import document as landing_document
from airflow_provider_clarus.policy import patience
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.variables import settle
from airflow_provider_clarus.waiting import _reader, _tenant, _waiter, poller, watch
from airflow_provider_clarus.waiting import wait as waiting_wait

Connect: TypeAlias = Callable[..., ClarusClient]


@pytest.fixture
def connect(sandbox: Sandbox) -> Iterator[Connect]:
    """Make clients of a sandbox: of ``sandbox``, or of another; with changed settings, if any."""
    with ExitStack() as open_clients:

        def connect(to: Sandbox = sandbox, attempts: int = 3, **changes: Any) -> ClarusClient:
            connection = Connection(conn_id="clarus_default", **json.loads(to.connection_json))
            settings = replace(ClarusConnection.from_airflow(connection), **changes)
            return open_clients.enter_context(closing(ClarusClient(settings, attempts=attempts)))

        yield connect


@pytest.fixture
def client(connect: Connect) -> ClarusClient:
    """A client of the sandbox."""
    return connect()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the client's pauses between its tries; the unit tests measure them."""
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture(autouse=True)
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test that waits in its worker look more often than a DAG may."""
    monkeypatch.setattr(settle, "SHORTEST_INTERVAL", 0.05)


@pytest.fixture(autouse=True)
def _short_doubts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a token that is refused be asked for again after less than the real five seconds."""
    monkeypatch.setattr(patience, "TOKEN_PAUSE", 0.3)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shared poller of the triggers look at once."""
    for name, seconds in {"FIRST_LOOK": 0.2, "COALESCE": 0.05}.items():
        monkeypatch.setattr(_waiter, name, seconds)
    # An answer takes longer than that on a busy machine: test_hanging.py has the real one.
    monkeypatch.setattr(watch, "LAST_LOOK", 6.0)
    monkeypatch.setattr(poller, "LINGER", 0.3)
    monkeypatch.setattr(_tenant, "LONGEST_REST", 0.2)
    monkeypatch.setattr(_reader, "FETCHED_FOR", 0.1)


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused twice, within half a second, is final."""
    for refused in patience.PATIENCE:
        monkeypatch.setitem(patience.PATIENCE, refused, patience.Patience(2, 0.5))


@pytest.fixture
def document(sandbox: Sandbox) -> int:
    """A document of report 7 that is available."""
    (document_id,) = sandbox.add_documents(1, 7)
    sandbox.documents[document_id].seconds = 0
    return document_id


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that only sleep moves, for waits and patience; their requests are real."""
    clock = SimpleNamespace(now=time.time())

    def sleep(seconds: float) -> None:
        clock.now += seconds

    moved = SimpleNamespace(time=lambda: clock.now, monotonic=lambda: clock.now, sleep=sleep)
    for module in (waiting_wait, retries, landing_document, durable):
        monkeypatch.setattr(module, "time", moved)
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    return clock


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What Airflow collects of a task, as it does when a plugin reads it; OpenLineage is one."""
    collector = sdk.HookLineageCollector()
    for name in ("airflow.providers.common.compat.sdk", "airflow.sdk.lineage", "airflow.lineage.hook"):
        with suppress(ModuleNotFoundError):
            module = importlib.import_module(name)
            monkeypatch.setattr(module, "get_hook_lineage_collector", lambda: collector, raising=False)
    return get_hook_lineage_collector()
