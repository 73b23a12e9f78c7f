# SPDX-License-Identifier: Apache-2.0
"""Our REST requests, and the sandbox's answers, as Prism sees them: it stands between the two, and refuses
what the published description does not allow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from airflow_provider_clarus.exceptions import ClarusForbiddenError, ClarusNotFoundError
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.description import DESCRIPTION, needs_description
from tests.integration.landing.stores import free_ports, running
from tests.npm import UnavailableError, installed

from ..conftest import Connect

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("prism")]

PRISM = "@stoplight/prism-cli@5.14.2"


@dataclass(frozen=True)
class Between:
    """Prism, and the sandbox behind it."""

    url: str
    sandbox: Sandbox


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Between]:
    needs_description()
    folder = tmp_path_factory.mktemp("prism")
    try:
        binary = installed(PRISM) / "node_modules" / ".bin" / "prism"
    except UnavailableError as error:
        (pytest.fail if "CI" in os.environ else pytest.skip)(str(error))
    (port,) = free_ports(1)
    reports = [Report(id=7, seconds=0, query=STOCK_QUERY), Report(id=8, owner="someone")]
    with Sandbox(reports) as sandbox:
        command = [str(binary), "proxy", str(DESCRIPTION), sandbox.url, "--errors", "--port", str(port)]
        url = f"http://127.0.0.1:{port}"
        with running("prism", command, folder, url):
            yield Between(url, sandbox)


def test_what_we_send_is_as_published(prism: Between, connect: Connect) -> None:
    client = connect(
        prism.sandbox, attempts=1, base_url=prism.url, token_url=f"{prism.sandbox.url}/oauth/token"
    )
    first = client.generate_report(7)
    variables = [{"name": "account_id", "value": "1"}, {"name": "account_id", "value": "2"}]
    assert client.generate_report(7, variables).id > first.id
    assert client.get_download_url(first.id).startswith(prism.sandbox.files_url)
    made = client.create_report(
        "Stock of the API user",
        1,
        source_path="data.stock_balances.all.edges",
        report_fields=[{"name": "SKU", "path": "node.sku", "prefix": "", "suffix": ""}],
        variables=[{"name": "note", "value": ""}],
        description="Of one warehouse",
    )
    assert made.name == "Stock of the API user"
    with pytest.raises(ClarusForbiddenError):
        client.generate_report(8)
    with pytest.raises(ClarusNotFoundError):
        client.get_download_url(999)
    passed = [request.path for request in prism.sandbox.requests if request.endpoint != "token"]
    assert len(passed) == 6


@pytest.mark.parametrize(
    ("path", "body", "without"),
    [
        ("/api/reports/seven/generate", {}, None),
        ("/api/reports/7/generate", {"variables": {"date_from": "today"}}, None),
        ("/api/reports/7/generate", {}, "Authorization"),
        ("/api/reports/7/generate", {}, "X-Clarus-Subdomain"),
        ("/api/reports", {"data": {"type": "reports", "attributes": {"name": "x" * 51}}}, None),
    ],
)
def test_what_is_not_is_stopped(prism: Between, path: str, body: Any, without: str | None) -> None:
    token = prism.sandbox.issue_token()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "X-Clarus-Subdomain": "acme"}
    headers = {name: value for name, value in headers.items() if name != without}
    before = len(prism.sandbox.requests)
    answer = requests.post(f"{prism.url}{path}", json=body, headers=headers, timeout=30)
    assert answer.status_code in (401, 422), answer.text
    assert "stoplight.io/prism" in answer.json()["type"]
    assert len(prism.sandbox.requests) == before
