# SPDX-License-Identifier: Apache-2.0
"""Misbehave on demand: a rate limit, a timeout, an outage, a broken answer, and which requests meet it."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_clarus.sandbox.clock import Clock
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest

HTML_ERROR = """<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>
"""


@dataclass(frozen=True)
class Fault:
    """What goes wrong at one endpoint: what comes before the answer, one kind of answer, and when.

    Examples: ``Fault("graphql", status=429, headers={"Retry-After": "1"}, times=2)``;
    ``Fault("download", status=502, body=HTML_ERROR)``; ``Fault("generate", acts=True, reset=True)``;
    ``Fault("graphql", delay=5.0)``; ``Fault("file", cut_at=1000, times=1)``.
    """

    endpoint: str
    """``token``, ``authorize``, ``reports``, ``generate``, ``graphql``, ``download`` or ``file``."""

    before: Callable[[], object] | None = None
    """Called first, for example ``sandbox.revoke_tokens`` or ``document.change_content``."""

    acts: bool = False
    """The endpoint does its work, but its answer is thrown away. Without anything else, the connection is
    reset."""

    delay: float = 0.0
    """Seconds before anything is answered."""

    raw: bytes | None = None
    """Exactly these bytes are the answer, status line and all; then the connection is closed."""

    status: int | None = None
    """Another answer, with ``headers`` and ``body``."""

    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | Mapping[str, Any] = b""

    reset: bool = False
    """The connection is reset instead of an answer."""

    cut_at: int | None = None
    """The real answer's body ends after so many bytes: too early for its ``Content-Length``."""

    content_length: bool = True
    """``False``: the answer has no ``Content-Length``, so that a body that was cut looks complete."""

    times: int | None = None
    """How many requests it hits; ``None``: all until it is cleared."""

    for_seconds: float | None = None
    """How long it lasts, counted from when it is injected."""

    tenant: str | None = None
    """Hits only requests with this tenant header."""

    asks_for: str = ""
    """Hits only requests with this text in their body, such as ``report_query``."""

    document_id: int | None = None
    """Hits only requests for this document, in the path or in a GraphQL filter for ids."""


class Faults:
    """The faults in force, the oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._active: list[_Active] = []

    def inject(self, fault: Fault) -> None:
        """Put a fault in force."""
        seconds = math.inf if fault.for_seconds is None else fault.for_seconds
        times = math.inf if fault.times is None else fault.times
        self._active.append(_Active(fault, self._clock.monotonic() + seconds, times))

    def clear(self) -> None:
        """Let everything work again."""
        self._active = []

    def take(self, request: LoggedRequest) -> Fault | None:
        """Return the fault that hits a request, and count it."""
        for active in self._active:
            if active.hits(request, self._clock.monotonic()):
                active.times_left -= 1
                return active.fault
        return None


@dataclass
class _Active:
    fault: Fault
    end: float
    times_left: float

    def hits(self, request: LoggedRequest, now: float) -> bool:
        fault = self.fault
        return (
            fault.endpoint == request.endpoint
            and self.times_left > 0
            and now < self.end
            and fault.tenant in (None, request.tenant)
            and fault.asks_for.encode() in request.body
            and (fault.document_id is None or request.concerns(fault.document_id))
        )


async def misbehave(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request as ``fault`` wants it."""
    if fault.before:
        fault.before()
    if fault.acts:
        await app(scope, receive, _discard)
    if fault.delay:
        await asyncio.sleep(fault.delay)
    transport: asyncio.Transport = scope["state"]["transport"]
    if fault.raw is not None:
        transport.write(fault.raw)
        transport.close()
        await _disconnected(receive)
    elif fault.status is not None:
        await _answer(fault, fault.status, send)
    elif fault.reset or fault.acts:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
        await _disconnected(receive)
    elif fault.cut_at is not None or not fault.content_length:
        await _cut(fault, app, scope, receive, send)
    else:
        await app(scope, receive, send)


async def _answer(fault: Fault, status: int, send: Send) -> None:
    body = fault.body
    content_type = "text/html" if isinstance(body, str) else "application/json"
    if isinstance(body, Mapping):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    headers = {"content-type": content_type, "content-length": str(len(body))}
    headers |= {name.lower(): value for name, value in fault.headers.items()}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _cut(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass the answer on up to its end, which may come early."""
    transport: asyncio.Transport = scope["state"]["transport"]
    left = math.inf if fault.cut_at is None else fault.cut_at

    async def shortened(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.start":
            if not fault.content_length:
                kept = [header for header in message["headers"] if header[0].lower() != b"content-length"]
                message = {**message, "headers": kept}
            await send(message)
        elif left:
            body = message.get("body", b"")
            body = body[: int(min(left, len(body)))]
            left -= len(body)
            more = message.get("more_body", False) if left else fault.content_length
            await send({"type": "http.response.body", "body": body, "more_body": more})
            if not left and fault.content_length:
                transport.close()
        else:
            await asyncio.sleep(0)  # A stream ends itself when it is told that nobody listens.

    await app(scope, receive, shortened)
    if transport.is_closing():
        await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    """Wait until the connection is gone: uvicorn takes an early return for an error."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _discard(message: Message) -> None:
    pass
