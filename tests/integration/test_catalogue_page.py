# SPDX-License-Identifier: Apache-2.0
"""What docs/catalogue.md shows is what happens: its wrong calls, and its numbers of requests.

``python -m pytest -s`` prints both tables as they are to stand there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.tasks import context

PAGE = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text()
DATE = "2024-01-31T00:00:00+00:00"


def renamed(clarus: Sandbox) -> None:
    clarus.add_report(Report(id=7, name="Stock Summary 2024", query=STOCK_QUERY))


def twice(clarus: Sandbox) -> None:
    clarus.add_report(Report(id=8, name="Stock Summary", query=STOCK_QUERY))


def forbidden(clarus: Sandbox) -> None:
    body = {"errors": [{"code": 1403, "symbol": "forbidden", "details": "Not allowed."}]}
    clarus.inject(Fault("graphql", status=403, body=body))


def down(clarus: Sandbox) -> None:
    clarus.inject(Fault("graphql", status=503, body="<html>503 Service Unavailable</html>"))


def deleted(clarus: Sandbox) -> None:
    clarus.add_report(Report(id=7, name="Stock Summary", query=None))


#: What is wrong, what is done to the server, and what the task passes.
CALLS: dict[str, tuple[Callable[[Sandbox], None], dict[str, Any]]] = {
    "a name misspelt": (lambda clarus: None, {"variables": {"date_form": DATE}}),
    "a name in other case": (lambda clarus: None, {"variables": {"Date_From": DATE}}),
    "text for a date": (lambda clarus: None, {"variables": {"date_from": "last stock take"}}),
    "a day that there is not": (lambda clarus: None, {"variables": {"date_from": "2024-02-30"}}),
    "a date for an Integer": (lambda clarus: None, {"variables": {"account_id": DATE}}),
    "a report renamed": (renamed, {"report_id": None, "report_name": "Stock Summary"}),
    "two reports of one name": (twice, {"report_id": None, "report_name": "Stock Summary"}),
    "the catalogue forbidden": (forbidden, {"variables": {"date_from": DATE}}),
    "the catalogue down": (down, {"variables": {"date_from": DATE}}),
    "the report's query deleted": (deleted, {"variables": {"date_from": DATE}}),
}


@pytest.fixture
def clarus(clarus_default: Sandbox) -> Sandbox:
    clarus_default.add_report(Report(id=7, name="Stock Summary", query=STOCK_QUERY))
    return clarus_default


def generate(**arguments: Any) -> Any:
    return ClarusGenerateReportOperator(task_id="t", **({"report_id": 7} | arguments)).execute(context())


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_is_told_as_the_page_says(
    clarus: Sandbox, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil, arguments = CALLS[call]
    spoil(clarus)
    try:
        with caplog.at_level(logging.WARNING):
            generate(**arguments)
    except ClarusError as error:
        said = str(error).splitlines()[0]
        outcome = "error, nothing sent"
    else:
        ours = (record for record in caplog.records if record.name.startswith("airflow_provider_clarus."))
        (said,) = (record.getMessage() for record in ours)
        outcome = "warning, generated"
    row = f"| {call} | {outcome} | `{said}` |"
    print(f"\n{row}")
    assert clarus.count("generate") == (outcome == "warning, generated")
    assert row in PAGE


def test_the_table_lists_these_calls() -> None:
    section = PAGE.partition("## Wrong calls")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (.*?) \|", section, flags=re.MULTILINE)[1:] == list(CALLS)


@pytest.mark.parametrize(
    ("text", "ids", "rows"),
    [
        (True, True, "the text below the report, and a filter for ids"),
        (False, True, "no text below the report"),
        (True, False, "no filter for ids"),
        (False, False, "neither"),
    ],
)
def test_requests_per_report_are_as_the_page_says(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    text: bool,
    ids: bool,
    rows: str,
) -> None:
    def cost(number: int, **arguments: Any) -> int:
        """Return what the task with this number costs; each has a hook of its own, as in its own process."""
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        report = Report(id=7, name="Stock Summary", query=STOCK_QUERY)
        with Sandbox([report], report_query_text=text, report_id_filter=ids) as clarus:
            monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_uri)
            for _ in range(number):
                before = len(clarus.requests) - clarus.count("token")
                generate(variables={"date_from": DATE}, **arguments)
            return len(clarus.requests) - clarus.count("token") - before

    by_name: dict[str, Any] = {"report_id": None, "report_name": "Stock Summary"}
    costs = [
        cost(1, check_variables=False),
        cost(1),
        cost(2),
        cost(1, **by_name),
        cost(2, **by_name),
    ]
    row = f"| {rows} | {' | '.join(map(str, costs))} |"
    print(f"\n{row}")
    assert row in PAGE
