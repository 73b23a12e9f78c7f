# SPDX-License-Identifier: Apache-2.0
"""The fixtures that a test of somebody's DAG asks for, against operators as they are."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from airflow_provider_clarus.exceptions import ClarusReportFailedError, ClarusTimeoutError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY
from airflow_provider_clarus.testing import plugin
from airflow_provider_clarus.testing.clarus import ClarusSandbox, Connections

NOON = datetime(2024, 3, 31, 12, tzinfo=timezone.utc)


def generate(**arguments: Any) -> Any:
    task = ClarusGenerateReportOperator(task_id="t", **({"report_id": 7} | arguments))
    return task.execute({})


def test_what_was_generated_is_found_by_id_and_by_name(
    clarus_sandbox: ClarusSandbox, clarus_connection: Connections, assert_generated: Callable[..., Any]
) -> None:
    report = clarus_sandbox.report(7, name="Stock")
    document_id = generate(
        variables={"note": "x", "account_id": [3, 14], "at": NOON, "day": date(2024, 3, 1)}
    )
    told = {"account_id": [3, 14], "at": NOON, "day": date(2024, 3, 1), "note": ANY}
    for wanted in (7, "7", "Stock", report):
        [document] = assert_generated(wanted, told)
        assert document.id == document_id
    assert_generated(7)
    assert_generated(7, [{"name": "account_id", "value": "3"}, {"name": "account_id", "value": 14}]
                     + [{"name": name, "value": ANY} for name in ("note", "at", "day")])  # fmt: skip


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"account_id": [14, 3], "at": NOON},
        {"account_id": 3, "at": NOON},
        {"account_id": [3, 14]},
        {"account_id": [3, 14], "at": NOON, "note": ANY},
        {"account_id": [3, 14], "at": NOON + timedelta(hours=1)},
        {"account_id": [3, 14], "at": NOON.replace(tzinfo=None)},
        {"account_id": [3, 14], "at": date(2024, 3, 31)},
        {"account_id": [3, 14], "at": "2024-03-31T12:00:00Z"},
    ],
)
def test_other_variables_are_told_apart_and_the_message_says_what_was_generated(
    clarus_sandbox: ClarusSandbox, clarus_connection: Connections, variables: dict[str, Any]
) -> None:
    clarus_sandbox.report(7)
    generate(variables={"account_id": [3, 14], "at": NOON})
    with pytest.raises(AssertionError) as failed:
        clarus_sandbox.assert_generated(7, variables)
    assert "Report 7 was generated 0 times, not 1" in str(failed.value)
    assert "{'account_id': ['3', '14'], 'at': '2024-03-31T12:00:00+00:00'}" in str(failed.value)
    clarus_sandbox.assert_generated(7, times=1)


def test_a_moment_is_the_same_in_each_zone_and_a_date_its_midnight_in_the_one_that_was_sent(
    clarus_sandbox: ClarusSandbox, clarus_connection: Connections
) -> None:
    clarus_sandbox.report(7)
    london = clarus_connection("clarus_london", timezone="Europe/London")
    generate(variables={"at": NOON, "day": date(2024, 7, 1)}, clarus_conn_id=london)
    [document] = clarus_sandbox.assert_generated(7, {"at": NOON, "day": date(2024, 7, 1)})
    assert document.variables == {"at": ["2024-03-31T13:00:00+01:00"], "day": ["2024-07-01T00:00:00+01:00"]}


def test_a_report_that_was_generated_twice_is_found_out(
    clarus_sandbox: ClarusSandbox, clarus_connection: Connections
) -> None:
    clarus_sandbox.report(7)
    with pytest.raises(AssertionError, match=r"0 times, not 1, with whatever variables.* nothing"):
        clarus_sandbox.assert_generated(7)
    clarus_sandbox.add_documents(3, 7)
    generate()
    clarus_sandbox.assert_generated(7)
    generate()
    with pytest.raises(AssertionError, match="2 times, not 1"):
        clarus_sandbox.assert_generated(7)
    assert len(clarus_sandbox.assert_generated(7, times=2)) == 2
    clarus_sandbox.assert_generated(8, times=0)


def test_stored_values_are_added_and_what_is_not_declared_was_not_taken(
    clarus_sandbox: ClarusSandbox, clarus_connection: Connections
) -> None:
    clarus_sandbox.report(7, query=STOCK_QUERY, variables={"note": "stored"})
    generate(variables={"account_id": 3, "nots": "x"}, check_variables=False)
    clarus_sandbox.assert_generated(7, {"account_id": 3})
    clarus_sandbox.assert_generated(7, {"account_id": 3, "note": "stored"})
    for wrong in ({"account_id": 3, "nots": "x"}, {"account_id": 3, "note": "other"}):
        clarus_sandbox.assert_generated(7, wrong, times=0)


class TestTwoTenants:
    @pytest.fixture
    def clarus_sandbox_options(self) -> dict[str, Any]:
        return {"tenants": ("acme", "globex")}

    def test_each_has_its_reports_and_its_connection(
        self, clarus_sandbox: ClarusSandbox, clarus_connection: Connections
    ) -> None:
        clarus_sandbox.report(7, tenant="globex")
        generate(clarus_conn_id=clarus_connection("clarus_globex", tenant="globex"))
        clarus_sandbox.assert_generated(7, {}, tenant="globex")
        with pytest.raises(AssertionError, match="Report 7 of tenant 'acme' was generated 0 times"):
            clarus_sandbox.assert_generated(7, {}, tenant="acme")


def test_a_test_begins_without_tokens_in_a_store_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    request.getfixturevalue("clarus_connection")
    store = Path(os.environ["XDG_STATE_HOME"])
    assert list(store.iterdir()) == []
    sandbox = request.getfixturevalue("clarus_sandbox")
    sandbox.report(7)
    generate()
    generate()
    assert sandbox.count("token") == 1
    assert [request.status for request in sandbox.requests_of("generate")] == [200, 200]
    assert [len(list(folder.iterdir())) > 0 for folder in store.iterdir()] == [True]
    assert list(tmp_path.iterdir()) == []


def test_connections_and_token_store_are_gone_afterwards(
    clarus_sandbox: ClarusSandbox, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", "clarus://the.users/own")
    before = dict(os.environ)
    fixture = plugin.clarus_connection.__wrapped__(
        clarus_sandbox, request.getfixturevalue("tmp_path_factory")
    )  # type: ignore[attr-defined]
    connect = next(fixture)
    connect("clarus_london")
    changed = {name for name in os.environ if os.environ[name] != before.get(name)}
    assert changed == {"AIRFLOW_CONN_CLARUS_DEFAULT", "AIRFLOW_CONN_CLARUS_LONDON", "XDG_STATE_HOME"}
    assert ClarusHook().test_connection()[0]
    assert next(fixture, "over") == "over"
    assert dict(os.environ) == before


def test_a_fault_and_a_failure_are_a_line_each(
    clarus_sandbox: ClarusSandbox, clarus_connection: Connections, clarus_clock: None
) -> None:
    clarus_sandbox.report(7, outcome="failed")
    clarus_sandbox.fault("graphql", status=502, times=2)
    with pytest.raises(ClarusReportFailedError):
        generate(wait_for_completion=True, check_variables=False)
    assert [request.status for request in clarus_sandbox.requests_of("graphql")] == [502, 502, 200]


def test_hours_of_waiting_take_no_time(
    clarus_sandbox: ClarusSandbox, clarus_connection: Connections, clarus_clock: None
) -> None:
    began = clarus_sandbox.clock.time()
    clarus_sandbox.report(7, seconds=3 * 3600)
    generate(wait_for_completion=True, poll_interval=600, timeout=4 * 3600, deferrable=False)
    assert 3 * 3600 <= clarus_sandbox.clock.time() - began < 4 * 3600
    clarus_sandbox.report(7, seconds=math.inf)
    with pytest.raises(ClarusTimeoutError, match=r"after 144\d\d s"):
        generate(wait_for_completion=True, poll_interval=600, timeout=4 * 3600, deferrable=False)


def test_the_clock_moves_reports_tokens_urls_and_faults(
    clarus_sandbox: ClarusSandbox, clarus_connection: Connections
) -> None:
    clarus_sandbox.report(7, seconds=3600)
    hook = ClarusHook()
    document = hook.generate_report(7, None)
    clarus_sandbox.fault("graphql", status=429, for_seconds=3600, headers={"Retry-After": "300"})
    clarus_sandbox.clock.advance(3601)
    found = hook.get_document(document.id)
    assert found
    assert found.status == "available"
    assert [request.status for request in clarus_sandbox.requests_of("graphql")] == [401, 200]
    assert clarus_sandbox.count("token") == 2
    assert clarus_sandbox.clock.time() - time.time() == pytest.approx(3601, abs=60)
