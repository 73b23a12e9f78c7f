# SPDX-License-Identifier: Apache-2.0
"""A file's origin that does what the sandbox does not: it waits in the middle, and answers as it is told."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One answer, as it goes over the wire; ``length`` False: the end of the connection ends the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: bool = True


class Origin:
    """Serves ``body``, ranges included, after the ``answers`` that come first.

    :param pause_at: the first answer's body waits there until :meth:`resume`, and ``paused`` is set
    """

    def __init__(
        self,
        body: bytes = b"",
        *answers: Answer,
        etag: str | None = '"v-1"',
        pause_at: int | None = None,
        tls: ssl.SSLContext | None = None,
    ):
        self.body = body
        self.answers = deque(answers)
        self.etag = etag
        self.pause_at = pause_at
        self.tls = tls
        self.paused = threading.Event()
        self.requests: list[dict[str, str]] = []
        self._go = threading.Event()

    def __enter__(self) -> Origin:
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                origin._answer(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Something like a presigned URL, whose secret is ``SECRET``."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._server.server_address[1]}/documents/1?X-Amz-Signature=SECRET"

    def resume(self) -> None:
        """Let a body that waits go on."""
        self.pause_at = None
        self._go.set()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(dict(handler.headers))
        answer = self.answers.popleft() if self.answers else self._file(handler.headers.get("Range"))
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if answer.length:
            handler.send_header("Content-Length", str(len(answer.body)))
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        start = self.pause_at or 0
        with suppress(OSError):  # The reader was killed.
            handler.wfile.write(answer.body[:start])
            if self.pause_at is not None:
                self.paused.set()
                self._go.wait()
            handler.wfile.write(answer.body[start:])

    def _file(self, span: str | None) -> Answer:
        headers = {"ETag": self.etag} if self.etag else {}
        if not span:
            return Answer(200, self.body, headers)
        start = int(span.removeprefix("bytes=").rstrip("-"))
        size = len(self.body)
        if start >= size:
            return Answer(416, b"", {"Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        return Answer(206, self.body[start:], headers)
