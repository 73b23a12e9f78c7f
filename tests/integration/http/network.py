# SPDX-License-Identifier: Apache-2.0
"""TLS in front of a server, a forward proxy on the way to one, and a server that keeps to no rule."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any


class _Server(socketserver.ThreadingTCPServer):
    """Runs in a thread; each connection has its own, and none is waited for."""

    daemon_threads = True
    block_on_close = False
    host = "127.0.0.1"

    def __init__(self) -> None:
        super().__init__((self.host, 0), _Connection)
        self.port: int = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off, or refuses a certificate, is no news."""

    def serve(self, client: socket.socket) -> None:
        raise NotImplementedError


class _Connection(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.serve(self.request)


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Pass on what each says to the other, until either ends."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(64 * 1024):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=pump, args=[other, one], daemon=True)
    thread.start()
    pump(one, other)
    thread.join()


class TlsFront(_Server):
    """TLS in front of a server of this machine that has none."""

    def __init__(self, context: ssl.SSLContext, port_behind: int) -> None:
        self._context = context
        self._port_behind = port_behind
        super().__init__()

    def serve(self, client: socket.socket) -> None:
        with (
            self._context.wrap_socket(client, server_side=True) as secured,
            socket.create_connection(("127.0.0.1", self._port_behind)) as behind,
        ):
            _relay(secured, behind)


class IPv6Front(_Server):
    """The same server under an IPv6 address of this machine."""

    address_family = socket.AF_INET6
    host = "::1"

    def __init__(self, port_behind: int) -> None:
        self._port_behind = port_behind
        super().__init__()

    def serve(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._port_behind)) as behind:
            _relay(client, behind)


class ForwardProxy(_Server):
    """Tunnels by CONNECT, wherever to: in this machine every name leads to ``port_behind``.

    :param credentials: ``user:password`` in Base64, which it asks for; empty: it asks for none
    """

    def __init__(self, port_behind: int, credentials: str = "") -> None:
        self._port_behind = port_behind
        self._credentials = credentials
        self.heads: list[str] = []
        super().__init__()

    @property
    def targets(self) -> list[str]:
        return [head.split()[1] for head in self.heads]

    def serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        self.heads.append(head.decode())
        if self._credentials and f"Basic {self._credentials}" not in self.heads[-1]:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self._port_behind)) as behind:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _relay(client, behind)


class HostileServer(_Server):
    """Answers each request with ``answer``, exactly and piece by piece, and then hangs up."""

    def __init__(self) -> None:
        self.answer: Iterable[bytes] = ()
        self.sent = 0
        super().__init__()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        # A request that is not read whole would have the connection reset, and the answer with it.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head, _, body = client.recv(64 * 1024).partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0
        )
        while len(body) < length:
            body += client.recv(64 * 1024)
        for piece in self.answer:
            client.sendall(piece)
            self.sent += len(piece)
