# SPDX-License-Identifier: Apache-2.0
"""The catalogue: what is asked for, with how many requests, and what an odd server makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_clarus.api import _lists
from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.exceptions import (
    ClarusError,
    ClarusForbiddenError,
    ClarusInputError,
    ClarusNotFoundError,
    ClarusRejectedError,
    ClarusTransientError,
)
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report, ReportQuery
from airflow_provider_clarus.sandbox.server import Sandbox

from ..conftest import Connect

DECLARED = {"date_from": "Date", "date_to": "Date", "account_id": "Integer", "note": "String"}
TASKS = ReportQuery(
    id=2, name="Tasks", graphql="query t($user_id: ID) { tasks { all { edges { node { id } } } } }"
)
REPORTS = [
    Report(id=7, name="Stock Summary", description="All of it", query=STOCK_QUERY),
    Report(id=8, name="Tasks", query=TASKS),
]


@pytest.fixture
def sandbox() -> Any:
    with Sandbox(REPORTS) as sandbox:
        yield sandbox


def asked(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return the variables of each request to GraphQL."""
    return [request.json["variables"] for request in sandbox.requests if request.endpoint == "graphql"]


def test_a_report_is_read_with_one_request(client: ClarusClient, sandbox: Sandbox) -> None:
    report = client.reports.by_id(7)
    assert report
    assert (report.id, report.name, report.description) == (7, "Stock Summary", "All of it")
    assert (report.report_type, report.query_name, report.query_id) == ("table", "Stock by location", 1)
    assert report.variables == DECLARED
    assert json.loads(json.dumps(report.as_dict()))["variables"] == DECLARED
    assert asked(sandbox) == [{"filter": {"id": {"eq": "7"}}, "first": 1, "after": None}]
    assert client.reports.by_id(99) is None


def test_a_report_of_a_name_is_read_with_one_request(client: ClarusClient, sandbox: Sandbox) -> None:
    assert client.reports.by_name("Tasks").variables == {"user_id": "Integer"}
    assert [variables["filter"] for variables in asked(sandbox)] == [{"name": {"eq": "Tasks"}}]


def test_the_hook_finds_by_id_and_by_name(clarus_default: Sandbox) -> None:
    hook = ClarusHook()
    assert hook.get_report(7) == hook.get_report("7") == hook.get_report("Stock Summary")
    assert [report.id for report in hook.get_reports()] == [7, 8]
    assert [report.id for report in hook.get_reports("stock")] == [7]
    assert [report.id for report in hook.get_reports("task%")] == [8]
    assert hook.get_reports("%x%") == hook.get_reports("stock_s") == []
    with pytest.raises(ClarusNotFoundError, match="no report 99 in tenant 'acme'"):
        hook.get_report(99)
    with pytest.raises(ClarusInputError, match="must be a positive integer"):
        hook.get_report(0)
    with pytest.raises(ClarusInputError, match="not empty"):
        hook.get_report(" ")


@pytest.mark.parametrize("report_id_filter", [True, False])
@pytest.mark.parametrize("report_query_text", [True, False])
def test_what_is_not_documented_is_given_up_where_it_is_refused(
    connect: Connect, report_id_filter: bool, report_query_text: bool
) -> None:
    reports = [*REPORTS, *(Report(id=number, name=f"r{number}") for number in range(100, 250))]
    with Sandbox(reports, report_id_filter=report_id_filter, report_query_text=report_query_text) as sandbox:
        client = connect(sandbox)
        first = client.reports.by_id(8)
        assert first
        assert first.variables == {"user_id": "Integer"}
        before = sandbox.count("graphql")
        assert client.reports.by_id(8) == first
        # Once known, it is not tried again, by the next task's client neither.
        assert connect(sandbox).reports.by_id(8) == first
        assert connect(sandbox).reports.by_name("Tasks") == first
        assert sandbox.count("graphql") - before == 3
        assert client.reports.by_name("Stock Summary").variables == DECLARED
        last = client.reports.by_id(249)
        assert last
        assert last.name == "r249"
        found = {report.id: report for report in client.reports.find()}
        assert len(found) == len(reports)
        assert found[7].variables == DECLARED
        assert found[249].variables is None


@pytest.mark.parametrize("report_id_filter", [True, False])
@pytest.mark.parametrize("report_query_text", [True, False])
def test_what_is_remembered_tells_how_to_ask_and_never_what_is_answered(
    connect: Connect, report_id_filter: bool, report_query_text: bool
) -> None:
    def read(sandbox: Sandbox, report_id: int) -> dict[str, str] | None:
        report = connect(sandbox).reports.by_id(report_id)
        return dict(report.variables or {}) if report else None

    with Sandbox(REPORTS, report_id_filter=report_id_filter, report_query_text=report_query_text) as sandbox:
        assert (read(sandbox, 7), read(sandbox, 8)) == (DECLARED, {"user_id": "Integer"})
        # Its query declares something else; the report has another name, another query; there is no query.
        changed = replace(TASKS, graphql="query t($user: ID) { tasks { all { edges { node { id } } } } }")
        sandbox.add_report(Report(id=8, name="Tasks", query=changed))
        assert read(sandbox, 8) == {"user": "Integer"}
        sandbox.add_report(Report(id=8, name="Open tasks", query=changed))
        sandbox.add_report(Report(id=9, name="Tasks", query=STOCK_QUERY))
        assert read(sandbox, 8) == {"user": "Integer"}
        sandbox.add_report(Report(id=8, name="Open tasks", query=STOCK_QUERY))
        assert read(sandbox, 8) == DECLARED
        assert connect(sandbox).reports.by_name("Open tasks").variables == DECLARED
        sandbox.add_report(Report(id=8, name="Open tasks", query=None))
        assert read(sandbox, 8) == {}
        assert connect(sandbox).reports.by_name("Tasks").id == 9


def test_a_way_that_is_refused_later_is_given_up_too(connect: Connect) -> None:
    with Sandbox(REPORTS, report_query_text=False) as sandbox:
        assert connect(sandbox).reports.by_id(7)
        refused = {"errors": [{"message": "Query has complexity of 99, which exceeds max complexity of 50"}]}
        sandbox.inject(Fault("graphql", asks_for="$queries", status=200, body=refused))
        found = connect(sandbox, attempts=1).reports.by_id(7)
        assert found
        assert found.variables == DECLARED


def test_each_tenant_has_its_own_catalogue(connect: Connect) -> None:
    reports = [Report(id=7, name="Ours"), Report(id=7, name="Theirs", tenant="other")]
    with Sandbox(reports, tenants=("acme", "other")) as sandbox:
        other = connect(sandbox).for_tenant("other")
        assert [report.name for report in other.reports.find()] == ["Theirs"]


@pytest.mark.usefixtures("no_pauses")
def test_smaller_pages_are_asked_for_where_large_ones_are_refused(
    client: ClarusClient, sandbox: Sandbox
) -> None:
    refused = {"errors": [{"message": "Query has complexity of 2000, which exceeds max complexity of 500"}]}
    sandbox.inject(Fault("graphql", asks_for='"first": 100', status=200, body=refused))
    assert [report.id for report in client.reports.find()] == [7, 8]
    assert asked(sandbox)[-1]["first"] == 10
    before = sandbox.count("graphql")
    client.reports.find()
    assert sandbox.count("graphql") == before + 1


@pytest.mark.usefixtures("no_pauses")
def test_a_refusal_of_everything_is_told_and_nothing_is_remembered(
    client: ClarusClient, sandbox: Sandbox
) -> None:
    body = {"errors": [{"message": "Field 'reports' doesn't exist on type 'Query'"}]}
    sandbox.inject(Fault("graphql", status=200, body=body))
    with pytest.raises(ClarusError, match="Field 'reports' doesn't exist"):
        client.reports.by_id(7)
    sandbox.clear_faults()
    before = sandbox.count("graphql")
    assert client.reports.by_id(7)
    assert sandbox.count("graphql") == before + 1


def test_forbidden_is_told_at_once(client: ClarusClient, sandbox: Sandbox) -> None:
    sandbox.inject(
        Fault("graphql", status=403, body={"errors": [{"code": 1, "symbol": "forbidden", "details": "No."}]})
    )
    with pytest.raises(ClarusForbiddenError, match=r"403: No\."):
        client.reports.by_name("Tasks")
    assert sandbox.count("graphql") == 1


def test_queries_that_cannot_be_read_leave_the_reports(connect: Connect) -> None:
    with Sandbox(REPORTS, report_query_text=False) as sandbox:
        sandbox.inject(Fault("graphql", asks_for="report_queries", status=403))
        # The second task knows that texts have to be asked for apart.
        for client in (connect(sandbox), connect(sandbox)):
            report = client.reports.by_name("Tasks")
            assert (report.id, report.variables) == (8, None)
            assert client.reports.by_id(8) == report


def test_a_deleted_query_leaves_its_report(client: ClarusClient, sandbox: Sandbox) -> None:
    sandbox.add_report(Report(id=9, query=None))
    report = client.reports.by_id(9)
    assert report
    assert (report.query_name, report.variables) == (None, None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Stock Sumary", "did you mean 'Stock Summary'?"),
        ("stock summary", "did you mean 'Stock Summary', which differs by case?"),
        (" Stock Summary", "did you mean 'Stock Summary', which differs by spaces?"),
        ("StockSummary ", "did you mean 'Stock Summary', which differs by spaces?"),
        ("STOCKSUMMARY", "did you mean 'Stock Summary', which differs by case and spaces?"),
        ("Nothing of the kind", "no other is like it."),
    ],
)
def test_a_name_that_none_has_is_told_with_the_nearest(client: ClarusClient, name: str, said: str) -> None:
    with pytest.raises(ClarusNotFoundError) as raised:
        client.reports.by_name(name)
    assert str(raised.value) == f"This user sees no report {name!r} in tenant 'acme': {said}"


def test_a_name_that_several_have_is_told_with_their_ids(client: ClarusClient, sandbox: Sandbox) -> None:
    sandbox.add_report(Report(id=9, name="Tasks"))
    with pytest.raises(ClarusInputError, match="by its id, which is one of 8, 9"):
        client.reports.by_name("Tasks")


def test_one_answer_without_a_report_proves_nothing(client: ClarusClient, sandbox: Sandbox) -> None:
    empty = {
        "data": {"reports": {"all": {"edges": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}}
    }
    sandbox.inject(Fault("graphql", status=200, body=empty, times=1))
    assert client.reports.by_name("Tasks").id == 8


def test_ten_thousand_reports_are_read_up_to_a_bound(
    client: ClarusClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lists, "MAX_PAGES", 5)
    for number in range(1000, 1600):
        sandbox.add_report(Report(id=number, name=f"Copy {number}"))
    with pytest.raises(
        ClarusInputError, match=r"more reports in tenant 'acme' than the 5 pages .* by its id"
    ):
        client.reports.find()
    assert sandbox.count("graphql") == 5
    assert [report.id for report in client.reports.find("Copy 1599")] == [1599]
    assert client.reports.by_name("Copy 1599").id == 1599
    with pytest.raises(ClarusNotFoundError, match=r"'Copy' .*: There are more reports"):
        client.reports.by_name("Copy")


ODD: dict[str, Any] = {"id": "7", "name": "S", "description": None, "report_type": "t", "source_path": None}


@pytest.mark.parametrize(
    "node",
    [
        None,
        {},
        ODD,
        ODD | {"report_query": None, "id": "x"},
        ODD | {"report_query": None, "name": 5},
        ODD | {"report_query": 5},
        ODD | {"report_query": {"id": "1", "name": "Q", "graphql": 5}},
    ],
)
def test_an_answer_of_another_shape_is_an_error_of_ours(
    connect: Connect, sandbox: Sandbox, node: Any
) -> None:
    page = {"edges": [{"node": node}], "pageInfo": {"hasNextPage": False, "endCursor": None}}
    sandbox.inject(Fault("graphql", status=200, body={"data": {"reports": {"all": page}}}))
    with pytest.raises(ClarusTransientError, match="documented shape"):
        connect(attempts=1).reports.by_id(7)


def test_a_report_is_made_of_a_shared_query_and_can_be_generated(clarus_default: Sandbox) -> None:
    hook = ClarusHook()
    clarus_default.add_report(Report(id=20, name="Hers", owner="somebody-else", query=TASKS))
    with pytest.raises(ClarusForbiddenError):
        hook.generate_report(20)
    report = hook.create_report(
        "Tasks of the API user",
        "Tasks",
        source_path="data.tasks.all.edges",
        report_fields=[{"name": "Task", "path": "node.id"}],
        variables={"user_id": 3},
    )
    assert (report.id, report.name, report.query_id) == (21, "Tasks of the API user", 2)
    document = hook.generate_report(report.id)
    assert clarus_default.documents[document.id].variables == {"user_id": ["3"]}
    made = [request.json for request in clarus_default.requests if request.path == "/api/reports"]
    assert made == [
        {
            "data": {
                "type": "reports",
                "attributes": {
                    "name": "Tasks of the API user",
                    "report_type": "single",
                    "report_query_id": 2,
                    "source_path": "data.tasks.all.edges",
                    "report_fields": [{"name": "Task", "path": "node.id"}],
                    "variables": [{"name": "user_id", "value": "3"}],
                },
            }
        }
    ]
    again = hook.create_report("Two", 2, variables=[{"name": "user_id", "value": "4", "prompt": "true"}])
    assert hook.get_report(again.id).variables == {"user_id": "Integer"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "x" * 51}, "name is 'x+'; it must be a text of 1 to 50 characters"),
        ({"name": " "}, "1 to 50 characters"),
        ({"report_type": "table"}, "report_type is 'table'; it must be one of single, bar, pie"),
        ({"description": "x" * 501}, "1 to 500 characters"),
        ({"source_path": "tasks.all"}, "must begin with 'data.'"),
        ({"report_fields": [{"name": "Task"}]}, "report_fields has .* name and path"),
        ({"report_fields": [{"name": "Task", "path": "p", "colour": "red"}]}, "report_fields has"),
        ({"variables": [{"name": "a", "value": 5}]}, "variables has .* name and value"),
        ({"report_query": "Task"}, "no report query 'Task' in tenant 'acme': did you mean 'Tasks'?"),
    ],
)
def test_what_the_api_does_not_take_is_not_sent(
    clarus_default: Sandbox, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises((ClarusInputError, ClarusNotFoundError), match=said):
        ClarusHook().create_report(**({"name": "New", "report_query": "Tasks"} | arguments))
    assert not [request for request in clarus_default.requests if request.path == "/api/reports"]


def test_a_report_that_is_refused_says_why(clarus_default: Sandbox) -> None:
    with pytest.raises(ClarusRejectedError, match=r"/api/reports.*422: Report query must exist"):
        ClarusHook().create_report("New", 99)


@pytest.mark.usefixtures("no_pauses")
def test_a_report_that_may_have_been_made_is_not_made_twice(clarus_default: Sandbox) -> None:
    clarus_default.inject(Fault("reports", acts=True, status=504))
    with pytest.raises(ClarusError, match="may have been made all the same"):
        ClarusHook().create_report("New", 2)
    assert [report.name for report in clarus_default.reports] == ["Stock Summary", "Tasks", "New"]
