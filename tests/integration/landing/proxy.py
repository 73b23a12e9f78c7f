# SPDX-License-Identifier: Apache-2.0
"""Reverse proxies that make bad stores of good ones."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


Reply = tuple[int, dict[str, str], bytes]


class StoreProxy:
    """Passes each request on to a store."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = urlsplit(endpoint)

    def __enter__(self) -> Any:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy._reply(self, proxy.meet(self, body))

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

    def meet(self, request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        """Answer a request."""
        sent = {**request.headers, "Content-Length": str(len(body))} if body else dict(request.headers)
        connection = http.client.HTTPConnection(str(self._endpoint.hostname), self._endpoint.port, timeout=30)
        connection.request(request.command, request.path, body or None, sent)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        reply = response.status, headers, response.read()
        connection.close()
        return reply

    def _reply(self, request: BaseHTTPRequestHandler, reply: Reply) -> None:
        status, headers, answer = reply
        request.send_response_only(status)
        for name, value in headers.items():
            if name not in HOP_BY_HOP:
                # An upload's own URL must lead here, too.
                request.send_header(name, value.replace(self._endpoint.netloc, request.headers["Host"]))
        length = headers.get("content-length") if request.command == "HEAD" else None
        request.send_header("Content-Length", length or str(len(answer)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(answer)


class RefusingProxy(StoreProxy):
    """Answers 403 to each request with a body, as soon as ``after`` bytes of bodies went through."""

    def __init__(self, endpoint: str, after: int) -> None:
        super().__init__(endpoint)
        self._left = after
        self._lock = threading.Lock()

    def meet(self, request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        with self._lock:
            self._left -= len(body)
            refused = self._left < 0 and body
        return (403, {"content-type": "text/plain"}, b"refused") if refused else super().meet(request, body)


class LyingProxy(StoreProxy):
    """Says that all went well, and does not keep what it was sent, or tells less of it.

    :param lie: ``changes`` the last byte of what is put, ``cuts`` it off, ``tells less`` bytes than it has,
        ``shows nothing`` of it, or ``names it otherwise``: with an ETag that is no MD5, which is no lie
    """

    def __init__(self, endpoint: str, lie: str) -> None:
        super().__init__(endpoint)
        self.lie = lie
        self.read_back = 0

    def meet(self, request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        is_content = request.command == "PUT" and body and "comp=blocklist" not in request.path
        if is_content and self.lie in ("changes", "cuts"):
            for name in list(request.headers):
                if name.lower().startswith(("x-amz-checksum", "x-amz-sdk-checksum")):
                    del request.headers[name]
            body = body[:-1] + (bytes([body[-1] ^ 1]) if self.lie == "changes" else b"")
        self.read_back += request.command == "GET" and "Range" in request.headers
        status, headers, answer = super().meet(request, body)
        if request.command == "HEAD" and status == 200:
            if self.lie == "shows nothing":
                return 404, {"x-ms-error-code": "BlobNotFound"}, b""
            if self.lie == "tells less":
                headers["content-length"] = str(int(headers["content-length"]) - 1)
            if self.lie == "names it otherwise":
                headers["etag"] = f'"{"0" * 32}"'
        return status, headers, answer
