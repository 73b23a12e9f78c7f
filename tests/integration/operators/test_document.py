# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_clarus.exceptions import (
    ClarusForbiddenError,
    ClarusInputError,
    ClarusNotFoundError,
    ClarusPermanentError,
    ClarusReportFailedError,
    ClarusTransientError,
)
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.tasks import OutletEventAccessors, context


def download(document_id: int, destination: str | Path, **arguments: Any) -> Any:
    operator = ClarusDownloadDocumentOperator(
        task_id="download",
        document_id=document_id,
        destination=destination if isinstance(destination, str) else f"file://{destination}",
        **arguments,
    )
    return operator.execute(context())


def content(sandbox: Sandbox, document_id: int) -> bytes:
    file = sandbox.documents[document_id].content
    return b"".join(file.chunks(0, file.size))


def generated(sandbox: Sandbox, **report: Any) -> int:
    sandbox.add_report(Report(8, **report))
    return sandbox.add_documents(1, 8)[0]


def test_the_file_lands_and_the_receipt_describes_it(
    clarus_default: Sandbox, document: int, tmp_path: Path
) -> None:
    landed = content(clarus_default, document)
    assert download(document, tmp_path / "stock.csv") == {
        "uri": f"file://{tmp_path}/stock.csv",
        "size": len(landed),
        "sha256": hashlib.sha256(landed).hexdigest(),
        "file_name": f"report-7-{document}.csv",
        "document_id": document,
    }
    assert (tmp_path / "stock.csv").read_bytes() == landed


def test_the_files_origin_gets_neither_bearer_nor_tenant(
    clarus_default: Sandbox, document: int, tmp_path: Path
) -> None:
    download(document, tmp_path / "stock.csv")
    (file,) = (request for request in clarus_default.requests if request.origin == "files")
    assert file.status == 200
    assert not {"authorization", "x-clarus-subdomain", "cookie"} & file.headers.keys()


def test_a_last_slash_takes_the_documents_name(
    clarus_default: Sandbox, document: int, tmp_path: Path
) -> None:
    receipt = download(document, f"file://{tmp_path}/new/folder/")
    assert receipt["uri"] == f"file://{tmp_path}/new/folder/report-7-{document}.csv"
    assert [path.name for path in tmp_path.rglob("*.csv")] == [f"report-7-{document}.csv"]


def test_a_servers_name_cannot_leave_the_folder(clarus_default: Sandbox, tmp_path: Path) -> None:
    document_id = generated(clarus_default, seconds=0, file_name="../../etc/passwd")
    download(document_id, f"file://{tmp_path}/in/")
    (landed,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert landed.parent == tmp_path / "in"


@pytest.mark.usefixtures("clock")
def test_a_document_that_the_replica_does_not_show_lands_by_its_number(
    clarus_default: Sandbox, tmp_path: Path
) -> None:
    document_id = generated(clarus_default, seconds=0, replica_lag=math.inf)
    assert download(document_id, f"file://{tmp_path}/")["file_name"] == f"document-{document_id}"


def test_a_file_that_is_there_is_replaced_or_kept(
    clarus_default: Sandbox, document: int, tmp_path: Path
) -> None:
    (tmp_path / "stock.csv").write_text("old")
    with pytest.raises(ClarusInputError, match=r"stock\.csv exists.*if_exists is 'fail'"):
        download(document, tmp_path / "stock.csv", if_exists="fail")
    assert (tmp_path / "stock.csv").read_text() == "old"
    assert clarus_default.count("file") == 0
    download(document, tmp_path / "stock.csv")
    assert (tmp_path / "stock.csv").read_bytes() == content(clarus_default, document)


def test_a_document_that_is_not_ready_may_be_later(clarus_default: Sandbox, tmp_path: Path) -> None:
    document_id = generated(clarus_default, seconds=math.inf)
    with pytest.raises(
        ClarusTransientError, match=rf"{document_id} .*'acme' is '(queued|processing)'.*DocumentSensor"
    ):
        download(document_id, tmp_path / "stock.csv")
    assert clarus_default.count("download") == 0


def test_a_document_that_will_never_be_ready_fails_for_good(clarus_default: Sandbox, tmp_path: Path) -> None:
    document_id = generated(clarus_default, seconds=0, outcome="failed")
    with pytest.raises(ClarusReportFailedError, match=f"document {document_id}"):
        download(document_id, tmp_path / "stock.csv")


@pytest.mark.usefixtures("clock")
def test_a_document_that_is_not_there_or_not_ours_fails_for_good(
    clarus_default: Sandbox, tmp_path: Path
) -> None:
    foreign = generated(clarus_default, seconds=0, owner="someone-else")
    with pytest.raises(ClarusForbiddenError, match=f"document {foreign}") as forbidden:
        download(foreign, tmp_path / "stock.csv")
    with pytest.raises(ClarusNotFoundError, match="document 999") as missing:
        download(999, tmp_path / "stock.csv")
    assert isinstance(forbidden.value, ClarusPermanentError)
    assert isinstance(missing.value, ClarusPermanentError)
    assert not list(tmp_path.iterdir())


def test_an_outlets_event_tells_what_landed(clarus_default: Sandbox, document: int, tmp_path: Path) -> None:
    stock = Asset(uri=f"file://{tmp_path}/stock.csv")
    operator = ClarusDownloadDocumentOperator(
        task_id="download",
        document_id=document,
        destination=f"file://{tmp_path}/stock.csv",
        outlets=[stock],
    )
    events: Any = OutletEventAccessors()
    receipt = operator.execute(context(outlet_events=events))
    assert events[stock].extra == receipt
