# SPDX-License-Identifier: Apache-2.0
"""A document that the server cannot answer for hurts nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import (
    ClarusTimeoutError,
)
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.waiting.waits import NEVER, asked, kinds, outcomes, polls, wait_for


def test_a_poisoned_document_hurts_no_other_and_is_asked_for_alone_from_then_on(clarus: Sandbox) -> None:
    ids = clarus.add_documents(100, NEVER)
    poison = ids[37]
    clarus.documents[poison].poisoned = True

    async def scenario() -> list[Any]:
        healthy = [document_id for document_id in ids if document_id != poison]
        waits = asyncio.gather(*map(wait_for, healthy))
        with pytest.raises(ClarusTimeoutError, match=f"Document {poison} could not be read"):
            await wait_for(poison, timeout=4)
        clarus.requests.clear()
        with pytest.raises(ClarusTimeoutError, match=f"Document {poison} could not be read"):
            await wait_for(poison, timeout=1)
        for document_id in healthy:
            clarus.documents[document_id].seconds = 0
        return await waits

    assert kinds(asyncio.run(scenario())) == [Document] * 99
    assert {len(asked(request)) for request in polls(clarus) if poison in asked(request)} == {1}


def test_a_document_that_breaks_the_server_does_not_stop_the_others(clarus: Sandbox) -> None:
    poison, *healthy = clarus.add_documents(8, 7)
    clarus.inject(Fault("graphql", status=500, document_id=poison))
    timeout, *documents = outcomes(wait_for(poison, timeout=4), *map(wait_for, healthy))
    assert kinds(documents) == [Document] * 7
    assert isinstance(timeout, ClarusTimeoutError)
    assert "500" in str(timeout)


def test_a_document_that_broke_the_server_for_a_while_is_waited_for_still(clarus: Sandbox) -> None:
    ids = clarus.add_documents(4, 7)
    clarus.inject(Fault("graphql", status=500, document_id=ids[0], for_seconds=1.0))
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 4


@pytest.mark.long
def test_those_who_met_a_poisoned_document_have_their_turn_where_others_are_always_due(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CLARUS__REQUESTS_AT_ONCE", "1")
    poison, *innocent = clarus.add_documents(20, 7)
    clarus.documents[poison].poisoned = True
    others = clarus.add_documents(400, NEVER)
    # As many as there is time to answer for: with one request at a time, there is never an idle moment.
    clarus.inject(Fault("graphql", delay=0.1))

    async def scenario() -> list[Any]:
        always_due = [asyncio.ensure_future(wait_for(number, interval=0.1, timeout=60)) for number in others]
        waits = [wait_for(number, interval=0.1, timeout=15) for number in [poison, *innocent]]
        results = await asyncio.gather(*waits, return_exceptions=True)
        for wait in always_due:
            wait.cancel()
        await asyncio.wait(always_due)
        return results

    timeout, *documents = asyncio.run(scenario())
    assert isinstance(timeout, ClarusTimeoutError)
    assert kinds(documents) == [Document] * 19
