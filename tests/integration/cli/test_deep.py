# SPDX-License-Identifier: Apache-2.0
"""``check --deep``: what it finds of a server, and that it tells nothing that is anybody's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_clarus.__main__ import main
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report
from airflow_provider_clarus.sandbox.server import Sandbox

SECRETS = ["geheim-tenant", "geheim-client", "geheim-secret", "geheim-report", "geheim-query", "geheim-file"]
READ_ONLY = {"token", "graphql", "download", "file"}
Deep = Callable[..., dict[str, tuple[str, str]]]


def servant(**options: Any) -> Sandbox:
    query = replace(STOCK_QUERY, name="geheim-query")
    report = Report(id=7, name="geheim-report", file_name="geheim-file.csv", seconds=0, query=query)
    return Sandbox(
        [replace(report, owner="geheim-client")],
        tenants=["geheim-tenant"],
        client_id="geheim-client",
        client_secret="geheim-secret",
        **options,
    )


@pytest.fixture
def deep(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Deep:
    """Run the command; return what it found, and its verdict, by the points."""

    def run(clarus: Sandbox, *arguments: str, **extra: Any) -> dict[str, tuple[str, str]]:
        connection = {**json.loads(clarus.connection_json), **extra}
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", json.dumps(connection))
        capfd.readouterr()
        main(["check", "--deep", *arguments])
        printed = capfd.readouterr()
        url = re.escape(clarus.url.removeprefix("http://"))
        for secret in [*SECRETS, url, "X-Amz-Signature", "Bearer ey", *tokens(clarus)]:
            assert not re.search(secret, printed.out + printed.err, re.IGNORECASE)
        rows = [line.strip("| ").split(" | ") for line in printed.out.splitlines() if line.startswith("| ")]
        return {point: (found, verdict) for point, _, found, verdict in rows[1:]}

    return run


def tokens(clarus: Sandbox) -> set[str]:
    """Return the bearer tokens that the server was shown; ``none`` is none."""
    shown = {request.headers.get("authorization", "").removeprefix("Bearer ") for request in clarus.requests}
    return {re.escape(token) for token in shown if token not in ("", "none")}


def test_a_server_that_does_what_is_assumed(deep: Deep) -> None:
    with servant() as clarus:
        clarus.add_documents(101, 7)
        found = deep(clarus)
        assert {request.endpoint for request in clarus.requests} == READ_ONLY
    assert found["a page of 200"] == ("100 rows", "as assumed")
    assert found["documents"] == ("ids are texts; statuses available; types csv", "as assumed")
    assert found["download of no document"][0].endswith("status 404, code 1404, symbol not_found")
    # The sandbox's times have whole seconds, and its files are not at Amazon.
    otherwise = [point for point, (_, verdict) in found.items() if verdict == "otherwise"]
    assert otherwise == ["times", "a file"]


def test_a_server_that_does_not(deep: Deep) -> None:
    options = {"id_filter": False, "report_id_filter": False, "report_query_text": False}
    with servant(**options, introspection=False, redacted=True) as clarus:
        found = deep(clarus)
    refused = ["100 documents by their ids", "a report by its id", "a query's text below its report"]
    assert {found[point][1] for point in refused} == {"otherwise"}
    assert found["a file"] == ("there is none", "not found out")


@pytest.mark.parametrize("refuses", [True, False])
def test_a_report_is_queued_when_it_is_told_to(deep: Deep, refuses: bool) -> None:
    with servant(refuse_unknown_variables=refuses) as clarus:
        found = deep(clarus, "--generate", "geheim-report")
        assert len(clarus.documents) == 1
    said, verdict = found["a variable that is not declared"]
    assert verdict == ("otherwise" if refuses else "as assumed")
    assert ("status 422" in said) is refuses
    assert found["a new document"][1] == "as assumed"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("graphql", status=403, body={"errors": [{"code": 1, "symbol": "Geheim-Tenant"}]}),
        Fault("graphql", status=500, body="<html>geheim-secret</html>"),
        Fault("graphql", status=200, body={"errors": [{"message": "geheim-tenant"}]}),
        Fault("graphql", status=200, body={"data": {"geheim-tenant": None}}),
        Fault("file", status=403, body="<Error>geheim-file</Error>"),
    ],
    ids=str,
)  # fmt: skip
def test_whatever_the_server_says_is_kept_out(deep: Deep, fault: Fault) -> None:
    with servant() as clarus:
        clarus.add_documents(1, 7)
        clarus.inject(fault)
        assert len(deep(clarus)) == 14


@pytest.mark.parametrize("grant_type", ["client_credentials", "refresh_token"])
def test_who_is_shut_out_does_not_go_on_asking(deep: Deep, grant_type: str) -> None:
    with servant() as clarus:
        body = {"error": "invalid_client", "error_description": "geheim-secret"}
        clarus.inject(Fault("token", status=401, body=body))
        found = deep(clarus, extra={"grant_type": grant_type, "refresh_token": "geheim-secret"})
        # Two forms of the secret, twice at most: this process may ask for a token of its own.
        assert clarus.count("token") <= 4
        # With the token that is none.
        assert clarus.count("graphql") <= 1
    assert list(found)[-1] == "all else"
    assert len(found) <= 4


def test_words_that_are_somebodys_are_not_shown(deep: Deep) -> None:
    with servant() as clarus:
        clarus.add_report(Report(id=8, seconds=0, outcome="late (geheim-tenant)", owner="geheim-client"))
        clarus.add_documents(1, 8)
        found = deep(clarus)
    assert found["documents"] == ("ids are texts; statuses (not shown); types none", "otherwise")


def test_a_refresh_token_is_not_used_up_for_it(deep: Deep) -> None:
    with servant() as clarus:
        token = clarus.issue_token()["refresh_token"]
        found = deep(clarus, extra={"grant_type": "refresh_token", "refresh_token": token})
        assert clarus.count("token") == 1
    assert found["token answer"] == ("not asked for: grant_type is refresh_token", "not found out")
