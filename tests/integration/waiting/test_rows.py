# SPDX-License-Identifier: Apache-2.0
"""Rows of the table of what was shared (docs/waiting-together.md) that have no other place."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from typing import Any

import pytest
import requests

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.http.transport import PlainAdapter
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.variables import settle
from tests.integration.tasks import context
from tests.integration.waiting.waits import NEVER, kinds, outcomes, polls, until, wait_for, when


@pytest.mark.parametrize("interval", [0, "0", 0.001])
def test_an_interval_of_nothing_is_a_second_in_a_worker(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, interval: Any
) -> None:
    monkeypatch.setattr(settle, "SHORTEST_INTERVAL", 1.0)
    (document_id,) = clarus.add_documents(1, NEVER)
    task = ClarusDocumentSensor(
        task_id="wait", document_id=document_id, poke_interval=interval, timeout=60, deferrable=False
    )
    when(lambda: len(polls(clarus)) >= 5, lambda: setattr(clarus.documents[document_id], "seconds", 0))
    task.execute(context())
    # It looks from then on, a little apart, and a busy machine is late.
    times = [request.at for request in polls(clarus)]
    assert all(later - earlier > 0.7 for earlier, later in itertools.pairwise(times))


def untrusted(host: str) -> requests.exceptions.SSLError:
    error = requests.exceptions.SSLError(f"HTTPSConnectionPool(host={host!r}): certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError(1, "certificate has expired")
    return error


@pytest.mark.usefixtures("impatience")
def test_a_certificate_that_has_expired_for_a_while_ends_nothing(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good before and after; refused long enough that it would be final of a connection that never worked."""
    ids = clarus.add_documents(10, NEVER)
    send, refused = PlainAdapter.send, [0]

    def expired(*args: Any, **kwargs: Any) -> requests.Response:
        refused[0] += 1
        raise untrusted("clarus.test")

    async def scenario() -> list[Any]:
        waits = asyncio.gather(*map(wait_for, ids), return_exceptions=True)
        await until(lambda: any(request.status for request in polls(clarus)))
        with monkeypatch.context() as patch:
            patch.setattr(PlainAdapter, "send", expired)
            await until(lambda: refused[0] >= 8)
        assert PlainAdapter.send is send
        for document_id in ids:
            clarus.documents[document_id].seconds = 0
        return await waits

    assert kinds(asyncio.run(scenario())) == [Document] * 10


@pytest.mark.usefixtures("impatience")
def test_a_certificate_that_was_never_trusted_ends_the_waits(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expired(*args: Any, **kwargs: Any) -> requests.Response:
        raise untrusted("clarus.test")

    monkeypatch.setattr(PlainAdapter, "send", expired)
    begun = time.monotonic()
    (error,) = outcomes(wait_for(1, timeout=60))
    assert isinstance(error, ClarusError)
    assert "extra verify" in str(error)
    assert time.monotonic() - begun < 30


@pytest.mark.usefixtures("impatience")
def test_the_word_certificate_is_no_certificates_error(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = clarus.add_documents(10, 7)
    send, failed = PlainAdapter.send, [0]

    def fails(*args: Any, **kwargs: Any) -> requests.Response:
        failed[0] += 1
        if failed[0] <= 4:
            raise requests.exceptions.SSLError("host certificate.test: certificate verify failed: EOF")
        return send(*args, **kwargs)

    monkeypatch.setattr(PlainAdapter, "send", fails)
    clarus.inject(Fault("graphql", status=502, body="no certificate today", times=2))
    assert kinds(outcomes(*map(wait_for, ids))) == [Document] * 10
