# SPDX-License-Identifier: Apache-2.0
"""What the pages say is true: the connections, and the error messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.variables.windows import interval_variables
from tests import readme
from tests.airflow_connection import from_uri

CONTEXT = {"ti": SimpleNamespace(max_tries=0), "dag_run": SimpleNamespace(run_type="backfill")}


def test_the_uri_and_the_json_mean_the_same_connection() -> None:
    (uri,) = re.findall(r"^clarus://.*$", readme.section("Connect"), flags=re.MULTILINE)
    (fields,) = map(json.loads, readme.blocks("json", "Connect"))
    meant = ClarusConnection.from_airflow(Connection(conn_id="c", **fields))
    assert ClarusConnection.from_airflow(from_uri(uri)) == meant
    assert (meant.base_url, meant.tenant) == ("https://clarus-api.com", "TENANT")
    assert (meant.client_id, meant.client_secret) == ("CLIENT_ID", "CLIENT_SECRET")


class World:
    """A sandbox, and an Airflow connection to it that a test may spoil."""

    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
        self.sandbox = sandbox
        self._monkeypatch = monkeypatch
        self.connect()

    def connect(self, **fields: Any) -> None:
        connection = json.loads(self.sandbox.connection_json) | fields
        self._monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", json.dumps(connection))

    def generate(self, **arguments: Any) -> Any:
        return ClarusGenerateReportOperator(task_id="t", **({"report_id": 7} | arguments)).execute(CONTEXT)


def no_connection(world: World) -> None:
    world._monkeypatch.delenv("AIRFLOW_CONN_CLARUS_DEFAULT")
    world.generate()


def wrong_secret(world: World) -> None:
    world.connect(password="wrong")
    world.generate()


def not_the_owner(world: World) -> None:
    world.sandbox.add_report(Report(id=7, owner="somebody-else"))
    world.generate()


def no_such_report(world: World) -> None:
    world.generate(report_id=8)


def late(world: World) -> None:
    end = datetime.now(timezone.utc) - timedelta(days=3)
    context = CONTEXT | {"data_interval_start": end - timedelta(days=1), "data_interval_end": end}
    ClarusGenerateReportOperator(task_id="t", report_id=7, variables={"a": "3 days ago"}).execute(context)


def misspelt(world: World) -> None:
    world.sandbox.add_report(Report(id=7, query=STOCK_QUERY))
    world.generate(variables={"date_form": "2024-01-31T00:00:00+00:00"})


def land(destination: str) -> None:
    ClarusDownloadDocumentOperator(task_id="t", document_id=1, destination=destination).execute(CONTEXT)


PROVOKED: dict[str, Callable[[World], Any]] = {
    "Airflow did not find connection 'clarus_default'": no_connection,
    "no tenant": lambda world: (world.connect(schema=""), world.generate()),
    "subdomain is ''": lambda world: world.generate(subdomain=""),
    "no credentials": lambda world: (world.connect(password=""), world.generate()),
    "Could not get a token` … `401": wrong_secret,
    "Could not generate report 7 in tenant 'acme': Clarus answered 403": not_the_owner,
    "Could not generate report 7 in tenant 'acme': Clarus answered 404": no_such_report,
    "needs a data interval": lambda world: interval_variables(
        ("a", "b"), None, None, timetable_name="CronTriggerTimetable"
    ),
    "which Clarus counts from the moment at which it generates the report": late,
    "is not declared by report 7": misspelt,
    "This user sees no report": lambda world: world.generate(report_id=None, report_name="Stok"),
    "is not a URI of a storage that a report can land in": lambda world: land("bucket/key"),
    "begins with an empty folder": lambda world: land("file:////stock.csv"),
}


def test_the_table_lists_what_is_provoked_here() -> None:
    assert [cell.strip("`") for cell in readme.first_column("Troubleshooting")] == list(PROVOKED)


@pytest.mark.parametrize("message", PROVOKED)
def test_the_log_says_what_the_table_says(
    message: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ClarusError) as raised:
        PROVOKED[message](World(sandbox, monkeypatch))
    said = str(raised.value).replace("report 8", "report 7")
    assert all(part.strip("` ") in said for part in message.split("…")), said
