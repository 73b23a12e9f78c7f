# SPDX-License-Identifier: Apache-2.0
"""What Airflow's Test button says of a connection."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_clarus.api.documents import DOCUMENTS_QUERY, PAGE_SIZE
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

Test = Callable[..., tuple[bool, str]]


@pytest.fixture
def pressed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Test:
    """Press Test, after changing some of the connection's fields."""

    def press(to: Sandbox = sandbox, **changes: Any) -> tuple[bool, str]:
        connection = json.dumps({**json.loads(to.connection_json), **changes})
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", connection)
        return ClarusHook().test_connection()

    return press


def test_success_names_what_was_tried(pressed: Test, sandbox: Sandbox) -> None:
    said = "Token, tenant 'acme' and the query for documents are all right. This user sees 1 report."
    assert pressed() == (True, said)
    assert [request.endpoint for request in sandbox.requests] == ["token", "graphql", "graphql", "graphql"]
    assert sandbox.requests[-2].json["query"] == DOCUMENTS_QUERY
    assert sandbox.requests[-2].json["variables"]["first"] == PAGE_SIZE
    assert len(sandbox.requests[-2].json["variables"]["filter"]["id"]["in"]) == PAGE_SIZE


def test_a_server_without_an_id_filter_is_all_right_too(pressed: Test) -> None:
    with Sandbox(id_filter=False) as other:
        works, said = pressed(other)
    assert works
    assert "This server takes no filter for ids." in said


def test_a_user_who_sees_no_report_is_warned(pressed: Test) -> None:
    with Sandbox() as other:
        works, said = pressed(other)
    assert works
    assert "Warning: this user sees no report" in said


def test_many_reports_are_not_counted_to_the_end(pressed: Test) -> None:
    with Sandbox([Report(id=number) for number in range(1, 251)]) as other:
        assert pressed(other)[1].endswith("This user sees 100 or more reports.")
        assert other.count("graphql") == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault("graphql", asks_for="reports", status=403),
        Fault("graphql", asks_for="reports", status=503),
        Fault(
            "graphql", asks_for="reports", status=200, body={"errors": [{"message": "No field 'reports'"}]}
        ),
    ],
)
def test_a_catalogue_that_cannot_be_read_is_a_warning(pressed: Test, sandbox: Sandbox, fault: Fault) -> None:
    sandbox.inject(fault)
    works, said = pressed()
    assert works
    assert "Warning: the catalogue cannot be read, so no variables are checked: Could not read" in said


def test_a_server_that_limits_complexity_shows_it(pressed: Test) -> None:
    with Sandbox(max_complexity=100) as other:
        works, said = pressed(other)
    assert works
    assert "It answers for no more than 12 documents at a time." in said
    with Sandbox(max_complexity=5) as other:
        works, said = pressed(other)
    assert not works
    assert "exceeds max complexity" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"password": "wrong"},
            "Step 1 of 4, get a token: .*401: invalid_client.*Check the connection's login",
        ),
        ({"port": 1}, "Step 1 of 4, get a token: .*refused.*Check the connection's host"),
        ({"schema": "initech"}, "Step 2 of 4, reach the tenant: .*'initech'.*404.*tenant"),
        ({"schema": ""}, "no tenant. Enter the tenant's subdomain"),
        ({"password": None}, "needs password"),
        ({"extra": {"grant_type": "access_token", "access_token": "old"}}, "Step 2 of 4.*access token"),
    ],
)
def test_failure_names_the_step_and_what_to_do(pressed: Test, changes: dict[str, Any], said: str) -> None:
    works, message = pressed(**changes)
    assert not works
    assert re.search(said, message), message


@pytest.mark.parametrize(
    "fault",
    [
        Fault("graphql", status=200, body={"errors": [{"message": "Field 'file_type' doesn't exist"}]}),
        Fault("graphql", status=200, body={"data": {"documents": None}}),
        Fault("graphql", status=200, body=HTML_ERROR),
    ],
)
def test_a_schema_that_has_changed_shows_before_the_night(
    pressed: Test, sandbox: Sandbox, fault: Fault
) -> None:
    def later() -> None:
        sandbox.inject(fault)

    sandbox.inject(Fault("graphql", before=later, times=1))
    works, message = pressed()
    assert not works
    assert message.startswith("Step 3 of 4, ask for the status of documents: ")


def test_an_outage_is_told_after_one_try(pressed: Test, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("graphql", status=503, body=HTML_ERROR))
    works, message = pressed()
    assert not works
    assert "503" in message
    assert message.endswith("It may pass: test again in a minute.")
    assert sandbox.count("graphql") == 1
