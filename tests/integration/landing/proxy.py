# SPDX-License-Identifier: Apache-2.0
"""A store that has had enough: a reverse proxy that passes so many bytes on, and refuses to take more."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class RefusingProxy:
    """Answers 403 to each request with a body, as soon as ``after`` bytes of bodies went through."""

    def __init__(self, endpoint: str, after: int) -> None:
        self._endpoint = urlsplit(endpoint)
        self._left = after
        self._lock = threading.Lock()

    def __enter__(self) -> RefusingProxy:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                proxy._pass_on(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any  # noqa: N815

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{self._endpoint.path}"

    def _pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self._lock:
            self._left -= len(body)
            refused = self._left < 0 and body
        if refused:
            status, headers, answer = 403, {"Content-Type": "text/plain"}, b"refused"
        else:
            connection = http.client.HTTPConnection(
                str(self._endpoint.hostname), self._endpoint.port, timeout=30
            )
            connection.request(handler.command, handler.path, body or None, dict(handler.headers))
            response = connection.getresponse()
            status, headers, answer = response.status, dict(response.getheaders()), response.read()
            connection.close()
        handler.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                # An upload's own URL must lead here, too.
                handler.send_header(name, value.replace(self._endpoint.netloc, handler.headers["Host"]))
        length = headers.get("Content-Length") if handler.command == "HEAD" else None
        handler.send_header("Content-Length", length or str(len(answer)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(answer)
