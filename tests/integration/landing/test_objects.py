# SPDX-License-Identifier: Apache-2.0
"""What an object carries, whether it may replace another one, and that the storage has what was sent."""

from __future__ import annotations

import gzip
import json
import logging
import os
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.landing import _parts as parts
from airflow_provider_clarus.landing._azure import AzureWriter
from airflow_provider_clarus.landing._pages import Announced
from airflow_provider_clarus.landing._s3 import EXTRA_ARGS, S3Writer
from airflow_provider_clarus.landing._storage import ObjectExistsError, ObjectOptions, storage_of
from airflow_provider_clarus.landing.landing import Landing

from .conftest import OLD, Destination, Served, sha256
from .origin import Origin
from .proxy import Reply, StoreProxy
from .stores import KEY, SECRET

MIB = 1024 * 1024
SIZES = [9, 20 * MIB]
CARRIED = {"content_type": "text/csv", "metadata": {"clarusdocument": "7", "cost": "eu"}}
#: For each store, what is asked for, and what :func:`head` is to tell of it.
EXTRAS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "moto": (
        {
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": "alias/reports",
            "StorageClass": "STANDARD_IA",
            "CacheControl": "no-store",
            "Tagging": "team=stock",
        },
        {
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": "alias/reports",
            "StorageClass": "STANDARD_IA",
            "CacheControl": "no-store",
            "Tags": [{"Key": "team", "Value": "stock"}],
        },
    ),
    "seaweedfs": (
        {"CacheControl": "no-store", "Tagging": "team=stock"},
        {"CacheControl": "no-store", "Tags": [{"Key": "team", "Value": "stock"}]},
    ),
    "azurite": (
        {
            "tags": {"team": "stock"},
            "content_settings": {"cache_control": "no-store"},
            "standard_blob_tier": "Cool",
        },
        {"tags": {"team": "stock"}, "cache_control": "no-store", "blob_tier": "Cool"},
    ),
    "fake_gcs": ({"cacheControl": "no-store"}, {"cacheControl": "no-store"}),
}
PAGE = Path(__file__).parents[3] / "docs" / "landing.md"
#: What the table in PAGE shows of :func:`head`: for each row, one of these names, whichever a store has.
ROWS = {
    "type": ("ContentType", "content_type"),
    "metadata": ("metadata",),
    "cache": ("CacheControl", "cache_control", "cacheControl"),
    "tags": ("Tags", "tags"),
    "encryption": ("ServerSideEncryption",),
    "key": ("SSEKMSKeyId",),
    "class": ("StorageClass", "blob_tier", "storageClass"),
    "size": ("ContentLength", "size"),
    "digest": ("ETag", "md5Hash"),
}

pytestmark = pytest.mark.usefixtures("no_pauses", "small_requests")


def head(destination: Destination) -> dict[str, Any]:
    """What the store's own client tells of an object."""
    name = destination.store.name
    key = destination.path.key
    if name == "azurite":
        blob = destination.path.fs.service_client
        from azure.storage.blob import BlobServiceClient

        text = json.loads(destination.store.connection)["extra"]["connection_string"]
        with BlobServiceClient.from_connection_string(text) as client:
            blob = client.get_blob_client("landing", key)
            said = blob.get_blob_properties()
            return {
                "content_type": said.content_settings.content_type,
                "cache_control": said.content_settings.cache_control,
                "metadata": said.metadata,
                "tags": blob.get_blob_tags(),
                "blob_tier": said.blob_tier,
                "size": said.size,
            }
    if name == "fake_gcs":
        url = f"{destination.store.endpoint}/storage/v1/b/landing/o/{urllib.parse.quote(key, safe='')}"
        with urllib.request.urlopen(url) as answer:
            found = json.load(answer)
        return {**found, "content_type": found["contentType"]}
    client = s3_client(destination)
    found = client.head_object(Bucket="landing", Key=key)
    tags = client.get_object_tagging(Bucket="landing", Key=key)["TagSet"]
    return {**found, "content_type": found["ContentType"], "metadata": found["Metadata"], "Tags": tags}


def s3_client(destination: Destination) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=destination.store.endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )


@pytest.mark.parametrize("size", SIZES)
def test_an_object_carries_what_was_asked(destination: Destination, size: int) -> None:
    """The same for one that goes up in one part and in many."""
    if destination.store.name == "local":
        pytest.skip("a file carries nothing")
    extra_args, told = EXTRAS[destination.store.name]
    with Origin(os.urandom(size)) as origin:
        destination.land(lambda: origin.url, options=ObjectOptions(**CARRIED, extra_args=extra_args))
    assert destination.shown() == {"report.csv": origin.body}
    said = head(destination)
    assert {name: said[name] for name in CARRIED} == CARRIED
    assert {name: said[name] for name in told} == told


def test_the_page_shows_what_the_store_tells_of_an_object(destination: Destination) -> None:
    """The table in docs/landing.md. An ETag of Azure is another one each time."""
    name = destination.store.name
    if name == "local":
        pytest.skip("a file carries nothing")
    facts = {"clarusdocument": "7", "clarusreport": "3", "clarustenant": "acme", "team": "stock"}
    options = ObjectOptions("text/csv", facts, EXTRAS[name][0])
    with Origin(bytes(range(250)) * 36_400) as origin:
        destination.land(lambda: origin.url, options=options)
    said = head(destination)

    def cell(names: tuple[str, ...]) -> str:
        told = [(each, said[each]) for each in names if said.get(each)]
        if not told:
            return "-"
        each, value = told[0]
        if isinstance(value, list):
            value = {tag["Key"]: tag["Value"] for tag in value}
        if isinstance(value, dict):
            value = ", ".join(f"{key}: {value[key]}" for key in sorted(value))
        return f"`{each}: {value}`"

    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("|")]
    column = next(line for line in lines if line[:2] == ["told of", "moto"]).index(name)
    shown = {line[0]: line[column] for line in lines if len(line) == len(EXTRAS) + 1 and line[0] in ROWS}
    assert shown == {row: cell(names) for row, names in ROWS.items()}


@pytest.mark.parametrize("size", SIZES)
def test_an_object_that_is_there_is_left_alone(
    destination: Destination, old: dict[str, bytes], size: int
) -> None:
    with pytest.raises(ObjectExistsError):
        destination.land(lambda: pytest.fail("asked for a URL"), options=ObjectOptions(if_absent=True))
    assert destination.shown() == old


@pytest.mark.parametrize("size", SIZES)
def test_an_object_that_comes_in_between_is_left_alone(destination: Destination, size: int) -> None:
    storage = storage_of(destination.uri)
    writer = storage.open_writer(destination.path, ObjectOptions(if_absent=True))
    writer.write(os.urandom(size))
    # Not by fsspec: adlfs' blocks have ids of another length, which Azure does not take beside ours.
    other = storage.open_writer(destination.path, ObjectOptions())
    other.write(OLD)
    other.commit()
    with pytest.raises(ObjectExistsError):
        writer.commit()
    writer.discard()
    assert destination.shown() == {"report.csv": OLD}
    found = storage.look(destination.path)
    assert found
    assert found.size == len(OLD)


@pytest.mark.parametrize("size", SIZES)
def test_of_those_that_land_at_once_one_does(destination: Destination, size: int) -> None:
    if destination.store.name not in ("local", "azurite") and size > 8 * MIB:
        pytest.skip("this server does not keep the condition for objects in parts")
    bodies = [os.urandom(size) for _ in range(4)]
    start = threading.Barrier(4)

    def land(body: bytes) -> bytes | None:
        writer = storage_of(destination.uri).open_writer(destination.path, ObjectOptions(if_absent=True))
        writer.write(body)
        start.wait()
        try:
            writer.commit()
        except ObjectExistsError:
            writer.discard()
            return None
        return body

    with ThreadPoolExecutor(4) as threads:
        (landed,) = [body for body in threads.map(land, bodies) if body is not None]
    assert destination.shown() == {"report.csv": landed}


@pytest.mark.long
def test_a_file_is_packed_the_same_each_time(destination: Destination) -> None:
    rows = b"".join(b"%d,%d\n" % (number, number * 7) for number in range(400_000))
    with Origin(rows) as origin:
        landed = [destination.land(lambda: origin.url, compress=True) for _ in range(2)]
    (packed,) = destination.shown().values()
    assert gzip.decompress(packed) == rows
    assert packed[4:8] == bytes(4)
    assert landed[0] == landed[1]
    assert (landed[0].size, landed[0].sha256) == (len(packed), sha256(packed))


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("writer", [S3Writer, AzureWriter])
def test_parts_are_enough_for_five_tebibytes(writer: Any, known: bool) -> None:
    size, sent, count, largest = 5 * 1024**4, 0, 0, 0
    while sent < size:
        count += 1
        part = parts.part_size(count, size if known else None, writer.PARTS)
        largest = max(largest, part)
        sent += part
    assert count <= writer.PARTS
    assert largest <= (550 if known else 1300) * MIB


@pytest.mark.long
@pytest.mark.parametrize("known", [True, False])
def test_a_file_lands_whose_parts_would_be_too_many(
    destination: Destination, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    writer = {"seaweedfs": S3Writer, "moto": S3Writer, "azurite": AzureWriter}.get(destination.store.name)
    if writer is None:
        pytest.skip("has no parts")
    monkeypatch.setattr(writer, "PARTS", 5)
    monkeypatch.setattr(parts, "PART", 5 * MIB)
    numbers = []
    put = writer._put_part
    monkeypatch.setattr(writer, "_put_part", lambda self, n, part: numbers.append(n) or put(self, n, part))
    body = os.urandom(45 * MIB)
    opened = storage_of(destination.uri).open_writer(
        destination.path, ObjectOptions(size=len(body) if known else None)
    )
    for start in range(0, len(body), MIB):
        opened.write(body[start : start + MIB])
    opened.commit()
    assert max(numbers) <= 5
    assert destination.shown() == {"report.csv": body}


@pytest.mark.parametrize(
    ("destination", "extra_args", "message"),
    [
        ("s3://a@b/k", {"ServerSideEncription": "aws:kms"}, "'ServerSideEncription', which S3 does not take"),
        ("s3://a@b/k", {"StorageClass": 5}, "StorageClass"),
        ("s3://a@b/k", {"SSECustomerKey": "k"}, "SSECustomerKey"),
        ("s3://a@b/k", {"StorageClass": "STANDARD_AI"}, "STANDARD_AI'; it is one of .*STANDARD_IA"),
        ("s3://a@b/k", {"ACL": "Private"}, "ACL is 'Private'; it is one of .*private"),
        ("s3://a@b/k", {"ServerSideEncryption": "kms"}, "it is one of .*aws:kms"),
        ("s3://a@b/k", {"SSEKMSKeyId": "alias/reports"}, "need ServerSideEncryption='aws:kms'"),
        ("s3://a@b/k", {"SSEKMSKeyId": "k", "ServerSideEncryption": "AES256"}, "need ServerSideEncryption"),
        ("s3://a@b/k", {"ACL": "private", "GrantRead": "id=7"}, "S3 takes one"),
        ("s3://a@b/k", {"ObjectLockMode": "GOVERNANCE"}, "ObjectLockRetainUntilDate"),
        ("s3://a@b/k", {"Expires": "never"}, "Expires"),
        ("s3://a@b/k", {"ChecksumAlgorithm": "CRC64NVME"}, r"pip install 'botocore\[crt\]'"),
        ("s3://a@b/k", {"ChecksumAlgorithm": "CRC33"}, "it is one of .*CRC32"),
        ("s3://a@b/k", {"Tagging": {"team": "stock"}}, "Tagging"),
        ("s3://a@b/k", {"Tagging": "teäm=stock"}, "Tagging"),
        ("s3://a@b/k", {"CacheControl": "no-store\r\nx-amz-acl: b"}, "CacheControl .* cannot be sent"),
        ("s3://a@b/k", {"Metadata": {"a": 7}}, "Metadata"),
        ("gs://a@b/k", {"storageClass": "STANDARD_IA"}, "it is one of STANDARD, NEARLINE"),
        ("gs://a@b/k", {"predefinedAcl": "public-read"}, "it is one of .*publicRead"),
        ("gs://a@b/k", {"kmsKeyName": "alias/reports"}, "projects/"),
        ("gs://a@b/k", {"customTime": "yesterday"}, "customTime"),
        ("gs://a@b/k", {"temporaryHold": "yes"}, "it is a bool"),
        ("gs://a@b/k", {"contentType": "text/csv\n"}, "cannot be sent"),
        ("abfs://a@b/k", {"standard_blob_tier": "cool"}, "it is one of Hot, Cool"),
        ("abfs://a@b/k", {"legal_hold": "yes"}, "it is a bool"),
        ("abfs://a@b/k", {"encryption_scope": ""}, "the name of a scope"),
        ("abfs://a@b/k", {"content_settings": {"cache_control": 5}}, "content_settings"),
        ("abfs://a@b/k", {"content_settings": {"content_disposition": "März.csv"}}, "texts of ASCII"),
        ("abfs://a@b/k", {"tags": {"team": "stock & co"}}, "letters, digits"),
        ("abfs://a@b/k", {"tags": {"": "stock"}}, "letters, digits"),
        ("abfs://a@b/k", {"tags": {f"t{n}": "x" for n in range(11)}}, "up to 10"),
        ("gs://a@b/k", {"kms_key_name": "k"}, "kms_key_name"),
        ("gs://a@b/k", {"cacheControl": 5}, "cacheControl is 5"),
        ("abfs://a@b/k", {"Tags": {}}, "'Tags', which Azure"),
        ("abfs://a@b/k", {"tags": "a=b"}, "it is a mapping"),
        ("abfs://a@b/k", {"content_settings": {"CacheControl": "x"}}, "content_settings"),
        ("file:///data/k", {"ACL": "private"}, "a file carries nothing"),
        ("s3://a@b/k", "ACL=private", "a mapping of names to values"),
    ],
)
def test_an_extra_argument_that_is_wrong_is_told_at_once(
    destination: str, extra_args: Any, message: str
) -> None:
    with pytest.raises(ClarusInputError, match=message):
        Landing.settle(destination, extra_args=extra_args)


@pytest.mark.parametrize(
    ("destination", "metadata"),
    [
        ("s3://a@b/k", {"a b": "c"}),
        ("s3://a@b/k", {"a": "ü"}),
        ("s3://a@b/k", {"a": "c" * 3000}),
        ("abfs://a@b/k", {"a-b": "c"}),
        ("abfs://a@b/k", {"a": "c\n"}),
        ("gs://a@b/k", {"a": "c" * 9000}),
        ("gs://a@b/k", {"a": "c\r\nd: e"}),
        ("s3://a@b/k", {"a": "c\nd"}),
        ("s3://a@b/k", {"Team": "c", "team": "d"}),
        ("abfs://a@b/k", {"Team": "c", "team": "d"}),
        # Those of the document need some of the 2 KB.
        ("s3://a@b/k", {"a": "c" * 2000}),
    ],
)
def test_metadata_that_the_storage_cannot_keep_are_told_at_once(destination: str, metadata: Any) -> None:
    with pytest.raises(ClarusInputError, match="metadata"):
        Landing.settle(destination, metadata=metadata)


def test_what_a_user_adds_is_not_there_twice() -> None:
    landing = Landing.settle("s3://a@b/k", metadata={"ClarusTenant": "mine"})
    options = landing.object_options(Announced(), {"clarusdocument": "7", "clarustenant": "acme"})
    assert options.metadata == {"clarusdocument": "7", "ClarusTenant": "mine"}


@pytest.mark.parametrize("file_type", ["text/csv\r\nx: y", "text/ç", "text/", "no type/at all"])
def test_a_type_that_no_header_carries_is_not_passed_on(file_type: str) -> None:
    landing = Landing.settle("s3://a@b/k")
    assert landing.object_options(Announced("stock.csv", file_type), {}).content_type == "text/csv"


def test_the_names_are_those_of_boto3() -> None:
    from boto3.s3.transfer import S3Transfer

    assert not EXTRA_ARGS - {*S3Transfer.ALLOWED_UPLOAD_ARGS}


@pytest.mark.parametrize(
    ("file_type", "file_name", "compression", "content_type", "name"),
    [
        ("text/csv", "stock.csv", None, "text/csv", "stock.csv"),
        ("pdf", "stock", None, "application/pdf", "stock"),
        (None, "stock.xlsx", None, None, "stock.xlsx"),
        ("text/csv", "stock.csv", "gzip", "application/gzip", "stock.csv.gz"),
        ("text/csv", None, "gzip", "application/gzip", "document-7.gz"),
        ("application/gzip", "stock.csv.gz", "gzip", "application/gzip", "stock.csv.gz"),
    ],
)
def test_a_document_tells_type_and_name(
    file_type: str | None, file_name: str | None, compression: str | None, content_type: str | None, name: str
) -> None:
    landing = Landing.settle("file:///data/", compression=compression)
    announced = Announced(file_name, file_type)
    if content_type:
        assert landing.object_options(announced, {}).content_type == content_type
    assert landing.path(announced, 7).name == name


def test_a_request_that_was_repeated_finds_what_it_made(
    destination: Destination, serve: Callable[[int], Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage's client sends a request again when its answer was lost."""
    if destination.store.name == "local":
        pytest.skip("no request")
    file = serve(9)
    storage = storage_of(destination.uri)
    open_writer = storage.open_writer

    def committed_twice(path: Any, options: ObjectOptions) -> Any:
        first, second = open_writer(path, options), open_writer(path, options)
        write, commit = second.write, second.commit
        second.write = lambda chunk: (first.write(chunk), write(chunk))  # type: ignore[method-assign, assignment]
        second.commit = lambda: (first.commit(), commit())  # type: ignore[method-assign, assignment]
        return second

    monkeypatch.setattr(storage, "open_writer", committed_twice)
    # A header comes back without the spaces around it.
    metadata = {"clarusdocument": "7", "team": " a  b ", "none": ""}
    options = ObjectOptions(if_absent=True, metadata=metadata)
    assert destination.land(file.get_url, options=options).size == 9
    assert destination.shown() == {"report.csv": file.content}


def test_the_libraries_chatter_is_not_in_the_log(
    destination: Destination, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Origin(os.urandom(9 * MIB)) as origin:
        destination.land(lambda: origin.url)
    assert {record.name for record in caplog.records if record.levelno == logging.INFO} == {"tests.landing"}


class ConflictingProxy(StoreProxy):
    """Answers as Amazon does while another one makes the same object, which then is there, or is not."""

    def __init__(self, endpoint: str, lands: Callable[[], None]) -> None:
        super().__init__(endpoint)
        self.lands = lands

    def meet(self, request: Any, body: bytes) -> Reply:
        if "If-None-Match" in request.headers:
            self.lands()
            answer = b"<Error><Code>ConditionalRequestConflict</Code><Message>Try again</Message></Error>"
            return 409, {"content-type": "application/xml"}, answer
        return super().meet(request, body)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_conflict_is_an_object_only_if_one_is_there(
    destination: Destination, monkeypatch: pytest.MonkeyPatch, size: int, is_there: bool
) -> None:
    store = destination.store
    if store.name not in ("moto", "seaweedfs"):
        pytest.skip("an answer of S3")
    error: type[Exception] = ObjectExistsError if is_there else OSError
    lands = (lambda: destination.hold(OLD)) if is_there else (lambda: None)
    with ConflictingProxy(store.endpoint, lands) as proxy, Origin(os.urandom(size)) as origin:
        connection = str(store.connection).replace(store.endpoint, proxy.url)
        # Airflow keeps what it has opened by the connection's id.
        name = f"conflict_{store.name}_{size}_{is_there}"
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", connection)
        folder = destination.folder.replace(f"{store.name}@", f"{name}@")
        with pytest.raises(error):
            Destination(store, folder).land(lambda: origin.url, options=ObjectOptions(if_absent=True))
    assert destination.shown() == ({"report.csv": OLD} if is_there else {})


def test_an_empty_part_of_a_key_is_kept_or_is_one_slash_as_the_page_says(destination: Destination) -> None:
    folder = Destination(destination.store, f"{destination.folder}//a")
    with Origin(b"sku") as origin:
        folder.land(lambda: origin.url)
    fs = folder.path.fs
    (found,) = fs.find(destination.path.parent.path)
    is_kept = destination.store.name in ("moto", "azurite")
    assert found.endswith("//a/report.csv") == is_kept
    assert fs.cat(found) == b"sku"
