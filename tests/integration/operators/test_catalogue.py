# SPDX-License-Identifier: Apache-2.0
"""What both generating operators ask of the catalogue: names, types, and the id of a name."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_clarus.exceptions import (
    ClarusForbiddenError,
    ClarusInputError,
    ClarusNotFoundError,
    ClarusTransientError,
)
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report, ReportQuery
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import OutletEventAccessors, Store, context, run

FORBIDDEN = {"errors": [{"code": 1403, "symbol": "forbidden", "details": "Not allowed."}]}
STOCK = Report(id=7, name="Stock Summary", query=STOCK_QUERY, seconds=0.1)
LATE = {
    "data_interval_start": pendulum.datetime(2024, 3, 31),
    "data_interval_end": pendulum.datetime(2024, 4, 1),
}


@pytest.fixture
def clarus(clarus_default: Sandbox) -> Sandbox:
    clarus_default.add_report(STOCK)
    return clarus_default


@pytest.fixture(params=["generate", "transfer"])
def execute(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Execute one of the two operators, in its worker."""

    def execute(values: Any = None, **arguments: Any) -> Any:
        if request.param == "generate":
            task: Any = ClarusGenerateReportOperator(task_id="t", deferrable=False, **arguments)
        else:
            task = ClarusReportToObjectStorageOperator(
                task_id="t",
                destination=f"file://{tmp_path}/",
                deferrable=False,
                poll_interval=0.1,
                **arguments,
            )
        return task.execute(context(**(values or {})))

    return execute


def reads(sandbox: Sandbox) -> int:
    """How many requests the catalogue has had."""
    return sum(b"report" in request.body for request in sandbox.requests if request.endpoint == "graphql")


def test_a_misspelt_name_generates_nothing(clarus: Sandbox, execute: Any) -> None:
    with pytest.raises(ClarusInputError) as raised:
        execute(report_id=7, variables={"date_form": "2024-01-01T00:00:00+00:00"})
    assert "'date_form' is not declared by report 7 ('Stock Summary') in tenant 'acme'" in str(raised.value)
    assert "did you mean 'date_from' or 'date_to'?" in str(raised.value)
    assert (raised.value.report_id, raised.value.tenant) == (7, "acme")
    assert (clarus.count("generate"), reads(clarus)) == (0, 1)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"date_from": "soon"}, "declares a Date"),
        ({"account_id": pendulum.date(2024, 1, 1)}, "declares an Integer"),
    ],
)
def test_a_wrong_type_generates_nothing(clarus: Sandbox, execute: Any, variables: Any, said: str) -> None:
    with pytest.raises(ClarusInputError, match=said):
        execute(report_id=7, variables=variables)
    assert clarus.count("generate") == 0


def test_the_check_can_be_left_out(clarus: Sandbox, execute: Any) -> None:
    execute(report_id=7, variables={"date_form": "soon"}, check_variables="false")
    assert (clarus.count("generate"), reads(clarus)) == (1, 0)


def test_the_check_costs_one_request_and_only_where_variables_are_passed(
    clarus: Sandbox, execute: Any
) -> None:
    execute(report_id=7)
    execute(report_id=7, variables={"note": None})
    assert reads(clarus) == 0
    execute(report_id=7, variables={"account_id": [3, 14]})
    assert reads(clarus) == 1
    execute(report_name="Stock Summary", variables={"account_id": 3})
    assert reads(clarus) == 2
    assert clarus.count("generate") == 4


def test_what_is_not_passed_is_named(clarus: Sandbox, execute: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        execute(report_id=7, variables={"account_id": 3, "date_to": "today"})
    said = "Report 7 ('Stock Summary') in tenant 'acme' keeps the value stored in the report: date_from, note"
    assert said in caplog.text


def test_a_string_is_never_taken_for_a_date(clarus: Sandbox, execute: Any) -> None:
    late = {**LATE, "dag_run": SimpleNamespace(run_type="backfill")}
    execute(late, report_id=7, variables={"note": "3 days ago"})
    with pytest.raises(ClarusInputError, match="which Clarus counts from the moment"):
        execute(late, report_id=7, variables={"date_from": "3 days ago"})
    execute(late, report_id=7, variables={"date_from": "3 days ago"}, allow_relative_variables=True)
    # Where types are not known, the guesswork goes on.
    with pytest.raises(ClarusInputError, match="which Clarus counts from the moment"):
        execute(late, report_id=7, variables={"note": "3 days ago"}, check_variables=False)
    assert clarus.count("generate") == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault("graphql", asks_for="reports", status=403),
        Fault(
            "graphql", asks_for="reports", status=200, body={"errors": [{"message": "No field 'reports'"}]}
        ),
        Fault("graphql", asks_for="reports", status=503, headers={"Retry-After": "30"}),
        Fault("graphql", asks_for="reports", status=200, body="<html>"),
        Fault("graphql", asks_for="reports", status=200, body={"data": {"reports": None}}),
        Fault("graphql", asks_for="reports", reset=True),
    ],
)
def test_a_catalogue_that_cannot_be_read_costs_no_report(
    clarus: Sandbox, execute: Any, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    clarus.inject(fault)
    execute(report_id=7, variables={"date_form": "today"})
    assert clarus.count("generate") == 1
    (warning,) = [record for record in caplog.records if "variables were not checked" in record.getMessage()]
    assert warning.levelno == logging.WARNING


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (None, "its query was deleted"),
        (ReportQuery(id=3), "its query's text cannot be read"),
        (ReportQuery(id=3, graphql="what is this?"), "its query's text cannot be read"),
    ],
)
def test_a_report_that_declares_nothing_readable_is_generated_unchecked(
    clarus: Sandbox, execute: Any, query: ReportQuery | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    clarus.add_report(Report(id=8, query=query, seconds=0.1))
    execute(report_id=8, variables={"anything": "today"})
    assert said in caplog.text


def test_types_that_are_not_published_are_checked_by_name_alone(clarus: Sandbox, execute: Any) -> None:
    text = "query t($ids: [ID!]!, $open: Boolean, $input: TaskInput) { tasks { id } }"
    clarus.add_report(Report(id=8, query=ReportQuery(id=3, graphql=text), seconds=0.1))
    execute(report_id=8, variables={"ids": "soon", "open": "perhaps", "input": "x"})
    with pytest.raises(ClarusInputError, match=r"'Open' .* did you mean 'open', which differs by case"):
        execute(report_id=8, variables={"Open": "true"})
    clarus.add_report(
        Report(id=9, query=ReportQuery(id=4, graphql="query t($a ID) { x(a: $a) }"), seconds=0.1)
    )
    execute(report_id=9, variables={"a": "soon"})
    with pytest.raises(ClarusInputError, match="'b' is not declared"):
        execute(report_id=9, variables={"b": "soon"})


def test_a_report_that_the_catalogue_does_not_show_is_tried(
    clarus: Sandbox, execute: Any, caplog: pytest.LogCaptureFixture
) -> None:
    empty = {"reports": {"all": {"edges": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}}
    clarus.inject(Fault("graphql", asks_for="reports", status=200, body={"data": empty}))
    execute(report_id=7, variables={"account_id": 3})
    assert "the catalogue of tenant 'acme' does not show report 7" in caplog.text


def test_by_name_the_id_is_found_and_told(
    clarus: Sandbox, execute: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        execute(report_name="Stock Summary")
    assert clarus.documents[1].report.id == 7
    assert "Report 'Stock Summary' of tenant 'acme' has the id 7" in caplog.text


def test_a_name_that_does_not_mean_one_report_is_an_error_at_once(
    clarus: Sandbox, execute: Any, clock: SimpleNamespace
) -> None:
    began = clock.now
    with pytest.raises(ClarusNotFoundError, match=r"'Stock Sumary' .* did you mean 'Stock Summary'"):
        execute(report_name="Stock Sumary")
    clarus.add_report(Report(id=8, name="Stock Summary"))
    with pytest.raises(ClarusInputError, match="which is one of 7, 8"):
        execute(report_name="Stock Summary")
    assert clarus.count("generate") == 0
    assert clock.now == began


@pytest.mark.usefixtures("no_pauses")
def test_a_name_that_cannot_be_looked_up_is_tried_again(clarus: Sandbox, execute: Any) -> None:
    clarus.inject(Fault("graphql", status=503, times=1))
    execute(report_name="Stock Summary")
    clarus.inject(Fault("graphql", status=503))
    with pytest.raises(ClarusTransientError):
        execute(report_name="Stock Summary")


@pytest.mark.parametrize("status", [403, 404])
def test_a_name_whose_lookup_is_refused_for_a_moment_is_tried_again(
    clarus: Sandbox, execute: Any, clock: SimpleNamespace, status: int
) -> None:
    clarus.inject(Fault("graphql", status=status, body=FORBIDDEN, times=5))
    execute(report_name="Stock Summary")
    assert clarus.count("generate") == 1


def test_a_name_whose_lookup_stays_refused_is_an_error(
    clarus: Sandbox, execute: Any, clock: SimpleNamespace
) -> None:
    clarus.inject(Fault("graphql", status=403, body=FORBIDDEN))
    with pytest.raises(ClarusForbiddenError, match="times in a row, for 120 s"):
        execute(report_name="Stock Summary")
    assert clarus.count("generate") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "neither is given"),
        ({"report_id": 7, "report_name": "Stock Summary"}, "both is given"),
        ({"report_name": " "}, "a report's whole name"),
        ({"report_name": "None"}, "a report's whole name"),
        ({"report_name": True}, "a report's whole name"),
        ({"report_id": 7, "check_variables": "perhaps"}, "check_variables is 'perhaps'"),
    ],
)
def test_a_report_is_named_in_one_way(clarus: Sandbox, execute: Any, arguments: Any, said: str) -> None:
    with pytest.raises(ClarusInputError, match=said):
        execute(**arguments)
    assert not clarus.requests


@pytest.mark.long
@pytest.mark.usefixtures("hurry")
def test_the_asset_event_has_the_id_that_was_found(clarus: Sandbox, tmp_path: Path) -> None:
    asset = Asset("clarus://stock")
    events: Any = OutletEventAccessors()

    def make() -> ClarusReportToObjectStorageOperator:
        return ClarusReportToObjectStorageOperator(
            task_id="t",
            report_name="Stock Summary",
            destination=f"file://{tmp_path}/",
            deferrable=True,
            outlets=[asset],
        )

    clarus.add_report(Report(id=7, name="Stock Summary", query=STOCK_QUERY, seconds=1))
    run(make, outlet_events=events)
    assert events[asset].extra["report_id"] == 7


def test_a_retry_that_adopts_its_document_neither_looks_up_nor_checks_again(
    clarus: Sandbox, execute: Any
) -> None:
    store = Store()
    arguments = {"report_name": "Stock Summary", "variables": {"account_id": 3}}
    execute({"task_state_store": store}, **arguments)
    assert (clarus.count("generate"), reads(clarus)) == (1, 1)
    clarus.add_report(Report(id=7, name="Renamed", query=None))
    execute({"task_state_store": store}, **arguments)
    assert (clarus.count("generate"), reads(clarus)) == (1, 1)


def test_both_are_templated() -> None:
    for operator in (ClarusGenerateReportOperator, ClarusReportToObjectStorageOperator):
        assert {"report_id", "report_name", "check_variables"} <= set(operator.template_fields)
