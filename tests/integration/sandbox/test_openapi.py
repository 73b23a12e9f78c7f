# SPDX-License-Identifier: Apache-2.0
"""Hold the sandbox against the published description, which is no part of this repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from .caller import Caller

DESCRIPTION = Path(__file__).parents[4] / "shared" / "clarus-openapi.json"

pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason=f"{DESCRIPTION} is not here")

GENERATE = "/api/reports/{id}/generate"
DOWNLOAD = "/api/documents/{id}/download"
LISTS = ["/graphql#ListDocuments", "/graphql#ListReports"]


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
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
    answer = caller.post(f"{caller.sandbox.url}/graphql", json=request, timeout=5)
    check(description, path, answer)
    assert shape(answer.json()) == shape(media(description, path, 200)["example"])


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
