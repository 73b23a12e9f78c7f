# SPDX-License-Identifier: Apache-2.0
"""Waits of the shared poller, and what became of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting import poller

NEVER = 8
"""A report that is never ready."""


def wait_for(
    document_id: int, *, subdomain: str | None = None, interval: float = 0.2, timeout: float = 30
) -> Coroutine[Any, Any, Document]:
    now = time.time()
    return poller.wait_for(
        document_id,
        clarus_conn_id="clarus_default",
        subdomain=subdomain,
        interval=interval,
        since=now,
        deadline=now + timeout,
    )


def outcomes(*waits: Coroutine[Any, Any, Document]) -> list[Any]:
    """Run waits together in one event loop, and return what each came to: a document, or an error."""

    async def together() -> list[Any]:
        return await asyncio.gather(*waits, return_exceptions=True)

    return asyncio.run(together())


def kinds(results: list[Any]) -> list[type]:
    return [type(result) for result in results]


def polls(sandbox: Sandbox) -> list[LoggedRequest]:
    return [request for request in sandbox.requests if request.endpoint == "graphql"]


def asked(request: LoggedRequest) -> list[int]:
    """Return the documents that a poll asks for."""
    return [int(document_id) for document_id in request.json["variables"]["filter"]["id"]["in"]]


async def until(condition: Callable[[], object]) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + 120, "it never came true"
        await asyncio.sleep(0.01)  # it comes true in the sandbox's thread


def when(condition: Callable[[], object], act: Callable[[], object]) -> None:
    """Do something, in a thread of its own, as soon as a condition holds."""

    def run() -> None:
        while not condition():
            time.sleep(0.01)
        act()

    threading.Thread(target=run, daemon=True).start()
