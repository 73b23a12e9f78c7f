# SPDX-License-Identifier: Apache-2.0
"""Serve the files: presigned URLs and their expiry, and an object store that answers them as S3 does."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone
from email.utils import formatdate
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from airflow_provider_clarus.sandbox.clock import Clock
from airflow_provider_clarus.sandbox.documents import Document, Store

ALGORITHM = "AWS4-HMAC-SHA256"
STAMP = "%Y%m%dT%H%M%SZ"


class Signer:
    """Makes URLs that are good for a while, and tells whether one still is."""

    def __init__(self, lifetime: int, clock: Clock):
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._retired: list[bytes] = []
        self._lifetime = lifetime

    def key(self, document: Document) -> str:
        """Return the path of its file."""
        return f"clarus-{document.tenant}/documents/{document.id}"

    def url(self, origin: str, document: Document) -> str:
        """Return a presigned URL of its file."""
        now = datetime.fromtimestamp(self._clock.time(), timezone.utc)
        query = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"SANDBOX/{now:%Y%m%d}/us-east-1/s3/aws4_request",
            "X-Amz-Date": now.strftime(STAMP),
            "X-Amz-Expires": str(self._lifetime),
            "X-Amz-SignedHeaders": "host",
        }
        path = f"/{self.key(document)}"
        query["X-Amz-Signature"] = _signature(self._secret, path, query)
        return f"{origin}{path}?{urlencode(query)}"

    def check(self, request: Request) -> None:
        """Refuse what S3 would refuse."""
        query = dict(request.query_params)
        others = [name for name in ("authorization", "x-clarus-subdomain") if name in request.headers]
        if others:
            raise S3Error(
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
                f"string parameter or the Authorization header should be specified. Got: {', '.join(others)}",
            )
        signature = query.pop("X-Amz-Signature", None)
        if signature is None:
            raise S3Error(403, "AccessDenied", "Access Denied")
        path = request.url.path
        if signature in (_signature(secret, path, query) for secret in self._retired):
            raise S3Error(403, "AccessDenied", "Request has expired")
        if signature != _signature(self._secret, path, query) or request.method != "GET":
            raise S3Error(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        signed = datetime.strptime(query["X-Amz-Date"], STAMP).replace(tzinfo=timezone.utc).timestamp()
        if self._clock.time() >= signed + int(query["X-Amz-Expires"]):
            raise S3Error(403, "AccessDenied", "Request has expired")

    def expire_all(self) -> None:
        """End every URL that was given out."""
        self._retired.append(self._secret)
        self._secret = secrets.token_bytes(32)


def _signature(secret: bytes, path: str, query: dict[str, str]) -> str:
    message = f"{path}?{urlencode(sorted(query.items()))}".encode()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


class S3Error(HTTPException):
    """An answer in S3's XML."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None):
        super().__init__(status, message, headers)
        self.code = code


class Files:
    """Serves the documents' files."""

    def __init__(self, store: Store, signer: Signer):
        self._store = store
        self._signer = signer

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[Route("/clarus-{tenant}/documents/{id:int}", self._get, methods=["GET", "HEAD"])],
            exception_handlers={HTTPException: _xml_error},
        )

    async def _get(self, request: Request) -> Response:
        self._signer.check(request)
        document = self._store.document(request.path_params["tenant"], request.path_params["id"])
        if document is None:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
        size, etag = document.content.size, document.etag
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Type": document.report.content_type,
            "ETag": etag,
            "Last-Modified": formatdate(document.updated, usegmt=True),
        }
        if request.headers.get("if-match", etag) not in (etag, "*"):
            raise S3Error(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
        span = None
        if request.headers.get("if-range", etag) == etag:
            span = _span(request.headers.get("range", ""), size)
        start, stop = span or (0, size)
        if span:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        headers["Content-Length"] = str(stop - start)
        chunks = _asynchronous(document.content.chunks(start, stop))
        return StreamingResponse(chunks, 206 if span else 200, headers)


def _span(header: str, size: int) -> tuple[int, int] | None:
    """Return start and stop of one byte range; ``None``, for all of it, when there is none to understand."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if not match or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    if start >= size or (not first and int(last) == 0):
        raise S3Error(
            416,
            "InvalidRange",
            "The requested range is not satisfiable",
            {"Content-Range": f"bytes */{size}"},
        )
    return (start, stop) if start < stop else None


async def _asynchronous(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Keep the chunks in the event loop; Starlette would fetch each of a plain iterator from a thread."""
    for chunk in chunks:
        yield chunk


async def _xml_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (for the type; Starlette calls it for no other)
    code = getattr(error, "code", "InvalidRequest")
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(error.detail)}</Message></Error>"
    )
    return Response(body, error.status_code, error.headers, "application/xml")
