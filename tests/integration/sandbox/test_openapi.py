# SPDX-License-Identifier: Apache-2.0
"""Hold the sandbox against the published description, which is no part of this repository."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import requests
from graphql import OperationDefinitionNode, parse, print_ast

from airflow_provider_clarus.api._lists import QUERIES_QUERY, REPORTS_QUERY, REPORTS_WITH_TEXT_QUERY
from airflow_provider_clarus.api.documents import DOCUMENTS_QUERY
from airflow_provider_clarus.api.reports import DESCRIPTION_LENGTH, NAME_LENGTH, REPORT_TYPES
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.description import DESCRIPTION, needs_description

from ..conftest import Connect
from .caller import Caller

pytestmark = pytest.mark.usefixtures("description")

GENERATE = "/api/reports/{id}/generate"
DOWNLOAD = "/api/documents/{id}/download"
CREATE = "/api/reports"
LISTS = ["/graphql#ListDocuments", "/graphql#ListReports", "/graphql#ListReportQueries"]


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    needs_description()
    return nullable(json.loads(DESCRIPTION.read_text()))


def nullable(node: Any) -> Any:
    """Turn OpenAPI 3.0's ``nullable`` into the type that JSON Schema has for it."""
    if isinstance(node, list):
        return [nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {key: nullable(value) for key, value in node.items()}
    if changed.get("nullable") is True:
        changed["type"] = [changed["type"], "null"]
    return changed


def operation(description: dict[str, Any], path: str) -> dict[str, Any]:
    (found,) = description["paths"][path].values()
    return found


def media(description: dict[str, Any], path: str, status: int) -> dict[str, Any]:
    response = operation(description, path)["responses"][str(status)]
    if "$ref" in response:
        response = description["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return response["content"]["application/json"]


def check(description: dict[str, Any], path: str, answer: requests.Response) -> None:
    schema = media(description, path, answer.status_code)["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": description["components"]})
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", LISTS)
def test_published_queries_get_what_the_published_example_shows(
    description: dict[str, Any], caller: Caller, document: int, path: str
) -> None:
    request = operation(description, path)["requestBody"]["content"]["application/json"]["example"]
    # By the published example, ILIKE finds a part of a name without any %; that is not said anywhere.
    caller.sandbox.add_query(replace(STOCK_QUERY, name="stock"))
    answer = caller.post(f"{caller.sandbox.url}/graphql", json=request, timeout=5)
    check(description, path, answer)
    assert shape(answer.json()) == shape(media(description, path, 200)["example"])


@pytest.mark.parametrize("path", LISTS)
def test_the_client_asks_as_published(description: dict[str, Any], path: str) -> None:
    """Its queries select published fields with a published filter; only the text below a report is not."""
    published = operation(description, path)["requestBody"]["content"]["application/json"]["example"]["query"]
    queries = {
        "documents": DOCUMENTS_QUERY,
        "reports": REPORTS_QUERY,
        "report_queries": QUERIES_QUERY,
    }
    (name,) = [field for field in queries if f"{{ {field} {{" in published]
    ours, theirs = selected(queries[name]), selected(published)
    assert ours["filter"] == theirs["filter"]
    assert ours["fields"] <= theirs["fields"]
    assert selected(REPORTS_WITH_TEXT_QUERY)["fields"] - selected(REPORTS_QUERY)["fields"] == {
        "report_query.graphql"
    }


def selected(query: str) -> dict[str, Any]:
    """Return the type of a list query's filter, and the paths of what it selects of each node."""
    (operation,) = parse(query).definitions
    assert isinstance(operation, OperationDefinitionNode)
    paths: set[str] = set()

    def walk(node: Any, path: tuple[str, ...]) -> None:
        for field in node.selection_set.selections if node.selection_set else ():
            below = (*path, field.name.value)
            if not field.selection_set:
                paths.add(".".join(below))
            walk(field, below)

    walk(operation, ())
    kinds = {item.variable.name.value: print_ast(item.type) for item in operation.variable_definitions or ()}
    nodes = {path.partition(".node.")[2] for path in paths if ".node." in path}
    return {"filter": kinds["filter"], "fields": nodes}


def test_a_report_is_made_as_published(description: dict[str, Any], caller: Caller) -> None:
    caller.sandbox.add_query(STOCK_QUERY)
    published = description["components"]["schemas"]["ReportAttributes"]["example"]
    url = f"{caller.sandbox.url}{CREATE}"
    answer = caller.post(url, json={"data": {"type": "reports", "attributes": published}}, timeout=5)
    check(description, CREATE, answer)
    assert answer.json()["data"]["attributes"] == published
    wrong: list[Any] = [
        {},
        {"data": {"type": "reports", "attributes": {}}},
        {"data": {"type": "reports", "attributes": published | {"name": "x" * 51}}},
        {"data": {"type": "reports", "attributes": published | {"report_type": "table"}}},
        {"data": {"type": "reports", "attributes": published | {"report_query_id": 99}}},
        {"data": {"type": "reports", "attributes": published | {"variables": [{"name": "a"}]}}},
    ]
    for body in wrong:
        answer = caller.post(url, json=body, timeout=5)
        assert answer.status_code == 422, body
        check(description, CREATE, answer)


def test_the_client_makes_reports_as_published(
    description: dict[str, Any], sandbox: Sandbox, connect: Connect
) -> None:
    """What it sends is valid against the published body, and what it refuses is not."""
    sandbox.add_query(STOCK_QUERY)
    published = dict(description["components"]["schemas"]["ReportAttributes"]["example"])
    report = connect(sandbox).create_report(**published)
    assert (report.name, report.query_id) == (published["name"], 1)
    (sent,) = [request.json for request in sandbox.requests if request.path == CREATE]
    assert sent["data"]["attributes"] == published
    schema = operation(description, CREATE)["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate(sent, {**schema, "components": description["components"]})
    limits = description["components"]["schemas"]["ReportAttributes"]["properties"]
    assert tuple(limits["report_type"]["enum"]) == REPORT_TYPES
    assert (limits["name"]["maxLength"], limits["description"]["maxLength"]) == (
        NAME_LENGTH,
        DESCRIPTION_LENGTH,
    )


def shape(value: Any) -> Any:
    """Return the keys and types in a value, in a list of its first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])]
    return type(value) if value is not None else str


def test_generated_document_has_the_published_attributes(description: dict[str, Any], caller: Caller) -> None:
    answer = caller.generate(variables=[{"name": "date_from", "value": "today"}])
    check(description, GENERATE, answer)
    data = answer.json()["data"]
    assert data.keys() == {"id", "type", "attributes"}
    published = description["components"]["schemas"]["DocumentAttributes"]["example"]
    assert data["attributes"] == published


def test_download_answers_a_url(description: dict[str, Any], caller: Caller, document: int) -> None:
    answer = caller.download(document)
    check(description, DOWNLOAD, answer)
    assert answer.json().keys() == {"url"}


@pytest.mark.parametrize("path", [*LISTS, GENERATE, DOWNLOAD])
def test_published_errors(description: dict[str, Any], caller: Caller, document: int, path: str) -> None:
    def call(caller: Caller, number: int) -> requests.Response:
        if path in LISTS:
            return caller.graphql()
        return caller.generate(number) if path == GENERATE else caller.download(number)

    answers = [call(caller, 999)]
    with Caller(caller.sandbox, user="someone") as other:
        answers.append(call(other, 7 if path == GENERATE else document))
    caller.headers["Authorization"] = ""
    answers.append(call(caller, 7))
    for answer in answers:
        check(description, path, answer)
    published = {int(status) for status in operation(description, path)["responses"]} - {200}
    assert {answer.status_code for answer in answers} - {200} == published
