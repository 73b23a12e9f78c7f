# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import hashlib

import pytest
import requests

from airflow_provider_clarus.sandbox.content import csv_content
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

from .caller import Caller

MIB = 1024 * 1024


@pytest.fixture
def url(caller: Caller, document: int) -> str:
    return caller.file_url(document)


def get(url: str, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return requests.get(url, headers=named, timeout=5)


def refusal(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/xml"
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_file_comes_whole_with_length_type_and_md5(url: str) -> None:
    answer = get(url)
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.headers["ETag"] == f'"{hashlib.md5(answer.content).hexdigest()}"'
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("span", "expected"),
    [("bytes=0-0", slice(0, 1)), ("bytes=10-19", slice(10, 20)), ("bytes=5-", slice(5, None)),
     ("bytes=-7", slice(-7, None)), ("bytes=20-99999", slice(20, None))],
)  # fmt: skip
def test_ranges(url: str, span: str, expected: slice) -> None:
    whole = get(url).content
    part = get(url, Range=span)
    start, stop, _ = expected.indices(len(whole))
    assert (part.status_code, part.content) == (206, whole[expected])
    assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"


def test_range_beyond_the_end_cannot_be_satisfied(url: str) -> None:
    size = len(get(url).content)
    answer = get(url, Range=f"bytes={size}-")
    assert refusal(answer) == (416, "InvalidRange")
    assert answer.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize("span", ["bytes=5-4", "lines=1-2", "bytes=0-1,3-4", "bytes=-"])
def test_range_that_makes_no_sense_is_ignored(url: str, span: str) -> None:
    assert get(url, Range=span).status_code == 200


def test_if_range_and_if_match_notice_a_changed_file(sandbox: Sandbox, url: str, document: int) -> None:
    old = get(url)
    etag = old.headers["ETag"]
    assert get(url, Range="bytes=5-", If_Range=etag).status_code == 206
    sandbox.documents[document].change_content()
    changed = get(url, Range="bytes=5-", If_Range=etag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    assert changed.content != old.content
    assert refusal(get(url, If_Match=etag)) == (412, "PreconditionFailed")


@pytest.mark.parametrize("header", ["Authorization", "X-Clarus-Subdomain"])
def test_credentials_of_the_api_are_refused(url: str, header: str) -> None:
    answer = requests.get(url, headers={header: "Bearer x"}, timeout=5)
    assert refusal(answer) == (400, "InvalidArgument")
    assert "Only one auth mechanism allowed" in answer.text


def test_url_is_signed(url: str) -> None:
    assert refusal(get(url.replace("/documents/1", "/documents/2"))) == (403, "SignatureDoesNotMatch")
    assert refusal(get(url.replace("Expires=300", "Expires=301"))) == (403, "SignatureDoesNotMatch")
    assert refusal(get(url.partition("?")[0])) == (403, "AccessDenied")
    assert requests.head(url, timeout=5).status_code == 403


def test_url_expires(sandbox: Sandbox, caller: Caller, url: str, document: int) -> None:
    sandbox.expire_urls()
    answer = get(url)
    assert refusal(answer) == (403, "AccessDenied")
    assert "Request has expired" in answer.text
    assert get(caller.file_url(document)).status_code == 200


def test_url_lifetime_is_configurable() -> None:
    with Sandbox([Report(id=7, seconds=0)], url_lifetime=0) as sandbox, Caller(sandbox) as caller:
        assert refusal(get(caller.file_url(caller.generated()))) == (403, "AccessDenied")


def test_etag_may_be_that_of_a_multipart_upload(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.add_report(Report(id=8, seconds=0, size=17 * MIB, multipart_etag=True))
    etag = get(caller.file_url(caller.generated(8)), Range="bytes=0-0").headers["ETag"]
    assert etag.endswith('-3"')


def test_huge_file_costs_nothing_until_it_is_read(sandbox: Sandbox, caller: Caller) -> None:
    size = 4 * 1024 * MIB
    sandbox.add_report(Report(id=8, seconds=0, size=size))
    url = caller.file_url(caller.generated(8))
    end = get(url, Range="bytes=-10")
    assert end.headers["Content-Range"] == f"bytes {size - 10}-{size - 1}/{size}"
    assert end.content.endswith(b"\n")
    middle = size // 2
    window = get(url, Range=f"bytes={middle}-{middle + 3 * MIB}").content
    assert window[MIB : MIB + 100] == get(url, Range=f"bytes={middle + MIB}-{middle + MIB + 99}").content


@pytest.mark.parametrize("size", [0, 10, 60, 100, 101, 5000, MIB, 2 * MIB + 1, 3 * MIB + 77])
def test_sized_content_has_exactly_that_size_and_is_csv(size: int) -> None:
    content = csv_content({"tenant": "acme"}, rows=0, size=size)
    data = b"".join(content.chunks(0, size))
    assert content.size == len(data) == size
    if size > 60:
        header, *rows = csv.reader(data.decode().splitlines())
        assert {len(row) for row in rows} == {len(header)}
        assert data.endswith(b"\n")
    for start, stop in [(0, 1), (size // 3, size // 2), (size - 1, size), (max(0, size - MIB - 5), size)]:
        assert b"".join(content.chunks(max(0, start), stop)) == data[max(0, start) : stop]
