# SPDX-License-Identifier: Apache-2.0
"""Bearer and tenant header go to the API's own address, and a download only to where a file can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus.exceptions import ClarusError, ClarusTransientError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.landing import _download
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.conftest import Connect
from tests.integration.tasks import context

PRIVATE = {"authorization", "x-clarus-subdomain", "cookie"}


def download(document_id: int, destination: Path) -> Any:
    operator = ClarusDownloadDocumentOperator(
        task_id="download", document_id=document_id, destination=f"file://{destination}"
    )
    return operator.execute(context())


CSV = {"Content-Type": "text/csv"}


@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize(
    "where", ["{api}/elsewhere", "{files}/elsewhere", "http://clarus.test/", "\xff", "https://[", ""]
)
@pytest.mark.parametrize("endpoint", ["token", "graphql", "generate", "download"])
def test_the_client_follows_no_redirect(
    connect: Connect, sandbox: Sandbox, endpoint: str, where: str, status: int
) -> None:
    client = connect(attempts=1)
    location = where.format(api=sandbox.url, files=sandbox.files_url)
    sandbox.inject(Fault(endpoint, status=status, headers={"Location": location}))
    calls = {"generate": lambda: client.generate_report(7), "download": lambda: client.get_download_url(7)}
    call = calls.get(endpoint, lambda: client.graphql("{ __typename }"))
    with pytest.raises(ClarusTransientError, match=str(status)):
        call()
    assert [request.endpoint for request in sandbox.requests][-1] == endpoint
    assert {request.origin for request in sandbox.requests} == {"api"}


def test_a_cookie_of_the_api_stays_there(clarus_default: Sandbox, document: int, tmp_path: Path) -> None:
    headers = {"Set-Cookie": "session=s3cret; Path=/"}
    url = ClarusHook().get_download_url(document)
    clarus_default.inject(Fault("download", status=200, headers=headers, body={"url": url}))
    download(document, tmp_path / "report.csv")
    assert not PRIVATE & clarus_default.requests[-1].headers.keys()


def test_a_file_on_the_apis_own_host_is_got_without_its_credentials(
    clarus_default: Sandbox, document: int, tmp_path: Path
) -> None:
    url = f"{clarus_default.url}/files/report.csv?X-Amz-Signature=abc"
    clarus_default.inject(Fault("download", status=200, body={"url": url}))
    clarus_default.inject(Fault("other", status=200, body="sku,quantity\n", headers=CSV))
    download(document, tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_text() == "sku,quantity\n"
    got = clarus_default.requests[-1]
    assert (got.origin, got.endpoint) == ("api", "other")
    assert not PRIVATE & got.headers.keys()


def test_a_storage_that_redirects_to_the_api_gets_none_of_it_sent_there(
    clarus_default: Sandbox, document: int, tmp_path: Path
) -> None:
    headers = {"Location": f"{clarus_default.url}/files/report.csv"}
    clarus_default.inject(Fault("file", status=307, headers=headers))
    clarus_default.inject(Fault("other", status=200, body="sku,quantity\n", headers=CSV))
    download(document, tmp_path / "report.csv")
    for request in clarus_default.requests[-2:]:
        assert request.endpoint in ("file", "other")
        assert not PRIVATE & request.headers.keys()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pauses between the tries of a download."""
    monkeypatch.setattr(_download, "_pause", lambda breaks: 0.0)


REFUSED = [
    "file:///etc/passwd",
    "ftp://example.com/report.csv",
    "data:text/csv,a",
    "http://example.com/report.csv",
    "http://127.0.0.1.example.com/report.csv",
    "//example.com/report.csv",
    "https:///report.csv",
    "https://",
    "",
    "report.csv",
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9.254.43518/",
    "https://0251.0376.0251.0376/",
    "https://[::ffff:169.254.169.254]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00:ec2::254]/",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://METADATA.google.internal./computeMetadata/v1/",
    "https://0.0.0.0/",
    "https://[::1",
    "http://example.com\\@127.0.0.1/",
    "https://169.254.169.254\\@example.com/",
    "https://169.254.169.254%2f@example.com\\/",
    "https://exa mple.com/",
    "https://example.com\n.evil/",
]


@pytest.mark.usefixtures("at_once", "no_pauses")
@pytest.mark.parametrize("url", [*REFUSED, None, 5, {"https": "//example.com"}, ["https://example.com"]])
def test_an_address_at_which_no_file_can_be_is_refused(
    clarus_default: Sandbox, document: int, tmp_path: Path, url: Any
) -> None:
    clarus_default.inject(Fault("download", status=200, body={"url": url}))
    (tmp_path / "report.csv").write_text("yesterday's")
    with pytest.raises(ClarusError):
        download(document, tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_text() == "yesterday's"
    assert clarus_default.count("file") == 0


@pytest.mark.usefixtures("at_once", "no_pauses")
@pytest.mark.parametrize("url", [url for url in REFUSED if "://" in url and "\n" not in url])
def test_so_is_a_redirect_of_the_storage_to_one(
    clarus_default: Sandbox, document: int, tmp_path: Path, url: str
) -> None:
    clarus_default.inject(Fault("file", status=302, headers={"Location": url}))
    with pytest.raises(ClarusError):
        download(document, tmp_path / "report.csv")
    assert not (tmp_path / "report.csv").exists()
    assert {request.endpoint for request in clarus_default.requests} <= {
        *("token", "graphql", "download", "file")
    }
