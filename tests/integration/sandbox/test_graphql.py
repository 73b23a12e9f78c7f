# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report, ReportQuery
from airflow_provider_clarus.sandbox.server import Sandbox

from .caller import QUERY, Caller


def message_of(caller: Caller, query: str = QUERY, **variables: Any) -> str:
    answer = caller.graphql(query, **variables)
    assert answer.status_code == 200
    return answer.json()["errors"][0]["message"]


def test_pages_are_capped_at_100_and_chained_by_cursors(sandbox: Sandbox, caller: Caller) -> None:
    ids = sandbox.add_documents(250, 7)
    found: list[int] = []
    after, sizes = None, []
    while True:
        page = caller.page(first=1000, after=after)
        sizes.append(len(page["edges"]))
        found += [int(edge["node"]["id"]) for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert (found, sizes) == (ids, [100, 100, 50])


def test_first_limits_a_page(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.add_documents(3, 7)
    page = caller.page(first=2)
    assert [edge["node"]["id"] for edge in page["edges"]] == ["1", "2"]
    assert page["pageInfo"] == {"hasNextPage": True, "endCursor": page["edges"][1]["cursor"]}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"id": {"eq": "2"}}, [2]),
        ({"id": {"in": ["3", "1", "99", "x"]}}, [1, 3]),
        ({"id": {"in": []}}, []),
        ({"id": {"gt": "1", "lteq": "2"}}, [2]),
        ({"id": {"gteq": 2, "lt": 4}}, [2, 3]),
        ({"id": {"filled": True}}, [1, 2, 3, 4]),
        ({"id": None}, [1, 2, 3, 4]),
        ({"status": {"eq": "failed"}}, [3]),
        ({"status": {"in": ["queued", "processing"]}, "category": {"eq": "report"}}, [4]),
        ({"status": {"like": "AVAIL%"}}, []),
        ({"status": {"ilike": "AVAIL%"}}, [1, 2]),
        ({"file_name": {"like": "report-7-_.csv"}}, [1, 2]),
        ({"file_name": {"between": ["report-7-2", "report-7-9"]}}, [2]),
        ({"file_type": {"eq": "pdf"}}, []),
        ({"created_at": {"from": "2024-01-01T00:00:00Z", "to": "2024-12-31T00:00:00+01:00"}}, [1]),
        ({"created_at": {"between": ["2023-12-31", "2024-06-01"]}}, [1]),
        ({"created_at": {"eq": "2024-01-31T12:00:00Z"}}, [1]),
    ],
)
def test_filters(sandbox: Sandbox, caller: Caller, filters: dict[str, Any], expected: list[int]) -> None:
    sandbox.add_documents(4, 7)
    documents = sandbox.documents
    documents[1].seconds = documents[2].seconds = documents[3].seconds = 0
    documents[1].created = 1706702400.0
    documents[3].outcome = "failed"
    documents[4].seconds = 3600
    assert caller.ids(**filters) == expected


def test_ids_are_strings_and_times_are_iso_8601(caller: Caller, document: int) -> None:
    (node,) = caller.nodes()
    assert node["id"] == str(document)
    assert node["created_at"].endswith("Z")


def test_wrong_queries_are_refused_as_by_a_real_server(caller: Caller) -> None:
    assert "Cannot query field 'nope'" in message_of(caller, "{ documents { nope } }")
    assert "Syntax Error" in message_of(caller, "{ documents ")
    assert "'nope'" in message_of(caller, filter={"nope": {}})
    assert "Invalid cursor" in message_of(caller, after="!")
    assert "no ISO 8601" in message_of(caller, filter={"created_at": {"from": "yesterday"}})


def test_body_without_a_query_is_an_error(caller: Caller) -> None:
    answer = caller.post(f"{caller.sandbox.url}/graphql", json=[], timeout=5)
    assert answer.json() == {"errors": [{"message": "No query string was present"}]}


def test_without_the_id_filter_the_query_is_refused() -> None:
    with Sandbox([Report(id=7)], id_filter=False) as sandbox, Caller(sandbox) as caller:
        sandbox.add_documents(1, 7)
        assert "'id'" in message_of(caller, filter={"id": {"eq": "1"}})
        assert caller.ids(category={"eq": "report"}) == [1]


def test_poisoned_document_fails_every_query_that_meets_it(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.add_documents(3, 7)
    sandbox.documents[2].poisoned = True
    assert "Document 2" in message_of(caller)
    assert "Document 2" in message_of(caller, filter={"id": {"in": ["1", "2"]}})
    assert caller.ids(id={"in": ["1", "3"]}) == [1, 3]


LISTS = {
    "reports": "id name report_type generic report_query { id name graphql }",
    "report_queries": "id name description graphql created_at updated_at",
}


def listed(caller: Caller, what: str, **filters: Any) -> list[dict[str, Any]]:
    kind = {"reports": "Report", "report_queries": "ReportQuery"}[what]
    query = (
        f"query($filter: {kind}FilterType) {{ {what} {{ all(filter: $filter) "
        f"{{ edges {{ node {{ {LISTS[what]} }} }} }} }} }}"
    )
    edges = caller.graphql(query, filter=filters).json()["data"][what]["all"]["edges"]
    return [edge["node"] for edge in edges]


def test_reports_are_listed(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.add_report(Report(id=8, name="Orders", query=STOCK_QUERY))
    assert listed(caller, "reports", name={"eq": "Orders"}) == [
        {
            "id": "8",
            "name": "Orders",
            "report_type": "table",
            "generic": False,
            "report_query": {"id": "1", "name": "Stock by location", "graphql": STOCK_QUERY.graphql},
        }
    ]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["7", "8", "9"]),
        ({"id": {"in": ["8", "99"]}}, ["8"]),
        ({"name": {"ilike": "%ORD%"}}, ["8", "9"]),
        ({"report_type": {"eq": "bar"}}, ["9"]),
        ({"report_query_id": {"eq": "1"}}, ["8"]),
        ({"generic": {"eq": True}}, ["9"]),
    ],
)
def test_reports_are_filtered(
    sandbox: Sandbox, caller: Caller, filters: dict[str, Any], expected: list[str]
) -> None:
    sandbox.add_report(Report(id=8, name="Orders", query=STOCK_QUERY))
    sandbox.add_report(Report(id=9, name="Old orders", report_type="bar", generic=True, query=None))
    assert [node["id"] for node in listed(caller, "reports", **filters)] == expected


def test_report_queries_are_listed_and_filtered(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.add_query(STOCK_QUERY)
    sandbox.add_query(ReportQuery(id=2, name="Tasks", description="By user"))
    assert listed(caller, "report_queries", name={"like": "Stock%"})[0]["graphql"] == STOCK_QUERY.graphql
    found = listed(caller, "report_queries", description={"ilike": "%user"})
    assert [node["name"] for node in found] == ["Tasks"]


@pytest.mark.parametrize(
    ("missing", "query"),
    [
        ("report_id_filter", '{ reports { all(filter: {id: {eq: "7"}}) { edges { node { id } } } } }'),
        ("report_query_text", "{ reports { all { edges { node { report_query { graphql } } } } } }"),
    ],
)
def test_what_is_inferred_of_reports_can_be_missing(missing: str, query: str) -> None:
    with Sandbox([Report(id=7)], **{missing: False}) as sandbox, Caller(sandbox) as caller:
        assert message_of(caller, query)
        assert len(listed(caller, "report_queries")) == 1
        assert caller.ids() == []
