# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import re
import unicodedata
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import (
    ClarusInputError,
    ClarusPermanentError,
    ClarusTransientError,
)
from airflow_provider_clarus.landing import _progress as progress
from airflow_provider_clarus.landing._download import _pause
from airflow_provider_clarus.landing._gcs import GCSWriter
from airflow_provider_clarus.landing._progress import Progress
from airflow_provider_clarus.landing._source import ObjectChangedError, Source
from airflow_provider_clarus.landing._storage import ObjectOptions
from airflow_provider_clarus.landing._url_refused import Meaning, meaning
from airflow_provider_clarus.landing._urls import check_url, redirected, without_query
from airflow_provider_clarus.landing.landing import Landing
from airflow_provider_clarus.landing.names import MAX_NAME, destination_path, safe_file_name

MD5 = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("stock.csv", "stock.csv"),
        ("Lagerbestände März.csv", "Lagerbestände März.csv"),
        ("../../etc/passwd", "_._etc_passwd"),
        ("..\\..\\boot.ini", "_._boot.ini"),
        ("a/b.csv", "a_b.csv"),
        (".htaccess", "htaccess"),
        ("stock.csv. ", "stock.csv"),
        ("a\x00b\nc\u202ed.csv", "a_b_c_d.csv"),
        ("why?#100%*.csv", "why__100__.csv"),
        ("", "document-5"),
        (None, "document-5"),
        ("..", "document-5"),
        ("///", "document-5"),
    ],
)
def test_a_file_name_is_made_safe(name: str | None, safe: str) -> None:
    assert safe_file_name(name, 5) == safe


def test_a_name_takes_the_room_that_its_folder_leaves() -> None:
    path = destination_path(f"s3://bucket/{'a' * 900}/", "ä" * 300 + ".csv", 5)
    assert re.search(r"ä-[0-9a-f]{8}\.csv$", path)
    assert 1022 <= len(path.removeprefix("s3://bucket/").encode()) <= 1024


def test_a_long_name_keeps_its_extension() -> None:
    name = safe_file_name("ä" * 300 + ".csv", 5)
    assert re.search(r"ä-[0-9a-f]{8}\.csv$", name)
    assert MAX_NAME - 2 < len(name.encode()) <= MAX_NAME


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("file:///data/", "在庫" * 34 + " 2024-01-{:02}.csv"),
        ("file:///data/", "a" * 300 + " 2024-01-{:02}"),
        ("s3://aws@bucket/" + "x" * 980 + "/", "stock report of the north-east warehouse 2024-01-{:02}.csv"),
        ("s3://aws@bucket/" + "x" * 983 + "/", "stock." + "y" * 14 + "{:02}" + "." + "e" * 19),
    ],
)
def test_names_that_are_cut_stay_two(folder: str, name: str) -> None:
    """And are the same whatever the document: a retry may have generated another one."""
    days = {destination_path(folder, name.format(day), document) for day in range(31) for document in (1, 2)}
    assert len(days) == 31


@given(st.text(st.characters(), max_size=400))
def test_no_name_leaves_its_folder(name: str) -> None:
    safe = safe_file_name(name, 5)
    assert 0 < len(safe.encode()) <= MAX_NAME
    assert not set(safe) & set('/\\?#*%:"<>|')
    assert ".." not in safe
    assert safe == safe.strip(" .")
    assert not any(unicodedata.category(character)[0] == "C" for character in safe)
    assert safe_file_name(safe, 5) == safe


@pytest.mark.parametrize(
    ("destination", "path"),
    [
        ("s3://aws@bucket/a/b.csv", "s3://aws@bucket/a/b.csv"),
        ("s3://bucket/", "s3://bucket/stock.csv"),
        ("gs://google@bucket/a/", "gs://google@bucket/a/stock.csv"),
        ("abfs://wasb@container/a/", "abfs://wasb@container/a/stock.csv"),
        ("file:///data/", "file:///data/stock.csv"),
        ("file://local@/data/b", "file://local@/data/b"),
        ("file:///data/why?1#2", "file:///data/why?1#2"),
        ("file:///data/a?b#c", "file:///data/a?b#c"),
        ("file:///data/...//b:c", "file:///data/...//b:c"),
        ("s3://aws@bucket//a b+c%20", "s3://aws@bucket//a b+c%20"),
        ("s3://aws@my.bucket/a./b\\c", "s3://aws@my.bucket/a./b\\c"),
        ("s3://aws@bucket/" + "ä" * 512, "s3://aws@bucket/" + "ä" * 512),
    ],
)
def test_a_folder_gets_the_documents_name(destination: str, path: str) -> None:
    assert destination_path(destination, "stock.csv", 5) == path


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("/data/stock.csv", "must begin with"),
        ("ftp://host/stock.csv", "must begin with"),
        ("", "must begin with"),
        ("s3://aws@/stock.csv", "no bucket"),
        ("s3://bucket", "no object"),
        ("file://data/stock.csv", "no absolute path"),
        ("file://", "no absolute path"),
        ("s3://", "no bucket"),
        ("s3://bucket/a\nb", "control character"),
        ("s3://aws@bucket/a?versionId=7", r"write s3://aws@bucket/a$"),
        ("gs://bucket/a#17", r"write gs://bucket/a$"),
        ("s3://aws@bucket/ ", "no object"),
        ("file:///data/  ", "no object"),
        ("s3://aws@bucket/a/   ", "no object"),
        ("file:////acme/", "write file:///acme/$"),
        ("file:////data/x.csv", "write file:///data/x.csv$"),
        ("file:///data/reports/../../etc/cron.d/", r"has \. or \.\. in it"),
        ("file:///data/./x.csv", r"has \. or \.\. in it"),
        ("file:///data/why?#1", "nothing behind it"),
        ("file:///data/why?", "nothing behind it"),
        ("file:///data/why#", "nothing behind it"),
        ("file:///data/a::b", "has :: in it"),
        ("s3://aws@bucket/2024-01-15T06::00/", "has :: in it"),
        ("s3://bucket/a/../b", r"has \. or \.\. in it"),
        ("abfs://wasb@container/./b", r"has \. or \.\. in it"),
        (
            "abfss://container@account.dfs.core.windows.net/key",
            "write abfss://CONNECTION@container/key,",
        ),
        ("s3://bucket.s3.eu-west-1.amazonaws.com/key", "write s3://CONNECTION@bucket/key,"),
        ("s3://key:hunter2@bucket/k", "write s3://CONNECTION@bucket/k$"),
        ("s3://bucket:9000/k", "write s3://CONNECTION@bucket/k$"),
        ("abfs://container@account.blob.core.chinacloudapi.cn/key", "write abfs://CONNECTION@container/key,"),
        ("abfss://workspace@onelake.dfs.fabric.microsoft.com/k", "write abfss://CONNECTION@workspace/k,"),
        ("s3://bucket.s3.cn-north-1.amazonaws.com.cn/key", "write s3://CONNECTION@bucket/key,"),
        ("s3://aws@bucket/\u00a0\u200b", "no object"),
        ("abfs://wasb@container/a\\b", "has a backslash"),
        ("abfs://wasb@container/a./b", "a dot at an end"),
        ("s3://aws@bucket/" + "ä" * 513, "is too long"),
        ("gs://google@bucket/" + "a" * 1000 + "/", "is too long"),
    ],
)
def test_another_destination_is_refused(destination: str, message: str) -> None:
    with pytest.raises(ClarusInputError, match=message):
        destination_path(destination, "stock.csv", 5)


@given(st.text("/.?#:%~\\\\*[]{}$ab é", min_size=1, max_size=12))
def test_a_file_lands_where_its_destination_says(key: str) -> None:
    try:
        destination = destination_path(f"file:///{key}", "stock.csv", 5)
    except ClarusInputError:
        return
    assert ObjectStoragePath(destination).path == destination.removeprefix("file://")


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.amazonaws.com/bucket/key?X-Amz-Signature=s",
        "https://10.1.2.3/on-premises",
        "http://127.0.0.1:9000/key",
        "http://localhost/key",
        "http://[::1]/key",
    ],
)
def test_a_url_of_a_file_is_followed(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://s3.amazonaws.com/key",
        "http://127.0.0.1.example.com/key",
        "http://localhost@example.com/key",
        "file:///etc/passwd",
        "ftp://example.com/key",
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/latest/meta-data",
        "https://2852039166/latest",
        "https://0xa9.254.43518/latest",
        "https://[::ffff:169.254.169.254]/latest",
        "https://[fe80::1]/latest",
        "https://[fd00:ec2::254]/latest",
        "https://metadata.google.internal./computeMetadata",
        "https://0.0.0.0/",
        "https://[64:ff9b::169.254.169.254]/latest",
        "https://[64:ff9b:1::a9fe:a9fe]/latest",
        "https://[2002:a9fe:a9fe::]/latest",
        "https://[::169.254.169.254]/latest",
        "https://100.100.100.200/latest",
        "https://[64:ff9b::127.0.0.1]/key",
        "https://224.0.0.1/key",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ClarusPermanentError, match="Refused to download from"):
        check_url(f"{url}?X-Amz-Signature=SECRET")


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/k", "http://localhost/k", "https://[::1]/k", "https://127.1/k"]
)
def test_this_machine_serves_no_files_where_clarus_is_on_another(url: str) -> None:
    with pytest.raises(ClarusPermanentError, match="is this machine, and Clarus is on another"):
        check_url(url, loopback=False)


def test_plain_http_is_followed_where_the_connection_allows_it() -> None:
    with pytest.raises(ClarusPermanentError, match="extra allow_http"):
        check_url("http://minio.lan/key")
    assert check_url("http://minio.lan/key", allow_http=True) == "http://minio.lan/key"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (None, "it is null"),
        (7, "it is a int"),
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("/bucket/key", "it is relative"),
        ("//example.com/key", "it is relative"),
        ("https://example.com/a key", "it has a space"),
        ("https://example.com/a\\key", "it has a space or another character"),
        ("https:///key", "it names no host"),
        ("https://[::1/key", "malformed"),
        ("https://example.com:port/key", "malformed"),
    ],
)
def test_a_url_that_cannot_be_used_is_an_answer_without_sense(url: object, reason: str) -> None:
    with pytest.raises(ClarusTransientError, match=reason):
        check_url(url)


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("https://other/a/../b//c%2f?x=%2f", "https://other/a/../b//c%2f?x=%2f"),
        ("/b", "https://host/b"),
        ("//other/b", "https://other/b"),
    ],
)
def test_a_redirect_leads_where_it_says(location: str, leads: str) -> None:
    assert redirected("https://host/a/k?x=1", location) == leads


@pytest.mark.parametrize(
    ("status", "code", "means"),
    [
        (400, "RequestTimeout", Meaning.PASSES),
        (400, "ExpiredToken", Meaning.EXPIRED),
        (400, "InvalidArgument", Meaning.FINAL),
        (400, "KMS.ThrottlingException", Meaning.PASSES),
        (403, "SlowDown", Meaning.PASSES),
        (403, "AccessDenied", Meaning.EXPIRED),
        (404, "NoSuchKey", Meaning.GONE),
        (408, "", Meaning.PASSES),
        (409, "OperationAborted", Meaning.PASSES),
        (425, "", Meaning.PASSES),
        (503, "SlowDown", Meaning.PASSES),
        (301, "PermanentRedirect", Meaning.FINAL),
        (400, "", Meaning.PASSES),
        (204, "", Meaning.PASSES),
        (403, "RequestTimeTooSkewed", Meaning.EXPIRED),
        (403, "userRateLimitExceeded", Meaning.PASSES),
        (423, "", Meaning.PASSES),
        (499, "", Meaning.PASSES),
    ],
)
def test_an_answer_without_the_file_means(status: int, code: str, means: Meaning) -> None:
    assert meaning(status, code) is means


def test_a_refused_url_keeps_its_query_to_itself() -> None:
    with pytest.raises(ClarusPermanentError) as refused:
        check_url("http://example.com/key?X-Amz-Signature=SECRET")
    assert "SECRET" not in str(refused.value)
    assert "http://example.com" in str(refused.value)


def test_a_query_is_cut_out_of_any_text() -> None:
    text = "HTTPSConnectionPool(host='s3', port=443): url: /key?X-Amz-Signature=SECRET&a=b (Caused by x)"
    assert without_query(text) == "HTTPSConnectionPool(host='s3', port=443): url: /key?… (Caused by x)"


@pytest.mark.parametrize(
    ("headers", "md5"),
    [
        ({"ETag": f'"{MD5}"'}, MD5),
        ({"ETag": f'"{MD5}"', "x-amz-server-side-encryption": "AES256"}, MD5),
        ({"ETag": f'"{MD5}"', "x-amz-server-side-encryption": "aws:kms"}, None),
        ({"ETag": f'"{MD5}"', "x-amz-server-side-encryption-customer-algorithm": "AES256"}, None),
        ({"ETag": f'"{MD5}-7"'}, None),
        ({"ETag": f'W/"{MD5}"'}, None),
        ({"ETag": f'"{MD5.upper()}"'}, MD5),
        ({"ETag": MD5}, MD5),
        ({"ETag": f'"{MD5}'}, None),
        ({}, None),
    ],
)
def test_the_md5_is_in_the_etag_of_an_object_in_one_part(headers: dict[str, str], md5: str | None) -> None:
    assert Source.of(headers).md5 == md5


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"a"', "Last-Modified": "yesterday"}, '"a"'),
        ({"ETag": 'W/"a"', "Last-Modified": "yesterday"}, "yesterday"),
        ({"ETag": 'W/"a"'}, None),
    ],
)
def test_only_a_strong_etag_or_a_date_tells_versions_apart(
    headers: dict[str, str], validator: str | None
) -> None:
    assert Source.of(headers).validator == validator


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes 4-9/10"},
        {"Content-Range": "bytes 5-9/11"},
        {"Content-Range": "bytes 5-9/10", "ETag": '"b"'},
        {"Content-Range": "bytes 5-9/10", "Content-Encoding": "gzip"},
        {"Content-Range": "5"},
        {},
    ],
)
def test_the_rest_of_something_else_is_not_taken(headers: dict[str, str]) -> None:
    with pytest.raises(ObjectChangedError):
        Source(size=10, etag='"a"', validator='"a"').check_rest(5, headers)


def test_the_rest_of_a_later_version_is_told_by_its_date_where_there_is_no_etag() -> None:
    """As a server that does not know ``If-Range`` sends it."""
    source = Source.of({"Last-Modified": "Mon, 15 Jan 2024 06:00:00 GMT", "Content-Length": "10"})
    with pytest.raises(ObjectChangedError):
        source.check_rest(
            5, {"Content-Range": "bytes 5-9/10", "Last-Modified": "Mon, 15 Jan 2024 06:00:01 GMT"}
        )
    source.check_rest(5, {"Content-Range": "bytes 5-9/10", "Last-Modified": "Mon, 15 Jan 2024 06:00:00 GMT"})
    source.check_rest(5, {"Content-Range": "bytes 5-9/10"})


def test_a_strong_etag_tells_more_than_a_date() -> None:
    source = Source.of({"ETag": '"a"', "Last-Modified": "yesterday", "Content-Length": "10"})
    source.check_rest(5, {"Content-Range": "bytes 5-9/10", "ETag": '"a"', "Last-Modified": "today"})


def test_no_rest_is_taken_where_nothing_tells_versions_apart() -> None:
    with pytest.raises(ObjectChangedError, match="to tell versions apart"):
        Source(size=10).check_rest(5, {"Content-Range": "bytes 5-9/10"})


def test_the_rest_tells_the_size_that_the_first_answer_did_not() -> None:
    source = Source(etag='"a"', validator='"a"')
    source.check_rest(5, {"Content-Range": "bytes 5-9/10", "ETag": '"a"'})
    assert source.size == 10


def test_the_end_is_where_the_storage_says() -> None:
    source = Source(etag='"a"')
    source.check_end(5, {"Content-Range": "bytes */5"})
    assert source.size == 5
    with pytest.raises(ObjectChangedError):
        source.check_end(4, {"Content-Range": "bytes */5"})


def test_a_download_goes_on_at_once_after_a_break_and_then_ever_later() -> None:
    assert _pause(1) == 0
    assert 0.4 <= _pause(2) <= 0.5
    assert 0.8 <= _pause(3) <= 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def test_progress_is_told_every_few_seconds(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shown = Progress(logging.getLogger("test"))
    for now in range(1, 12):
        clock[0] = now
        shown.add(1_000_000, 22_000_000)
    assert caplog.messages == [
        "Received 5.0 MB of 22.0 MB (23%) so far, 1.0 MB/s",
        "Received 10.0 MB of 22.0 MB (45%) so far, 1.0 MB/s",
    ]
    assert shown.summary() == "11.0 MB in 11.0 s (1.0 MB/s)"


def test_progress_without_a_size_has_no_percent(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shown = Progress(logging.getLogger("test"))
    clock[0] = 6
    shown.add(1_000_000, None)
    assert caplog.messages == ["Received 1.0 MB so far, 166.7 kB/s"]


def test_the_last_bytes_are_told_when_they_have_landed(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shown = Progress(logging.getLogger("test"))
    clock[0] = 60
    shown.add(900, 900)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1.0 kB"), (48_213, "48.2 kB"), (4_300_000, "4.3 MB")],
)
def test_small_files_have_a_size(clock: list[float], size: int, told: str) -> None:
    shown = Progress(logging.getLogger("test"))
    shown.add(size, size)
    clock[0] = 2
    assert shown.summary().startswith(f"{told} in 2.0 s (")


def test_a_bucket_that_shows_an_object_in_the_making_is_refused() -> None:
    zonal = SimpleNamespace(
        split_path=lambda path: ("bucket", "report.csv", None),
        _sync_lookup_bucket_type=lambda bucket: SimpleNamespace(name="ZONAL_HIERARCHICAL"),
    )
    with pytest.raises(ClarusInputError, match="zonal bucket"):
        GCSWriter(zonal, "bucket/report.csv", ObjectOptions())


def test_a_password_in_a_destination_is_not_repeated() -> None:
    with pytest.raises(ClarusInputError) as refused:
        destination_path("s3://key:hunter2@bucket/k", None, 5)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/csv",
        "text/csv; charset=utf-8",
        "text/csv; name=stock.csv",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.rar",
    ],
)
def test_a_mime_type_is_taken_as_it_is(content_type: str) -> None:
    assert Landing.settle("s3://bucket/stock", content_type=content_type).content_type == content_type


@pytest.mark.parametrize("content_type", ["csv", "text", "/tmp/5", "text/", "a b/c", "text/c\nv", "text/ç"])
def test_what_is_no_mime_type_is_refused(content_type: str) -> None:
    with pytest.raises(ClarusInputError, match="content_type"):
        Landing.settle("s3://bucket/stock", content_type=content_type)
