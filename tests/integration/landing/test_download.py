# SPDX-License-Identifier: Apache-2.0
"""What is sent to the storage, what is believed of its answers, and what is told of either."""

from __future__ import annotations

import gzip
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import (
    ClarusConfigError,
    ClarusError,
    ClarusNotFoundError,
    ClarusPermanentError,
    ClarusRejectedError,
    ClarusTransientError,
)
from airflow_provider_clarus.landing import _download as download_module
from airflow_provider_clarus.landing._download import ABSENCES, BREAKS, LONGEST_WAIT, REDIRECTS, Download
from airflow_provider_clarus.landing._pages import Announced
from airflow_provider_clarus.landing._source import ObjectChangedError
from airflow_provider_clarus.sandbox.faults import Fault

from .conftest import Served
from .origin import Answer, Origin

BODY = bytes(range(256)) * 20
DENIED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message><X>SECRET</X></Error>"

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture(autouse=True)
def no_pause_after_an_empty_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "EMPTY_PAUSE", 0.0)


def download(get_url: Callable[[], str] | Origin, **options: Any) -> bytes:
    url = get_url.url if isinstance(get_url, Origin) else None
    options = {"verify": True, "proxies": None, "timeout": 5.0, "log": logging.getLogger("test"), **options}
    return b"".join(Download((lambda: url) if url else get_url, **options).chunks())  # type: ignore[arg-type]


def test_nothing_of_ours_is_sent_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password SECRET\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    cookie = Answer(307, b"", {"Location": "/elsewhere", "Set-Cookie": "a=b; Path=/"})
    with Origin(BODY, cookie) as origin:
        assert download(origin) == BODY
    for sent in origin.requests:
        assert {*sent} <= {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
        assert sent["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "location", ["http://example.com/x", "http://169.254.169.254/x", "file:///etc/passwd"]
)
def test_a_redirect_to_where_it_should_not_go_is_refused(location: str) -> None:
    redirect = Answer(302, b"", {"Location": location})
    with (
        Origin(BODY, redirect) as origin,
        pytest.raises(ClarusPermanentError, match="Refused to download from"),
    ):
        download(origin)


def test_endless_redirects_end() -> None:
    redirect = Answer(302, b"x" * 100_000, {"Location": "/again"})
    with (
        Origin(BODY, *[redirect] * 100) as origin,
        pytest.raises(ClarusTransientError, match="redirected more"),
    ):
        download(origin)
    assert len(origin.requests) == (BREAKS + 1) * (REDIRECTS + 1)


def test_a_redirect_is_followed_anew_for_the_rest() -> None:
    redirect = Answer(302, b"", {"Location": "/moved"})
    with Origin(BODY, redirect, cut(100), redirect) as origin:
        assert download(origin) == BODY
    assert origin.requests[-1]["Range"] == "bytes=100-"


def cut(at: int, **headers: str) -> Answer:
    """The answer of a server that ends early, and said how long it would be."""
    headers = {"ETag": '"v-1"', "Content-Length": str(len(BODY)), **headers}
    return Answer(200, BODY[:at], headers, length=False)


def unsaid(at: int | None, **headers: str) -> Answer:
    """The answer of a server that did not say how long it would be."""
    return Answer(200, BODY[:at], headers, length=False)


def test_the_rest_is_asked_for_on_condition_that_the_object_is_the_same() -> None:
    with Origin(BODY, cut(100)) as origin:
        assert download(origin) == BODY
    assert origin.requests[1]["Range"] == "bytes=100-"
    assert origin.requests[1]["If-Range"] == '"v-1"'


@settings(
    max_examples=min(40, settings().max_examples), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    size=st.integers(0, 3 * 1024 * 1024),
    cuts=st.lists(st.tuples(st.integers(0, 3 * 1024 * 1024), st.booleans()), max_size=6),
)
def test_a_stream_cut_anywhere_is_whole_in_the_end(
    serve: Callable[[int], Served], size: int, cuts: list[tuple[int, bool]]
) -> None:
    file = serve(size)
    file.sandbox.clear_faults()
    for cut_at, content_length in cuts:
        file.sandbox.inject(Fault("file", cut_at=cut_at, content_length=content_length, times=1))
    assert download(file.get_url) == file.content


def broken_every(size: int) -> list[Answer]:
    """Answers that end after so many bytes, whatever they have announced."""

    def headers(start: int) -> dict[str, str]:
        span = {"Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"} if start else {}
        return {"ETag": '"v-1"', "Content-Length": str(len(BODY) - start), "Connection": "close", **span}

    return [
        Answer(206 if start else 200, BODY[start : start + size], headers(start), length=False)
        for start in range(0, len(BODY), size)
    ]


def test_a_download_that_makes_progress_outlives_any_number_of_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download_module, "PROGRESS", 200)
    with Origin(BODY, *broken_every(200)) as origin:
        assert download(origin) == BODY
    assert len(origin.requests) > 3 * BREAKS


def test_a_download_that_makes_hardly_any_progress_is_given_up() -> None:
    with (
        Origin(BODY, *broken_every(200)) as origin,
        pytest.raises(ClarusTransientError, match=f"broke {BREAKS + 1} times in a row, at last at byte 1600"),
    ):
        download(origin)
    assert len(origin.requests) == BREAKS + 1


@pytest.mark.parametrize("at", [0, 100, None])
def test_a_body_without_a_length_is_read_on_until_the_storage_says_it_is_all(at: int | None) -> None:
    with Origin(BODY, unsaid(at, ETag='"v-1"')) as origin:
        assert download(origin) == BODY


def test_a_body_without_a_length_is_taken_where_nothing_tells(caplog: pytest.LogCaptureFixture) -> None:
    with Origin(BODY, unsaid(None), unsaid(None)) as origin:
        assert download(origin) == BODY
    assert "Nothing that the storage says tells whether" in caplog.text


def test_a_cut_shows_in_the_length_of_a_later_answer() -> None:
    with Origin(BODY, unsaid(100), Answer(200, BODY)) as origin, pytest.raises(ObjectChangedError):
        download(origin)


def test_a_rest_that_is_nothing_of_an_unknown_size_is_a_break(caplog: pytest.LogCaptureFixture) -> None:
    nothing = Answer(206, b"", {"ETag": '"v-1"', "Content-Range": "bytes 100-100/*"})
    with Origin(BODY, unsaid(100, ETag='"v-1"'), nothing) as origin:
        assert download(origin) == BODY
    assert "The download broke at byte 100, going on" in caplog.text


def test_a_rest_that_ends_before_its_end_is_a_break(caplog: pytest.LogCaptureFixture) -> None:
    facts = {"ETag": '"v-1"', "Content-Range": "bytes 100-5119/5120"}
    with Origin(BODY, cut(100), Answer(206, BODY[100:200], facts, length=False)) as origin:
        assert download(origin) == BODY
    assert "The download broke at byte 200, going on: it ended at byte 200 of 5120" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, BODY, {"ETag": '"v-2"'}),
        Answer(206, BODY[100:], {"ETag": '"v-2"', "Content-Range": "bytes 100-5119/5120"}),
        Answer(206, BODY[90:], {"ETag": '"v-1"', "Content-Range": "bytes 90-5119/5120"}),
        Answer(416, b"", {"Content-Range": "bytes */90"}),
    ],
)
def test_what_is_not_the_rest_of_the_same_object_is_not_appended(answer: Answer) -> None:
    with Origin(BODY, cut(100), answer) as origin, pytest.raises(ObjectChangedError):
        download(origin)


def test_an_object_without_a_version_is_not_read_on() -> None:
    with Origin(BODY, cut(100, ETag='W/"v-1"'), etag=None) as origin, pytest.raises(ObjectChangedError):
        download(origin)


@pytest.mark.parametrize(
    "expired",
    [
        Answer(403, DENIED),
        Answer(403, b"<Error><Code>RequestTimeTooSkewed</Code></Error>"),
        Answer(400, b"<Error><Code>ExpiredToken</Code></Error>"),
        Answer(401),
    ],
)
def test_an_expired_url_is_asked_for_again(expired: Answer) -> None:
    asked = []
    with Origin(BODY, cut(100), expired) as origin:
        assert download(lambda: asked.append(1) or origin.url) == BODY  # type: ignore[func-returns-value]
    assert len(asked) == 2


def test_a_url_that_expires_now_and_then_is_asked_for_again_each_time() -> None:
    asked = []
    expired = Answer(403, DENIED)
    with Origin(BODY, *[one for part in broken_every(2000) for one in (expired, part)]) as origin:
        assert download(lambda: asked.append(1) or origin.url) == BODY  # type: ignore[func-returns-value]
    assert len(asked) == 4


def test_a_new_url_that_is_refused_too_ends_it() -> None:
    with Origin(BODY, *[Answer(403, DENIED)] * 5) as origin, pytest.raises(ClarusTransientError) as refused:
        download(origin)
    assert len(origin.requests) == 2
    assert "403: AccessDenied: Request has expired" in str(refused.value)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("status", [408, 409, 421, 423, 425, 429, 499, 500, 502, 503, 504])
def test_a_busy_storage_is_asked_again(status: int) -> None:
    busy = Answer(status, b"<Error><Code>SlowDown</Code></Error>")
    with Origin(BODY, busy, cut(100), busy, busy) as origin:
        assert download(origin) == BODY


@pytest.mark.parametrize("code", ["RequestTimeout", "InternalError"])
def test_an_error_that_passes_is_not_final_whatever_its_status(code: str) -> None:
    with Origin(BODY, Answer(400, f"<Error><Code>{code}</Code></Error>".encode())) as origin:
        assert download(origin) == BODY


def test_what_the_storage_itself_refuses_is_not_asked_again() -> None:
    refusal = Answer(418, b"<Error><Code>InvalidRequest</Code></Error>")
    with Origin(BODY, refusal) as origin, pytest.raises(ClarusRejectedError, match="418: InvalidRequest"):
        download(origin)
    assert len(origin.requests) == 1


STRAY = [Answer(400, b"<html><h1>Bad Request</h1>"), Answer(204), Answer(304), Answer(405), Answer(418)]


@pytest.mark.parametrize("stray", [*STRAY, Answer(206), Answer(416)])
def test_one_answer_that_is_not_the_storages_own_is_not_final(stray: Answer) -> None:
    """Such as a proxy gives; a part, too, that nobody asked for."""
    with Origin(BODY, stray) as origin:
        assert download(origin) == BODY
    assert len(origin.requests) == 2


@pytest.mark.parametrize("stray", STRAY)
def test_nor_is_it_in_the_middle(stray: Answer) -> None:
    with Origin(BODY, cut(100), stray) as origin:
        assert download(origin) == BODY
    assert len(origin.requests) == 3


@pytest.mark.parametrize("stray", STRAY)
def test_an_answer_that_stays_so_is_told_and_may_pass(stray: Answer) -> None:
    with (
        Origin(BODY, *[stray] * 20) as origin,
        pytest.raises(ClarusTransientError, match=f"the storage answered {stray.status}"),
    ):
        download(origin)
    assert len(origin.requests) == BREAKS + 1


EMPTY = [
    Answer(200),
    Answer(200, b"", {"ETag": '"v-1"'}),
    Answer(200, b"", length=False),
    Answer(200, gzip.compress(b""), {"Content-Encoding": "gzip"}),
]


@pytest.mark.parametrize("empty", EMPTY)
@pytest.mark.parametrize("etag", ['"v-1"', None])
def test_one_empty_answer_is_not_the_file(empty: Answer, etag: str | None) -> None:
    with Origin(BODY, empty, etag=etag) as origin:
        assert download(origin) == BODY
    assert len(origin.requests) == 2


@pytest.mark.parametrize("empty", EMPTY)
def test_a_report_that_is_empty_says_so_twice(empty: Answer) -> None:
    """Where nothing tells a length, it is asked what comes behind, too."""
    with Origin(b"", *[empty] * 3) as origin:
        assert download(origin) == empty.body
    assert len(origin.requests) <= 3


def test_an_empty_report_with_its_md5_says_so_once() -> None:
    with Origin(b"", etag='"d41d8cd98f00b204e9800998ecf8427e"') as origin:
        assert download(origin) == b""
    assert len(origin.requests) == 1


def test_what_follows_two_empty_answers_without_a_length_is_the_file() -> None:
    with Origin(BODY, *[Answer(200, b"", length=False)] * 2, Answer(200, BODY)) as origin:
        assert download(origin) == BODY


def test_an_empty_answer_in_the_middle_is_not_the_end() -> None:
    with Origin(BODY, cut(100), Answer(200)) as origin:
        assert download(origin) == BODY
    assert len(origin.requests) == 3


def test_an_apis_error_with_status_200_is_not_the_file() -> None:
    error = Answer(200, b'{"message": "Service Unavailable"}', {"Content-Type": "application/json"})
    with Origin(BODY, error, cut(100), error) as origin:
        assert download(origin, announced=Announced("stock.csv", "text/csv")) == BODY


@pytest.mark.parametrize("status", [404, 410])
def test_an_object_that_is_not_everywhere_yet_is_asked_for_again(status: int) -> None:
    asked = []
    with Origin(BODY, *[Answer(status, b"NoSuchKey")] * 4) as origin:
        assert download(lambda: asked.append(1) or origin.url) == BODY  # type: ignore[func-returns-value]
    assert len(asked) == 5


def test_an_object_that_stays_away_is_gone() -> None:
    with (
        Origin(BODY, *[Answer(404, b"gone")] * 20) as origin,
        pytest.raises(ClarusNotFoundError, match="gone"),
    ):
        download(origin)
    assert len(origin.requests) == ABSENCES + 1


def test_the_storage_is_left_alone_for_as_long_as_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(download_module.time, "sleep", waited.append)
    busy = [Answer(503, b"", {"Retry-After": value}) for value in ("7", "9999", "soon")]
    page = Answer(200, b"<html>We will be back soon", {"Content-Type": "text/html", "Retry-After": "5"})
    with Origin(BODY, *busy, page) as origin:
        assert download(origin) == BODY
    assert waited == [7.0, LONGEST_WAIT, 0.0, 5.0]


@pytest.mark.parametrize("url", [None, "", "/relative", "https://exam ple.com/x", 7])
def test_a_url_that_cannot_be_used_is_asked_for_again(url: Any) -> None:
    with Origin(BODY) as origin:
        urls = iter([url, origin.url])
        assert download(lambda: next(urls)) == BODY


def test_clarus_that_answers_null_is_asked_again(serve: Callable[[int], Served]) -> None:
    file = serve(900)
    null = Fault("download", status=200, body='{"url": null}', times=1)
    file.sandbox.inject(null)
    assert download(file.get_url) == file.content
    assert file.sandbox.count("download") == 2
    file.sandbox.inject(replace(null, times=None))
    with pytest.raises(ClarusTransientError, match="tenant 'acme': it cannot be used: it is null"):
        download(file.get_url)


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_what_stays_packed_is_read_on_where_no_length_is_told(encoding: str) -> None:
    """A file that is packed itself is not unpacked, and so does not tell whether it is whole."""
    packed = gzip.compress(os.urandom(900))
    said = {"ETag": '"v-1"', "Content-Encoding": encoding}
    span = f"bytes 500-{len(packed) - 1}/{len(packed)}"
    cut_off = Answer(200, packed[:500], said, length=False)
    whole = Answer(206, packed[500:], {**said, "Content-Range": span})
    with Origin(b"", cut_off, whole) as origin:
        assert download(origin, announced=Announced("stock.csv.gz", None)) == packed


def test_a_url_that_stays_unusable_is_told_with_its_reason() -> None:
    with pytest.raises(ClarusTransientError, match="cannot be used: it is empty"):
        download(lambda: "")


def test_a_length_beside_chunks_means_nothing() -> None:
    chunked = {"Transfer-Encoding": "chunked", "Content-Length": "17", "ETag": '"v-1"'}
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    with Origin(BODY, Answer(200, body, chunked, length=False)) as origin:
        assert download(origin) == BODY


def test_a_name_that_leads_to_this_machine_is_refused_where_clarus_is_on_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Origin(BODY) as origin:
        port = origin.url.rpartition(":")[2]
        there = socket.getaddrinfo("127.0.0.1", int(port.partition("/")[0]), type=socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: there)
        url = f"http://files.example.com:{port}"
        with pytest.raises(ClarusPermanentError, match=r"files\.example\.com: it leads to 127\.0\.0\.1"):
            download(lambda: url, allow_http=True, loopback=False)
        assert origin.requests == []
        assert download(lambda: url, allow_http=True, loopback=True) == BODY


def test_a_long_error_is_not_read_to_its_end() -> None:
    long = [Answer(418, b"x" * 50_000_000)] * (BREAKS + 1)
    with Origin(BODY, *long) as origin, pytest.raises(ClarusTransientError) as error:
        download(origin)
    assert len(str(error.value)) < 1000


def test_a_silent_storage_is_given_up() -> None:
    with Origin(BODY, pause_at=10) as origin, pytest.raises(ClarusTransientError, match="broke 8 times"):
        download(origin, timeout=0.05)


def refused_connection() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/documents/1?X-Amz-Signature=SECRET"


def test_the_query_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    redirect = Answer(302, b"", {"Location": "/moved?X-Amz-Signature=SECRET"})
    echo = Answer(418, b"no such thing: /documents/1?X-Amz-Signature=SECRET")
    url = refused_connection()
    errors = []
    answers = redirect, cut(100), Answer(403, DENIED), Answer(503), redirect, *[echo] * BREAKS
    with Origin(BODY, *answers) as origin:
        for get_url in (lambda: origin.url, lambda: url):
            with pytest.raises(ClarusError) as raised:
                download(get_url)
            errors.append(raised)
    assert "GET /documents/1?…" in caplog.text
    assert "SECRET" not in caplog.text
    for raised in errors:
        assert "SECRET" not in str(raised.getrepr(chain=True, style="short"))
        assert raised.value.__context__ is None


def test_a_log_stays_clean_until_its_last_download_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    options: Any = {"verify": True, "proxies": None, "timeout": 5.0, "log": logging.getLogger("test")}
    with Origin(BODY, cut(100)) as origin:
        outer = Download(lambda: origin.url, **options).chunks()
        next(outer)
        assert download(origin) == BODY
        assert b"".join(outer) == BODY[100:]
    assert "GET /documents/1?…" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_proxy_is_taken_from_the_options() -> None:
    with Origin(BODY) as proxy:
        assert download(lambda: "http://127.0.0.1:1/documents/1", proxies={"http": proxy.url}) == BODY
    assert proxy.requests[0]["Host"] == "127.0.0.1:1"


def test_a_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with Origin(BODY) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert download(lambda: "http://127.0.0.1:1/documents/1") == BODY
    assert len(proxy.requests) == 1


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> Iterator[Origin]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Origin(BODY, tls=context) as origin:
        yield origin


def test_a_certificate_of_nobody_known_is_refused(tls: Origin) -> None:
    with pytest.raises(ClarusConfigError, match="storage_verify"):
        download(tls)


@pytest.fixture
def served_by(authority: trustme.CA, tmp_path: Path) -> Callable[..., tuple[Origin, str]]:
    """An origin, each of whose connections has a certificate of somebody known or not, and who is known."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))

    def context(issuer: trustme.CA) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert("127.0.0.1").configure_cert(made)
        return made

    def served_by(*known: bool, answers: Sequence[Answer] = ()) -> tuple[Origin, str]:
        contexts = {True: context(authority), False: context(trustme.CA())}
        following = iter(known)

        def choose(connection: ssl.SSLSocket, name: Any, _: Any) -> None:
            connection.context = contexts[next(following, known[-1])]

        first = context(authority)
        first.sni_callback = choose
        return Origin(BODY, *answers, tls=first), str(bundle)

    return served_by


@pytest.mark.parametrize("middle", [False, True])
def test_one_certificate_of_nobody_known_is_not_final(
    served_by: Callable[..., tuple[Origin, str]], middle: bool
) -> None:
    """As one of several machines behind a name may have, or a network that asks for a password."""
    answers = [cut(100, Connection="close")] if middle else []
    origin, bundle = served_by(*([True] if middle else []), False, True, answers=answers)
    with origin:
        assert download(origin, verify=bundle) == BODY


def test_a_certificate_that_was_good_before_may_be_so_again(
    served_by: Callable[..., tuple[Origin, str]],
) -> None:
    origin, bundle = served_by(True, False, answers=[cut(100, Connection="close")])
    with origin, pytest.raises(ClarusTransientError, match="CERTIFICATE_VERIFY_FAILED"):
        download(origin, verify=bundle)


@pytest.mark.parametrize("where", ["verify", "environment"])
def test_a_bundle_of_certificates_is_used(
    tls: Origin, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    if where == "environment":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    assert download(tls, verify=str(bundle) if where == "verify" else True) == BODY
