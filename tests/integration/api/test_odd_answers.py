# SPDX-License-Identifier: Apache-2.0
"""Answers that are right, and written as few servers write them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.http import _interim
from tests.integration.http.network import HostileServer

OK = b"HTTP/1.1 200 OK\r\n"
QUEUED = b'{"data": {"id": 12, "type": "documents"}}'
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


def generate(server: HostileServer) -> Any:
    connection = ClarusConnection(server.url, "acme", grant_type="access_token", access_token="t", timeout=5)
    with closing(ClarusClient(connection, attempts=1)) as client:
        return client.generate_report(7)


def body(content: bytes, *headers: bytes) -> bytes:
    lines = (b"Content-Type: application/json", b"Content-Length: %d" % len(content), *headers)
    return OK + b"\r\n".join(lines) + b"\r\n\r\n" + content


@pytest.mark.parametrize(
    "answer",
    [
        body(QUEUED),
        body(b"\xef\xbb\xbf" + QUEUED),
        body(b"\xef\xbb\xbf" + QUEUED, b"X: y"),
        body(QUEUED, b"Content-Encoding: Identity"),
        body(QUEUED, b"Content-Encoding:"),
        body(gzip.compress(QUEUED, mtime=0), b"Content-Encoding: gzip"),
        body(gzip.compress(b"\xef\xbb\xbf" + QUEUED, mtime=0), b"Content-Encoding: GZip"),
        body(gzip.compress(QUEUED, mtime=0), b"Content-Encoding: identity, x-gzip"),
        body(zlib.compress(QUEUED), b"Content-Encoding: deflate"),
        EARLY + body(QUEUED),
        PROCESSING + body(QUEUED),
        PROCESSING + EARLY + PROCESSING + body(gzip.compress(QUEUED, mtime=0), b"Content-Encoding: gzip"),
    ],
)
def test_a_report_that_was_queued_is_known_however_that_is_said(server: HostileServer, answer: bytes) -> None:
    server.answer = [answer]
    assert generate(server) == Document(12, DocumentStatus.QUEUED)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (body(gzip.compress(QUEUED, mtime=0)[:-9], b"Content-Encoding: gzip"), "ends too early"),
        (body(gzip.compress(QUEUED, mtime=0) + b"more", b"Content-Encoding: gzip"), "goes on after its end"),
        (body(QUEUED, b"Content-Encoding: gzip"), "spoilt"),
        (body(QUEUED, b"Content-Encoding: br"), "'br'"),
        (body(gzip.compress(b" " * 20_000_000, mtime=0), b"Content-Encoding: gzip"), "over 8388608 bytes"),
        (PROCESSING * (_interim.MOST + 1) + body(QUEUED), "answers came before the answer"),
    ],
)
def test_what_cannot_be_unpacked_is_an_error_that_says_so(
    server: HostileServer, answer: bytes, said: str
) -> None:
    server.answer = [answer]
    with pytest.raises(ClarusError, match=said):
        generate(server)


def test_no_cookie_is_kept(server: HostileServer) -> None:
    server.answer = [body(QUEUED, b"Set-Cookie: session=1; Path=/")]
    connection = ClarusConnection(server.url, "acme", grant_type="access_token", access_token="t", timeout=5)
    with closing(ClarusClient(connection, attempts=1)) as client:
        client.generate_report(7)
        assert not list(client._session.cookies)
