# SPDX-License-Identifier: Apache-2.0
"""Run uvicorn so that it stops at once, and lets a fault at its connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens already: a first request waits for the server instead of failing."""
    listener = socket.create_server((host, port), backlog=2048)
    # asyncio leaves Nagle's algorithm on for such a socket, which costs 40 ms for each answer.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(servers: Sequence[Server], sockets: Sequence[socket.socket]) -> None:
    """Run the servers until each is told to exit."""
    await asyncio.gather(*(server.serve([own]) for server, own in zip(servers, sockets, strict=True)))


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Lets the application see the connection, so that a fault can break it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.app_state = {"transport": transport}
        super().connection_made(transport)


class Server(uvicorn.Server):
    """Stops at once: an answer under way is broken off, not waited for."""

    def __init__(self, app: ASGIApp):
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                timeout_keep_alive=60,
            )
        )

    async def main_loop(self) -> None:
        """Look at ``should_exit`` often, so that a test hardly waits for the end."""
        while not await self.on_tick(0):  # noqa: ASYNC110 (it is set from another thread)
            await asyncio.sleep(0.02)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listeners and abort whatever is under way."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
