# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("airflow.triggers.shared_stream", reason="watchers share a stream from Airflow 3.3 on")

from airflow_provider_clarus.api.feed import Listed
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.triggers.documents import ClarusDocumentsTrigger
from airflow_provider_clarus.watching.ledger import Ledger
from airflow_provider_clarus.watching.member import Shown
from airflow_provider_clarus.watching.stream import Stream
from tests.integration.triggers.watchers import Accessors, AssetStore


def test_what_a_page_tells_of_is_kept_with_the_next_one_when_its_events_are_in_the_database() -> None:
    """Kept any sooner, it would be lost with a triggerer that is killed in between."""
    store = AssetStore()

    def kept() -> set[int]:
        return Ledger.from_dict(store.state).done

    async def scenario() -> None:
        trigger = ClarusDocumentsTrigger()
        trigger.asset_state_store = Accessors(store)
        stream = Stream.of("clarus_default", None)

        async def pages() -> AsyncIterator[Shown]:
            (member,) = stream._members
            member.start("acme", 10, [])
            yield Shown("acme", [Listed(number, DocumentStatus.AVAILABLE) for number in (11, 12)])
            yield Shown("acme", [Listed(13, DocumentStatus.AVAILABLE)])

        events = trigger.filter_shared_stream(pages())
        told = []
        for before in (set(), set(), {11, 12}):
            event = await anext(events)
            told.append(event.payload["id"])  # type: ignore[index]
            assert kept() == before
        assert told == [11, 12, 13]
        await events.aclose()  # type: ignore[attr-defined]
        assert not stream._members

    asyncio.run(scenario())
