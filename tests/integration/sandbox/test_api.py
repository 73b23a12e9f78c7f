# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import time
from typing import Any

import pytest
import requests

from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report, ReportQuery
from airflow_provider_clarus.sandbox.server import Sandbox

from .caller import Caller


def error_of(answer: requests.Response) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["symbol"]


def wait_for(caller: Caller, document_id: int, *statuses: str) -> list[str]:
    """Return the statuses that were seen, until one of ``statuses``."""
    seen: list[str] = []
    while not seen or seen[-1] not in statuses:
        (node,) = caller.nodes(id={"eq": str(document_id)})
        if node["status"] not in seen:
            seen.append(node["status"])
        time.sleep(0.02)
    return seen


def test_no_token_no_answer(caller: Caller) -> None:
    caller.headers["Authorization"] = "Bearer nonsense"
    for answer in (caller.generate(), caller.download(1), caller.graphql()):
        assert answer.status_code == 401
        assert "token" in answer.json()["error"]


def test_tenant_header_is_required_and_must_be_known(caller: Caller) -> None:
    caller.headers["X-Clarus-Subdomain"] = "nobody"
    assert error_of(caller.generate()) == (404, "not_found")
    del caller.headers["X-Clarus-Subdomain"]
    assert caller.generate().status_code == 401
    assert "X-Clarus-Subdomain" in caller.generate().json()["error"]


def test_tenants_do_not_see_each_other() -> None:
    reports = [Report(id=7, seconds=0), Report(id=8, tenant="other")]
    with Sandbox(reports, tenants=("acme", "other")) as sandbox, Caller(sandbox) as caller:
        document = caller.generated()
        assert error_of(caller.generate(8)) == (404, "not_found")
        assert caller.ids() == [document]
        caller.headers["X-Clarus-Subdomain"] = "other"
        assert caller.ids() == caller.ids(id={"eq": str(document)}) == []
        assert error_of(caller.download(document)) == (404, "not_found")


def test_report_runs_from_queued_over_processing_to_available(caller: Caller) -> None:
    caller.sandbox.add_report(Report(id=8, seconds=2))
    document = caller.generated(8)
    assert wait_for(caller, document, "available") == ["queued", "processing", "available"]
    (node,) = caller.nodes(id={"eq": str(document)})
    assert (node["file_name"], node["file_type"]) == (f"report-8-{document}.csv", "csv")
    assert caller.download(document).json()["url"].startswith(caller.sandbox.files_url)


@pytest.mark.parametrize("outcome", ["failed", "completed", "archived"])
def test_report_ends_in_any_status(sandbox: Sandbox, caller: Caller, outcome: str) -> None:
    sandbox.add_report(Report(id=8, seconds=0, outcome=outcome))
    document = caller.generated(8)
    assert wait_for(caller, document, outcome) == [outcome]
    assert caller.download(document).status_code == (200 if outcome == "completed" else 404)


def test_upper_case_outcome_makes_all_statuses_upper_case(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.add_report(Report(id=8, seconds=600, outcome="AVAILABLE"))
    number = caller.generated(8)
    document = sandbox.documents[number]
    seen = []
    for age in (0, 300, 700):
        document.created = time.time() - age
        (node,) = caller.nodes(id={"eq": str(number)})
        seen.append(node["status"])
    assert seen == ["QUEUED", "PROCESSING", "AVAILABLE"]


def test_report_that_never_ends_can_be_ended(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.add_report(Report(id=8, seconds=math.inf))
    document = caller.generated(8)
    assert caller.nodes()[0]["status"] in ("queued", "processing")
    sandbox.documents[document].seconds = 0
    assert caller.nodes()[0]["status"] == "available"


def test_only_the_owner_may_generate_and_download(sandbox: Sandbox, caller: Caller, document: int) -> None:
    with Caller(sandbox, user="someone") as other:
        assert error_of(other.generate()) == (403, "forbidden")
        assert error_of(other.download(document)) == (403, "forbidden")
    assert caller.download(document).status_code == 200


@pytest.mark.parametrize("report_id", [999, -1, "seven", "7.0"])
def test_unknown_report_is_not_found(caller: Caller, report_id: object) -> None:
    assert error_of(caller.generate(report_id)) == (404, "not_found")


@pytest.mark.parametrize(
    "variables",
    [{"a": "b"}, None, ["a"], [{"value": "b"}], [{"name": "", "value": "b"}], [{"name": "a", "value": 1}]],
)
def test_bad_variables_are_unprocessable(caller: Caller, variables: Any) -> None:
    assert error_of(caller.generate(variables=variables)) == (422, "invalid")
    assert not caller.sandbox.documents


def test_body_may_be_missing_but_not_broken(caller: Caller) -> None:
    url = f"{caller.sandbox.url}/api/reports/7/generate"
    json = {"Content-Type": "application/json"}
    assert caller.post(url, timeout=5).status_code == 200
    assert error_of(caller.post(url, data="{", headers=json, timeout=5)) == (400, "bad_request")
    assert error_of(caller.post(url, data="a=b", timeout=5)) == (400, "bad_request")


def test_passed_variables_are_merged_over_the_stored_ones(sandbox: Sandbox, caller: Caller) -> None:
    stored = {"date_from": "today", "account_id": "1", "site": "Leeds"}
    sandbox.add_report(Report(id=8, seconds=0, rows=2, variables=stored))
    passed = [("date_from", "2024-01-01T00:00:00+00:00"), ("account_id", "2"), ("account_id", "3")]
    document = caller.generated(8, variables=[{"name": name, "value": value} for name, value in passed])
    header, first, second = requests.get(caller.file_url(document), timeout=5).text.splitlines()
    assert header == (
        "line,tenant,report_id,document_id,version,date_from,account_id,site,sku,location,quantity"
    )
    values = f"acme,8,{document},1,2024-01-01T00:00:00+00:00,2;3,Leeds"
    assert first.startswith(f"00000001,{values},")
    assert second.startswith(f"00000002,{values},")


def test_replica_lag_hides_a_new_document(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.add_report(Report(id=8, seconds=0, replica_lag=60, download_lag=60))
    document = caller.generated(8)
    assert caller.ids() == caller.ids(id={"eq": str(document)}) == []
    assert error_of(caller.download(document)) == (404, "not_found")
    sandbox.documents[document].created -= 61
    assert caller.ids() == [document]
    assert caller.download(document).status_code == 200


@pytest.mark.parametrize("refuse", [False, True])
def test_a_variable_that_the_query_does_not_declare_is_ignored_or_refused(refuse: bool) -> None:
    report = Report(id=7, query=STOCK_QUERY, variables={"date_from": "3 days ago"})
    with Sandbox([report], refuse_unknown_variables=refuse) as sandbox, Caller(sandbox) as caller:
        sent = [{"name": "date_form", "value": "today"}, {"name": "account_id", "value": "3"}]
        answer = caller.generate(variables=sent)
        if refuse:
            assert error_of(answer) == (422, "invalid")
            assert "date_form" in answer.json()["errors"][0]["details"]
        else:
            (document,) = sandbox.documents.values()
            assert document.variables == {"date_from": ["3 days ago"], "account_id": ["3"]}


@pytest.mark.parametrize("query", [None, ReportQuery(id=3), ReportQuery(id=3, graphql="query (")])
def test_where_nothing_is_declared_any_variable_is_taken(
    sandbox: Sandbox, caller: Caller, query: ReportQuery | None
) -> None:
    sandbox.add_report(Report(id=7, query=query))
    document = caller.generated(variables=[{"name": "anything", "value": "x"}])
    assert sandbox.documents[document].variables == {"anything": ["x"]}
