# SPDX-License-Identifier: Apache-2.0
"""Run watchers as a triggerer does, with Airflow's own sharing, and kill them at will."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

pytest.importorskip("airflow.triggers.shared_stream", reason="watchers share a stream from Airflow 3.3 on")

from airflow.triggers.shared_stream import SharedStreamManager

from airflow_provider_clarus.triggers.documents import ClarusDocumentsTrigger
from tests.integration.tasks import restored


class AssetStore:
    """What is kept for one asset: it has been through JSON."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.is_away = False

    async def aget(self, key: str, default: Any = None) -> Any:
        self._be_there()
        return json.loads(self.values[key]) if key in self.values else default

    async def aset(self, key: str, value: Any) -> None:
        self._be_there()
        self.values[key] = json.dumps(value)

    def _be_there(self) -> None:
        if self.is_away:
            raise ConnectionError("Airflow's API is away")

    @property
    def state(self) -> dict[str, Any]:
        [value] = self.values.values()
        return dict(json.loads(value))


class Accessors:
    """The stores of a trigger's assets, as Airflow hands them to it."""

    def __init__(self, *stores: AssetStore) -> None:
        self._by_name = {f"asset-{number}": store for number, store in enumerate(stores)}


class Database:
    """What outlives a triggerer: its events, by trigger, and what is kept for its assets."""

    def __init__(self) -> None:
        self.events: dict[str, Counter[int]] = {}
        self.payloads: list[dict[str, Any]] = []
        self.stores: dict[str, AssetStore] = {}

    def told(self, name: str = "watcher") -> Counter[int]:
        return self.events.setdefault(name, Counter())


class Triggerer:
    """Runs triggers as Airflow's does: their events reach the database now and then, and are confirmed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.most_at_once = 0
        self._manager = SharedStreamManager()
        self._events: list[tuple[str, Any, int | None]] = []
        self._confirmed: list[int] = []
        self._names: dict[str, asyncio.Task[None]] = {}

    def start(self, trigger: ClarusDocumentsTrigger, name: str = "watcher", *assets: str) -> None:
        copy = restored(trigger)
        stores = [self.database.stores.setdefault(asset, AssetStore()) for asset in assets or (name,)]
        copy.asset_state_store = Accessors(*stores)
        self._names[name] = asyncio.create_task(self._run(copy, name, len(self._names)))

    async def _run(self, trigger: ClarusDocumentsTrigger, name: str, number: int) -> None:
        key = trigger.shared_stream_key()
        assert key
        shared = self._manager.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(shared):
                seq = self._manager.bind_pending_event(trigger_id=number, key=key)
                self._events.append((name, event, seq))
        finally:
            await self._manager.unsubscribe(number, key)

    async def sync(self) -> None:
        """Put the events into the database, and confirm those of the round before."""
        while True:
            self._manager.confirm_persisted(self._confirmed)
            self._confirmed.clear()
            self.most_at_once = max(self.most_at_once, len(self._events))
            for name, event, seq in self._events:
                payload = json.loads(json.dumps(event.payload))
                self.database.told(name)[payload["id"]] += 1
                self.database.payloads.append(payload)
                if seq is not None:
                    self._confirmed.append(seq)
            self._events.clear()
            # Long enough for a page or two to be read meanwhile, if anything read ahead.
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """End at once: whatever is on its way is lost."""
        for task in self._names.values():
            task.cancel()
        for task in self._names.values():
            with suppress(asyncio.CancelledError):
                await task
        await self._manager.stop_all()


@asynccontextmanager
async def triggerer(database: Database) -> AsyncIterator[Triggerer]:
    one = Triggerer(database)
    syncing = asyncio.create_task(one.sync())
    try:
        yield one
    finally:
        syncing.cancel()
        await one.kill()


async def until(condition: Callable[[], object], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
