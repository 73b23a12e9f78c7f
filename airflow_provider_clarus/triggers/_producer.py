# SPDX-License-Identifier: Apache-2.0
"""Read for all watchers of one connection and tenant, a page at a time, on Airflow 3.3 and later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from airflow_provider_clarus.waiting.threads import in_thread


class Producer(SharedStreamProducer):
    """Hands out the pages of a stream; the next one when all events of the one before are in the database."""

    def __init__(self, clarus_conn_id: str, subdomain: str | None) -> None:
        self._place = clarus_conn_id, subdomain

    async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
        """Yield pages, each with what tells that it was dealt with."""
        stream = (await in_thread(_import_stream)).of(*self._place)
        async for shown in stream.pages():
            settled = asyncio.Event()
            yield shown, settled
            await settled.wait()

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Let the stream go on; what one watcher has failed to take, it finds again when it begins anew."""
        for item in batch:
            item.broker_payload.set()


def _import_stream() -> Any:
    from airflow_provider_clarus.watching.stream import Stream

    return Stream
