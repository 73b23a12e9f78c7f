# SPDX-License-Identifier: Apache-2.0
"""``hook.run`` over the shapes of success that Clarus publishes, and what an error tells of each call."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.description import DESCRIPTION

RESOURCE = {"data": {"id": 7, "type": "reports", "attributes": {"name": "Lager Süd"}}}
JSON = json.dumps(RESOURCE, ensure_ascii=False).encode()
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
CSV = "line;location\r\n1;Süd\r\n".encode("cp1252")

#: Status, headers and body of an answer, and what the caller gets.
SUCCESSES: dict[str, tuple[int, dict[str, str], bytes, Any]] = {
    "204": (204, {}, b"", None),
    "204 that says JSON": (204, {"Content-Type": "application/json"}, b"", None),
    "200 without a body": (200, {"Content-Type": "application/json"}, b"", None),
    "JSON": (200, {"Content-Type": "application/json"}, JSON, RESOURCE),
    "JSON with a charset": (200, {"Content-Type": "application/json; charset=utf-8"}, JSON, RESOURCE),
    "JSON:API": (200, {"Content-Type": "application/vnd.api+json"}, JSON, RESOURCE),
    "created": (201, {"Content-Type": "application/vnd.api+json; charset=utf-8"}, JSON, RESOURCE),
    "JSON without a type": (200, {}, JSON, RESOURCE),
    "a label": (200, {"Content-Type": "application/pdf"}, PDF, PDF),
    "a label without a type": (200, {}, PDF, PDF),
    "an export": (200, {"Content-Type": "text/csv; charset=windows-1252"}, CSV, CSV),
    "an export of one number": (200, {"Content-Type": "text/csv"}, b"7", b"7"),
    "JSON that is none": (200, {"Content-Type": "application/json"}, PDF, PDF),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("shape", SUCCESSES)
def test_a_success_brings_what_it_has(clarus_default: Sandbox, shape: str, method: str) -> None:
    status, headers, body, brought = SUCCESSES[shape]
    clarus_default.inject(Fault("other", status=status, headers=headers, body=body))
    assert ClarusHook().run(method, "/api/labels/7/print") == brought
    assert clarus_default.count("other") == 1


def published() -> list[tuple[str, str, int, tuple[str, ...]]]:
    """Return the published operations, each with a success and its media types."""
    if not DESCRIPTION.exists():
        return []
    paths = json.loads(DESCRIPTION.read_text())["paths"]
    return [
        (method, path, int(status), tuple(answer.get("content", ())))
        for path, operations in paths.items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
        if status.startswith("2")
    ]


@pytest.mark.skipif(not DESCRIPTION.exists(), reason=f"{DESCRIPTION} is not here")
@pytest.mark.parametrize(("method", "path", "status", "types"), published())
def test_each_published_operation_succeeds(
    clarus_default: Sandbox, method: str, path: str, status: int, types: tuple[str, ...]
) -> None:
    sent = path.partition("#")[0].replace("{id}", "7")
    answer = {"data": {"id": 7}}
    headers = {"Content-Type": types[0]} if types else {}
    body = json.dumps(answer) if types else b""
    for endpoint in ("other", "reports", "generate", "graphql", "download"):
        clarus_default.inject(Fault(endpoint, status=status, headers=headers, body=body))
    assert ClarusHook().run(method, sent, {} if method != "get" else None) == (answer if types else None)


ERROR = {"errors": [{"code": 1234, "symbol": "some_symbol", "details": "no", "source": None, "context": {}}]}
CALLS: dict[str, tuple[str, Callable[[ClarusHook], Any], dict[str, int]]] = {
    "generate": ("generate", lambda hook: hook.generate_report(7), {"report_id": 7}),
    "download": ("download", lambda hook: hook.get_download_url(3), {"document_id": 3}),
    "document": ("graphql", lambda hook: hook.get_document(3), {"document_id": 3}),
    "documents": ("graphql", lambda hook: hook.get_documents([3, 4]), {}),
    "graphql": ("graphql", lambda hook: hook.graphql("{ __typename }"), {}),
    "run": ("other", lambda hook: hook.run("DELETE", "/api/reports/7"), {}),
}


@pytest.mark.parametrize("status", [400, 403, 404, 422, 429, 500])
@pytest.mark.parametrize("call", CALLS)
def test_an_error_keeps_its_facts(clarus_default: Sandbox, no_pauses: None, call: str, status: int) -> None:
    endpoint, ask, asked_for = CALLS[call]
    clarus_default.inject(Fault(endpoint, status=status, body=ERROR))
    with pytest.raises(ClarusError) as raised:
        ask(ClarusHook())
    facts = {"status": status, "code": 1234, "symbol": "some_symbol", "tenant": "acme", **asked_for}
    told = raised.value.facts
    assert {name: told.get(name) for name in facts} == facts
    assert type(raised.value).from_dict(raised.value.as_dict()).facts == told


GRAPHQL_ERRORS = {
    "as the API documents errors": ERROR["errors"][0],
    "as GraphQL has it": {"message": "no", "extensions": {"code": 1234, "symbol": "some_symbol"}},
    "that finds the query invalid": {
        "message": "no",
        "locations": [{"line": 1, "column": 1}],
        "extensions": {"code": 1234, "symbol": "some_symbol"},
    },
}


@pytest.mark.parametrize("error", GRAPHQL_ERRORS)
def test_a_graphql_error_keeps_its_facts_too(clarus_default: Sandbox, no_pauses: None, error: str) -> None:
    clarus_default.inject(
        Fault("graphql", status=200, body={"errors": [GRAPHQL_ERRORS[error]], "data": None})
    )
    with pytest.raises(ClarusError) as raised:
        ClarusHook().graphql("{ __typename }")
    facts = {"status": 200, "code": 1234, "symbol": "some_symbol", "tenant": "acme"}
    assert {name: raised.value.facts.get(name) for name in facts} == facts
