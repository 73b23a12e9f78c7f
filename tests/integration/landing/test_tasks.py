# SPDX-License-Identifier: Apache-2.0
"""What tasks land in object storage, and what they leave alone."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.landing.destination import storage_path
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import context, run

from .proxy import Reply, StoreProxy
from .stores import Store, StoreUnavailableError, moto

# One server for all tests here.
pytestmark = pytest.mark.xdist_group("tasks")

ROOT = "s3://tasks@landing"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch:
        try:
            with moto(tmp_path_factory.mktemp("moto")) as store:
                # Airflow keeps what it has opened under a connection's name, and "moto" is another server's.
                store = replace(store, name="tasks", root=ROOT)
                for name, value in store.environment.items():
                    patch.setenv(name, value)
                yield store
        except StoreUnavailableError as error:
            if "CI" in os.environ:
                raise
            pytest.skip(str(error))


@pytest.fixture
def make(store: Store, clarus_default: Sandbox) -> Callable[..., ClarusReportToObjectStorageOperator]:
    clarus_default.add_report(Report(7, seconds=0))

    def make(destination: str, **arguments: Any) -> ClarusReportToObjectStorageOperator:
        defaults = {"report_id": 7, "poll_interval": 0.1, "deferrable": False}
        return ClarusReportToObjectStorageOperator(
            task_id="land", destination=destination, **(defaults | arguments)
        )

    return make


def head(uri: str) -> dict[str, Any]:
    path = ObjectStoragePath(uri)
    return path.fs.call_s3("head_object", Bucket="landing", Key=path.key)  # type: ignore[no-any-return]


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("deferrable", [False, True])
def test_an_object_tells_where_it_came_from(make: Callable[..., Any], deferrable: bool) -> None:
    arguments = {
        "metadata": {"cost-centre": 7},
        "extra_args": {"ServerSideEncryption": "AES256", "CacheControl": "no-store"},
        "deferrable": deferrable,
    }
    receipt = run(lambda: make(f"{ROOT}/{deferrable}/told.csv", **arguments))
    said = head(receipt["uri"])
    assert said["ContentType"] == "text/csv"
    assert said["ServerSideEncryption"] == "AES256"
    assert said["CacheControl"] == "no-store"
    assert said["Metadata"] == {
        "clarusdocument": str(receipt["document_id"]),
        "clarusreport": "7",
        "clarustenant": "acme",
        "cost-centre": "7",
    }


def test_what_is_there_costs_nothing_and_is_returned(
    make: Callable[..., Any], clarus_default: Sandbox
) -> None:
    first = make(f"{ROOT}/once.csv", if_exists="skip").execute(context())
    sent = len(clarus_default.requests)
    again = make(f"{ROOT}/once.csv", if_exists="skip").execute(context())
    assert len(clarus_default.requests) == sent
    assert again == {**first, "sha256": None, "file_name": "once.csv"}
    with pytest.raises(ClarusInputError, match=r"once\.csv exists already, and if_exists is 'fail'"):
        make(f"{ROOT}/once.csv", if_exists="fail").execute(context())
    assert len(clarus_default.requests) == sent


class CountingProxy(StoreProxy):
    """Keeps what it passes on."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.seen: list[str] = []

    def meet(self, request: Any, body: bytes) -> Reply:
        self.seen.append(f"{request.command} {request.path}")
        return super().meet(request, body)


def test_a_landed_day_costs_one_request(
    make: Callable[..., Any], store: Store, clarus_default: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(3):
        storage_path(f"{ROOT}/days/{day}.csv").write_bytes(b"landed")
    with CountingProxy(store.endpoint) as proxy:
        counted = str(store.connection).replace(store.endpoint, proxy.url)
        monkeypatch.setenv("AIRFLOW_CONN_COUNTED", counted)
        for day in range(3):
            make(f"s3://counted@landing/days/{day}.csv", if_exists="skip", deferrable=True).execute(context())
        assert proxy.seen == [f"HEAD /landing/days/{day}.csv" for day in range(3)]
    assert clarus_default.requests == []


def test_what_is_there_under_the_documents_own_name_is_found_before_it_is_fetched(
    make: Callable[..., Any], clarus_default: Sandbox, document: int
) -> None:
    def download(if_exists: str) -> Any:
        operator = ClarusDownloadDocumentOperator(
            task_id="land", document_id=document, destination=f"{ROOT}/own/", if_exists=if_exists
        )
        return operator.execute(context())

    first = download("fail")
    fetched = clarus_default.count("file")
    assert download("skip")["document_id"] == first["document_id"]
    with pytest.raises(ClarusInputError, match="did not land"):
        download("fail")
    assert clarus_default.count("file") == fetched


def test_a_packed_file_is_called_so(make: Callable[..., Any]) -> None:
    receipt = make(f"{ROOT}/packed/", compression="gzip").execute(context())
    assert receipt["uri"] == f"{ROOT}/packed/{receipt['file_name']}.gz"
    assert head(receipt["uri"])["ContentType"] == "application/gzip"
    packed = ObjectStoragePath(receipt["uri"]).read_bytes()
    assert receipt["size"] == len(packed)
    assert gzip.decompress(packed).startswith(b"line,tenant")


@pytest.mark.parametrize(
    "wrong",
    [
        {"extra_args": {"Acl": "private"}},
        {"metadata": {"a b": "c"}},
        {"compression": "zip"},
        {"if_exists": "keep"},
        {"if_exists": "Skip"},
        {"if_exists": None},
        {"compression": "GZIP"},
        {"extra_args": {"StorageClass": "STANDARD_AI"}},
        {"destination": "s3://tasks@landing"},
        {"destination": f"s3://tasks@landing/{'a' * 1025}"},
        {"destination": "file:///tmp/" + "a" * 256},
        {"content_type": "csv"},
        {"destination": "s3://tasks@landing/a?versionId=7"},
        {"destination": "abfss://container@account.dfs.core.windows.net/key"},
    ],
)
def test_what_is_wrong_costs_no_report(
    make: Callable[..., Any], clarus_default: Sandbox, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ClarusInputError):
        make(**{"destination": f"{ROOT}/wrong.csv", **wrong}).execute(context())
    assert clarus_default.requests == []


def test_a_folder_in_the_way_costs_no_report(
    make: Callable[..., Any], clarus_default: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "stock.csv").mkdir()
    with pytest.raises(ClarusInputError, match="is no file"):
        make(f"file://{tmp_path}/stock.csv").execute(context())
    assert clarus_default.requests == []
