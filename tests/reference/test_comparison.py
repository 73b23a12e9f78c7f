# SPDX-License-Identifier: Apache-2.0
"""Sandbox and reference server, asked the same and compared answer by answer.

So the sandbox cannot drift into our wishes. Compared are the status, the shape of the body, and all values
but those that are each server's own: words for people, tokens, times, URLs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import requests

from airflow_provider_clarus.api.documents import DOCUMENTS_QUERY
from tests.reference.conftest import Served

OWN = {"access_token", "refresh_token", "created_at", "updated_at", "url", "details", "error_description"}
OWN |= {"message", "locations", "extensions", "path", "cursor", "endCursor", "file_path", "code", "user_id"}

REPORTS = [
    {"id": 1, "seconds": 0},
    {"id": 2, "seconds": 10**6},
    {"id": 3, "seconds": 0, "outcome": "failed"},
    {"id": 4, "seconds": 0, "owner": "someone"},
    {"id": 5, "seconds": 0, "outcome": "completed"},
]
TOKEN = "/oauth/token"
GRANT = {"grant_type": "client_credentials"}


def normal(value: Any) -> Any:
    """Return a body without what is each server's own."""
    if isinstance(value, Mapping):
        kept = {name: type(item).__name__ if name in OWN else normal(item) for name, item in value.items()}
        # What a server adds to an error is its own: the API's documentation names the message alone.
        return {name: item for name, item in kept.items() if name not in ("locations", "extensions", "path")}
    return [normal(item) for item in value] if isinstance(value, list) else value


def read(**variables: Any) -> dict[str, Any]:
    return {"json": {"query": DOCUMENTS_QUERY, "variables": variables}}


def query(text: str) -> dict[str, Any]:
    return {"json": {"query": text}}


def variables(*pairs: Any) -> dict[str, Any]:
    return {"json": {"variables": list(pairs)}}


PAIR = {"name": "account_id", "value": "1"}
GENERATES: dict[str, tuple[str, dict[str, Any]]] = {
    "an empty object": ("/api/reports/1/generate", {"json": {}}),
    "variables": ("/api/reports/1/generate", variables(PAIR, PAIR | {"value": "2"})),
    "no variables": ("/api/reports/2/generate", variables()),
    "one that fails": ("/api/reports/3/generate", {"json": {}}),
    "one that says completed": ("/api/reports/5/generate", {"json": {}}),
    "another's report": ("/api/reports/4/generate", {"json": {}}),
    "no such report": ("/api/reports/99/generate", {"json": {}}),
    "variables that are no list": ("/api/reports/1/generate", {"json": {"variables": "x"}}),
    "a variable without a value": ("/api/reports/1/generate", variables({"name": "x"})),
    "a variable without a name": ("/api/reports/1/generate", variables({"name": "", "value": "1"})),
    "a value that is a number": ("/api/reports/1/generate", variables({"name": "x", "value": 1})),
    "a variable that is null": ("/api/reports/1/generate", variables(None)),
    "no JSON": ("/api/reports/1/generate", {"data": "{", "headers": {"Content-Type": "application/json"}}),
}
READS: dict[str, dict[str, Any]] = {
    "everything": read(),
    "by id": read(filter={"id": {"in": ["1", "2", "99"]}}, first=3),
    "by one id": read(filter={"id": {"eq": "3"}}),
    "by ids above": read(filter={"id": {"gt": "2"}}),
    "by ids up to": read(filter={"id": {"lteq": "2"}}),
    "by no id": read(filter={"id": {"in": ["0"]}}, first=1),
    "unfinished": read(filter={"category": {"eq": "report"}, "status": {"in": ["queued", "processing"]}}),
    "failed": read(filter={"category": {"eq": "report"}, "status": {"in": ["failed"]}}),
    "another category": read(filter={"category": {"eq": "label"}}),
    "a name like": read(filter={"file_name": {"ilike": "REPORT-1-%"}}),
    "csv": read(filter={"file_type": {"eq": "csv"}}),
    "of this century": read(filter={"created_at": {"from": "2001-01-01T00:00:00Z"}}),
    "of the last one": read(filter={"created_at": {"to": "2001-01-01T00:00:00Z"}}),
    "a page of one": read(first=1),
    "a page of none": read(first=0),
    "a null filter": read(filter=None),
    "a filter that is not there": read(filter={"size": {"eq": "1"}}),
    "a filter of another type": read(filter={"id": {"in": {"a": 1}}}),
    "variables that are null": {"json": {"query": "{ __typename }", "variables": None}},
    "a name of the schema": query("{ __typename }"),
    "a field that is not there": query("{ documents { some { id } } }"),
    "no GraphQL": query("{ documents "),
    "an empty query": query(""),
    "no query": {"json": {}},
    "whether ids can be filtered": query('{ __type(name: "DocumentFilterType") { inputFields { name } } }'),
    "a type that is not there": query('{ __type(name: "Nothing") { name } }'),
    "a report by id": query('{ reports { all(filter: {id: {eq: "2"}}) { edges { node { id name } } } } }'),
    "reports by ids": query(
        '{ reports { all(filter: {id: {in: ["3", "1", "99"]}}, first: 5) { edges { node { id } } } } }'
    ),
    "reports and queries at once": query(
        '{ reports { all(filter: {name: {eq: "none"}}) { edges { node { id } } } }'
        ' report_queries { all(filter: {name: {eq: "none"}}) { edges { node { id graphql } } } } }'
    ),
    "reports by a filter that is not there": query(
        '{ reports { all(filter: {owner: {eq: "x"}}) { edges { node { id } } } } }'
    ),
    "reports by name": query(
        '{ reports { all(filter: {name: {eq: "Stock by location"}}, first: 2) {'
        " edges { node { id name report_query { name } } } pageInfo { hasNextPage } } } }"
    ),
}
TOKENS: dict[str, dict[str, Any]] = {
    "id and secret in the header": {"data": GRANT, "basic": True},
    "id and secret in the body": {"data": GRANT, "body": True},
    "a wrong secret": {"data": GRANT, "auth": ("clarus-client", "wrong")},
    "an unknown client": {"data": GRANT, "auth": ("nobody", "wrong")},
    "nobody": {"data": GRANT},
    "an unknown grant": {"data": {"grant_type": "telepathy"}, "basic": True},
    "no grant": {"data": {}, "basic": True},
    "a refresh token that is none": {
        "data": {"grant_type": "refresh_token", "refresh_token": "x"},
        "basic": True,
    },
    "a code that is none": {
        "data": {"grant_type": "authorization_code", "code": "x", "redirect_uri": "http://127.0.0.1/"},
        "basic": True,
    },
}


class Caller:
    """Asks one server."""

    def __init__(self, served: Served) -> None:
        self.served = served
        secrets = (served.client_id, served.client_secret)
        token = requests.post(f"{served.url}{TOKEN}", data=GRANT, auth=secrets, timeout=10).json()
        self.headers = {
            "Authorization": f"Bearer {token['access_token']}",
            "X-Clarus-Subdomain": served.tenant,
        }

    def __call__(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        headers = {
            name: value
            for name, value in (self.headers | request.pop("headers", {})).items()
            if value is not None
        }
        secrets = (self.served.client_id, self.served.client_secret)
        if request.pop("basic", False):
            request["auth"] = secrets
        if request.pop("body", False):
            request["data"] = request["data"] | {"client_id": secrets[0], "client_secret": secrets[1]}
        if path == TOKEN:
            headers = {}
        answer = requests.request(method, self.served.url + path, headers=headers, timeout=30, **request)
        return answer.status_code, normal(answer.json())


@pytest.fixture(scope="module")
def both(sandbox_served: Served, reference_served: Served) -> tuple[Caller, Caller]:
    """The two, with the same documents, made by the same requests."""
    for served in (sandbox_served, reference_served):
        for report in REPORTS:
            served.add(**report)  # type: ignore[arg-type]
    callers = Caller(sandbox_served), Caller(reference_served)
    for caller in callers:
        for report_id in (1, 2, 3, 5):
            caller("POST", f"/api/reports/{report_id}/generate", json={})
    return callers


def compare(both: tuple[Caller, Caller], method: str, path: str, **request: Any) -> None:
    sandbox, reference = (caller(method, path, **request) for caller in both)
    assert sandbox == reference


@pytest.mark.parametrize("what", READS)
def test_graphql(both: tuple[Caller, Caller], what: str) -> None:
    compare(both, "POST", "/graphql", **READS[what])


@pytest.mark.parametrize("document_id", [1, 2, 3, 4, 99])
def test_downloads(both: tuple[Caller, Caller], document_id: int) -> None:
    compare(both, "GET", f"/api/documents/{document_id}/download")


@pytest.mark.parametrize("what", TOKENS)
def test_tokens(both: tuple[Caller, Caller], what: str) -> None:
    compare(both, "POST", TOKEN, **TOKENS[what])


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": None},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic bm9ib2R5"},
        {"X-Clarus-Subdomain": None},
        {"X-Clarus-Subdomain": "nowhere"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/graphql", "/api/reports/1/generate", "/api/documents/1/download"])
def test_who_may_call(both: tuple[Caller, Caller], path: str, headers: dict[str, Any]) -> None:
    method = "GET" if path.endswith("download") else "POST"
    body = {} if method == "GET" else query("{ __typename }")
    compare(both, method, path, headers=headers, **body)


# Last, because they make documents.
@pytest.mark.parametrize("what", GENERATES)
def test_generating(both: tuple[Caller, Caller], what: str) -> None:
    path, request = GENERATES[what]
    compare(both, "POST", path, **request)
