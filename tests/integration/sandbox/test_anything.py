# SPDX-License-Identifier: Apache-2.0
"""Whatever is asked of the sandbox, it answers as a service does, and never breaks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings

from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.description import DESCRIPTION, needs_description

from .caller import QUERY, Caller

needs_schemathesis = pytest.mark.skipif(sys.version_info < (3, 11), reason="schemathesis needs 3.11")

few = settings(
    max_examples=8,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
#: What the sandbox has of the published description.
PUBLISHED = [
    "POST /graphql#ListDocuments",
    "POST /graphql#ListReports",
    "POST /graphql#ListReportQueries",
    "GET /api/documents/{id}/download",
    "POST /api/reports/{id}/generate",
    "POST /api/reports",
]


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with Sandbox([Report(id=7, seconds=0, query=STOCK_QUERY)]) as sandbox, Caller(sandbox) as caller:
        sandbox.add_documents(3, 7)
        yield caller


@pytest.mark.long
@needs_schemathesis
@pytest.mark.parametrize("label", PUBLISHED)
def test_requests_that_are_as_published_or_not_at_all(caller: Caller, label: str) -> None:
    """Those that schemathesis makes of the description."""
    needs_description()
    import schemathesis
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi.checks import response_schema_conformance

    schema = schemathesis.openapi.from_dict(json.loads(DESCRIPTION.read_text()))
    schema.config.update(base_url=caller.sandbox.url)
    (operation,) = [found.ok() for found in schema.get_all_operations() if found.ok().label == label]
    for mode in GenerationMode:

        @few
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            answer = case.call(headers=dict(caller.headers), timeout=30)
            assert answer.status_code < 500, answer.text
            case.validate_response(answer, checks=[response_schema_conformance])

        ask()


@pytest.mark.long
@needs_schemathesis
@pytest.mark.parametrize("name", ["documents", "reports", "report_queries"])
def test_queries_of_the_schema(caller: Caller, name: str) -> None:
    """Those that schemathesis makes of what introspection tells."""
    import schemathesis

    schema = schemathesis.graphql.from_url(f"{caller.sandbox.url}/graphql", headers=dict(caller.headers))
    (operation,) = [
        found.ok() for found in schema.get_all_operations() if found.ok().label == f"Query.{name}"
    ]

    @few
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call(headers=dict(caller.headers), timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.json().keys() <= {"data", "errors"}

    ask()


BODIES: list[Any] = [
    *({"query": QUERY, "variables": odd} for odd in ([None, None], [], [1], "x", 5, True, {"first": "x"})),
    *({"query": QUERY, "variables": {"filter": odd}} for odd in ([None], {"id": {"gt": "9" * 5000}})),
    *({"query": QUERY, "variables": {"filter": {"created_at": odd}}} for odd in ({"between": []}, 5)),
    *({"query": QUERY, "variables": {"after": odd}} for odd in ("", "é", "9" * 9000, "\ud800", 5)),
    *({"query": odd} for odd in (5, "{" * 5000, "{ \ud800 }", "\0", "mutation { x }")),
    *({"query": "{ __typename }", "operationName": odd} for odd in (5, [], {}, "x")),
    *({"variables": odd} for odd in ({}, "x", [[]], [{"name": {}, "value": "x"}], [{"name": "\ud800"}])),
    *(
        {"data": {"type": "reports", "attributes": {"name": "x", "report_type": "single", **odd}}}
        for odd in (
            {"report_query_id": True},
            {"report_query_id": 1, "description": 5},
            {"report_query_id": 1, "source_path": ["data."]},
            {"report_query_id": 1, "variables": {}},
            {"report_query_id": 1, "name": "\ud800"},
            {"report_query_id": [], "report_type": {}},
        )
    ),
    *(None, [], 5, "x"),
]


@pytest.mark.parametrize("path", ["/graphql", "/api/reports/7/generate", "/api/reports"])
def test_bodies_that_nobody_would_send(caller: Caller, path: str) -> None:
    headers = {"Content-Type": "application/json"}
    texts = [json.dumps(body).encode() for body in BODIES]
    for text in [*texts, b"[" * 100_000, b"\xff", b"1" * 9000, b"NaN"]:
        answer = caller.post(f"{caller.sandbox.url}{path}", data=text, headers=headers, timeout=30)
        assert answer.status_code < 500, text[:100]
        answer.json()


@pytest.mark.parametrize(
    "path",
    [
        f"/api/documents/{'9' * 5000}/download",
        "/api/documents/-1/download",
        "/api/documents/²/download",
        "/oauth/authorize?response_type=code&client_id=clarus-client&redirect_uri=http://[",
        "/oauth/authorize?redirect_uri=%ff",
    ],
)
def test_addresses_that_lead_nowhere(caller: Caller, path: str) -> None:
    assert 400 <= caller.get(f"{caller.sandbox.url}{path}", timeout=30).status_code < 500


def test_a_code_whose_challenge_is_no_challenge(caller: Caller) -> None:
    asked = {
        "response_type": "code",
        "client_id": caller.sandbox.client_id,
        "redirect_uri": "http://127.0.0.1/",
        "code_challenge_method": "S256",
        "code_challenge": "é",
    }
    url = f"{caller.sandbox.url}/oauth"
    back = requests.get(f"{url}/authorize", params=asked, allow_redirects=False, timeout=30)
    code = back.headers["Location"].partition("code=")[2]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "http://127.0.0.1/"}
    who = (caller.sandbox.client_id, caller.sandbox.client_secret)
    assert requests.post(f"{url}/token", data=form, auth=who, timeout=30).status_code == 400
