# SPDX-License-Identifier: Apache-2.0
"""Whatever a server answers, and however slowly: a ``ClarusError`` that says so, in time and in bounds."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import re
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_clarus.api import documents
from airflow_provider_clarus.api.check import check
from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusError, ClarusTransientError
from airflow_provider_clarus.http import transport
from airflow_provider_clarus.http._body import MAX_BODY
from tests.integration.http.network import HostileServer

TIMEOUT = 5.0
CALLS: dict[str, Callable[[ClarusClient], Any]] = {
    "token": lambda client: client.graphql("{ __typename }"),
    "graphql": lambda client: client.graphql("{ __typename }"),
    "documents": lambda client: client.get_documents([1, 2]),
    "generate": lambda client: client.generate_report(7),
    "download": lambda client: client.get_download_url(7),
    "run": lambda client: client.run("GET", "/api/reports/7"),
    "check": check,
}


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


def client_of(server: HostileServer, call: str = "graphql", timeout: float = TIMEOUT) -> ClarusClient:
    """A client whose token comes from the server, too, if that is what is called."""
    grant: dict[str, Any] = {"grant_type": "access_token", "access_token": "t0ken"}
    if call == "token":
        grant = {"client_id": "id", "client_secret": "secret"}
    connection = ClarusConnection(
        server.url, "acme", token_url=f"{server.url}/oauth/token", timeout=timeout, **grant
    )
    return ClarusClient(connection, attempts=1)


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["available", "1", "https://s3.test/x?X-Amz-Signature=5ecret", 10**30, "\ud800", "x" * 9999]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def nearly(shape: Any) -> st.SearchStrategy[Any]:
    """What is like ``shape``, but for parts that are anything or missing."""
    if isinstance(shape, dict):
        fields = {name: nearly(value) for name, value in shape.items()}
        alike: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional=fields)
    elif isinstance(shape, list):
        alike = st.lists(nearly(shape[0]), max_size=3)
    else:
        alike = st.just(shape)
    return st.one_of(alike, alike, alike, ANY)


NODE = {"id": "1", "status": "available", "file_name": "a.csv", "file_type": "csv"}
PAGE = {"edges": [{"node": NODE}], "pageInfo": {"hasNextPage": True, "endCursor": "x"}}
SHAPES = [
    {"data": {"documents": {"all": PAGE}}},
    {"data": None, "errors": [{"message": "no"}]},
    {"errors": [{"code": 1, "symbol": "s", "details": "d", "source": None, "context": {}}]},
    {"error": "no", "error_description": "none"},
    {"data": {"id": 1, "type": "documents", "attributes": {**NODE, "category": "report"}}},
    {"url": "https://s3.test/x?X-Amz-Signature=5ecret"},
    {"access_token": "t", "token_type": "Bearer", "expires_in": 60, "scope": "a", "refresh_token": "r"},
]
JSON = st.one_of(*map(nearly, SHAPES), ANY).map(json.dumps)
CODECS = st.sampled_from(
    ["utf-8", "utf-8", "utf-8", "utf-16", "utf-32", "latin-1", "utf-7", "cp037", "utf-8-sig"]
)
ODDITIES = [
    b"",
    b"null",
    b"NaN",
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b'{"errors":' * 900 + b"1" + b"}" * 900,
    b'{"data":' + b"[" * 900 + b"]" * 900 + b"}",
    b"9" * 5000,
    b'{"data": {"documents": {"all": {"edges": [{"node": {"id": 1e999, "status": 1}}]}}}}',
    b"<html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>",
    b"<script" * 5000,
    b"<" * 100_000,
    b"\xff\xfe\x00",
    b"x" * 1_000_000,
    gzip.compress(b'{"data": {}}', mtime=0),
]
BODIES = st.one_of(
    st.builds(lambda text, codec: text.encode(codec, "replace"), JSON, CODECS),
    st.builds(lambda text, length: text.encode()[:length], JSON, st.integers(0, 60)),
    st.sampled_from(ODDITIES),
    st.binary(max_size=300),
)
LATIN = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=30)
VALUES: dict[str, list[str]] = {
    "Content-Type": [
        "application/json",
        "text/html; charset=idna",
        "; charset=",
        'x; charset="\0"',
        "a/b; charset=utf-16",
    ],
    "Content-Length": ["0", "5", "-1", "99999999999999999999", "1e3", "5, 6", "²"],
    "Transfer-Encoding": ["chunked", "gzip, chunked", "identity", "none"],
    "Content-Encoding": ["gzip", "br", "deflate", "identity", "none"],
    "Retry-After": [
        "0",
        "-1",
        "9" * 400,
        "²",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "Mon, 1 Jan 2024",
        "soon",
        "0 0 0 0",
    ],
    "Location": ["/x", "https://[", "\xff\xfe", "//", "http://169.254.169.254/", "file:///etc/passwd", ""],
    "Set-Cookie": ["a=b; Max-Age=x", "=;;;=", "a=b; Expires=never; Domain=.", "\xff=\xfe", "a" * 5000],
    "Connection": ["close", "keep-alive", "upgrade"],
    "WWW-Authenticate": ["Basic", "Bearer error=", "\xff"],
}
HEADER = st.one_of(
    *(st.tuples(st.just(name), st.sampled_from(values) | LATIN) for name, values in VALUES.items()),
    st.tuples(LATIN, LATIN),
).map(lambda header: f"{header[0]}: {header[1]}")
ODD_LINES = st.sampled_from(
    ["no colon", " folded", ":", "X: " + "y" * 70_000, "\r\n".join(["A: b"] * 120), "\0", "\xa0: x"]
)
STATUS_LINES = st.one_of(
    st.sampled_from([200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 422, 429, 500, 502, 503]),
    st.integers(0, 1000),
).map(lambda status: f"HTTP/1.1 {status} Said") | st.sampled_from(
    [
        "HTTP/1.0 200",
        "HTTP/2 200 OK",
        "HTTP/1.1 abc",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
        "",
        "SSH-2.0-x",
        "\xff",
    ]
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """All bytes of an answer."""
    body = draw(BODIES)
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200)) or body
    lines = [draw(STATUS_LINES), *draw(st.lists(HEADER, max_size=3))]
    if draw(st.integers(0, 9)) == 0:
        lines.append(draw(ODD_LINES))
    if draw(st.booleans()):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def error_of(server: HostileServer, call: str) -> ClarusError | None:
    """Let any other exception pass."""
    with closing(client_of(server, call)) as client:
        try:
            CALLS[call](client)
        except ClarusError as error:
            return error
    return None


def fuzz(server: HostileServer, cases: int) -> str:
    """Return how many answers there were, and what came of them."""
    outcomes: Counter[str] = Counter()

    @settings(max_examples=cases, suppress_health_check=list(HealthCheck))
    @given(call=st.sampled_from(sorted(CALLS)), answer=answers())
    def one(call: str, answer: bytes) -> None:
        server.answer = [answer]
        error = error_of(server, call)
        outcomes[type(error).__name__ if error else "an answer"] += 1
        said = f"{error} {error!r}"
        assert not error or str(error).startswith(("Could not ", "Step ", "Clarus refused"))
        assert not {"5ecret", "t0ken"} & set(re.findall("5ecret|t0ken", said))
        assert len(said) < 5000

    began = time.monotonic()
    one()
    seconds = time.monotonic() - began
    return f"{sum(outcomes.values())} bad answers in {seconds:.0f} s, nothing but: {dict(outcomes)}"


@pytest.mark.parametrize(
    "cases", [max(60, 3 * settings().max_examples), pytest.param(10_000, marks=pytest.mark.long)]
)
def test_every_bad_answer_is_an_error_of_ours(
    server: HostileServer,
    cases: int,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, "urllib3.connection")  # It shows all bad headers.
    found = fuzz(server, cases)
    with capsys.disabled():
        print(f"\n{found}")


def slowly(start: bytes, drop: bytes) -> Iterator[bytes]:
    """``start`` at once, and then drops for ever, each well within any timeout of a socket."""
    yield start
    while True:
        time.sleep(0.02)
        yield drop


OK = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "the status line": (b"", b"H"),
    "one header": (OK + b"X: ", b"y"),
    "headers": (OK, b"X: y\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": (OK + b"Content-Length: 100000\r\n\r\n", b" "),
    "a body without a length": (OK + b"\r\n", b" "),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a chunk's length": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "an error's body": (b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n", b" "),
}


@pytest.mark.parametrize("what", DRIPS)
@pytest.mark.parametrize("call", ["graphql", "token"])
def test_a_server_that_drips_for_ever_is_left(server: HostileServer, what: str, call: str) -> None:
    start, drop = DRIPS[what]
    server.answer = slowly(start, drop)
    timeout = pytest.raises(ClarusTransientError, match=r"over 0\.3 s")
    with closing(client_of(server, call, timeout=0.3)) as client, timeout as raised:
        CALLS[call](client)
    assert raised.value.may_have_acted == (call != "token")


@pytest.mark.parametrize("scheme", ["https", "proxy"])
def test_so_is_one_that_drips_before_it_was_asked(server: HostileServer, scheme: str) -> None:
    """A TLS handshake that never ends, and a proxy whose answer never does."""
    handshake = b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb\x03\x03"
    start, drop = (handshake, b"\0") if scheme == "https" else (OK, b"X: y\r\n")
    server.answer = slowly(start, drop)
    url = server.url.replace("http", "https")
    changes = {"proxies": {"https": server.url}} if scheme == "proxy" else {}
    with closing(client_of(server, timeout=0.3)) as client:
        client.connection = replace(client.connection, base_url=url, **changes)
        transport.mount(client._session, client.connection.base_url)
        with pytest.raises(ClarusTransientError, match=r"over 0\.3 s"):
            client.graphql("{ __typename }")


ENDLESS = {
    "a body": OK + b"\r\n",
    "a body of a length": OK + b"Content-Length: 99999999999\r\n\r\n",
    "one chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    "a chunk's length": OK + b"Transfer-Encoding: chunked\r\n\r\n0",
    "a header": OK + b"X: y",
    "a status line": b"HTTP/1.1 200 O",
    "an error's body": b"HTTP/1.1 500 No\r\n\r\n",
    "what follows a packed body": OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b" ", mtime=0),
    "a packed body": OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * 20_000_000, mtime=0),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_no_more_of_an_answer_than_its_bound_is_in_memory(server: HostileServer, what: str) -> None:
    server.answer = itertools.chain([ENDLESS[what]], itertools.repeat(b"0" * 65_536))
    tracemalloc.start()
    try:
        with closing(client_of(server)) as client, pytest.raises(ClarusTransientError):
            client.graphql("{ __typename }")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_BODY


def test_a_list_that_never_ends_is_left(server: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_PAGES", 20)

    def pages() -> Iterator[bytes]:
        cursors = itertools.count()
        while True:
            page = {"edges": [], "pageInfo": {"hasNextPage": True, "endCursor": str(next(cursors))}}
            body = json.dumps({"data": {"documents": {"all": page}}}).encode()
            yield OK + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    class Pages:
        """One page for each connection."""

        def __init__(self) -> None:
            self.all = pages()

        def __iter__(self) -> Iterator[bytes]:
            return iter([next(self.all)])

    server.answer = Pages()
    with closing(client_of(server)) as client, pytest.raises(ClarusTransientError, match="over 20 pages"):
        client.get_documents([1])
