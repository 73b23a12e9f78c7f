# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("airflow.triggers.shared_stream", reason="watchers share a stream from Airflow 3.3 on")

from airflow_provider_clarus.triggers import _producer
from airflow_provider_clarus.triggers._producer import Producer


def test_no_page_is_read_before_airflow_has_all_events_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []

    async def pages() -> AsyncIterator[int]:
        for number in range(3):
            read.append(number)
            yield number

    stream = SimpleNamespace(of=lambda *place: SimpleNamespace(pages=pages))
    monkeypatch.setattr(_producer, "_import_stream", lambda: stream)

    async def scenario() -> None:
        producer = Producer("clarus_default", None)
        settled: list[Any] = []

        async def consume() -> None:
            async for _, payload in producer.open_stream():
                settled.append(payload)

        consuming = asyncio.ensure_future(consume())
        for count in range(1, 4):
            while len(settled) < count:  # noqa: ASYNC110 - the first import is in a thread
                await asyncio.sleep(0.001)
            for _ in range(20):
                await asyncio.sleep(0)
            assert read == list(range(count))
            await producer.advance([SimpleNamespace(broker_payload=settled[-1])])  # type: ignore[list-item]
        await consuming

    asyncio.run(scenario())
