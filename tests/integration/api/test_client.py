# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from typing import Any

import pytest

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.api.documents import PAGE_SIZE
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusForbiddenError,
    ClarusInputError,
    ClarusNotFoundError,
    ClarusOutcomeUnknownError,
    ClarusRejectedError,
    ClarusTransientError,
)
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.conftest import Connect

READS = "query { documents { all(first: 1) { edges { node { id } } } } }"
PASSING = {
    "429": Fault("graphql", status=429, headers={"Retry-After": "0"}, times=1),
    "500": Fault("graphql", status=500, times=1),
    "502 in HTML": Fault("graphql", status=502, body=HTML_ERROR, times=1),
    "503": Fault("graphql", status=503, headers={"Retry-After": "0"}, times=1),
    "reset": Fault("graphql", reset=True, times=1),
    "too slow": Fault("graphql", delay=1.0, times=1),
    "cut off": Fault("graphql", cut_at=10, times=1),
    "HTML with 200": Fault("graphql", status=200, body=HTML_ERROR, times=1),
    "no HTTP": Fault("graphql", raw=b"nonsense\r\n\r\n", times=1),
}
UNCERTAIN = {
    "504": Fault("generate", acts=True, status=504, body=HTML_ERROR),
    "500": Fault("generate", acts=True, status=500),
    "reset": Fault("generate", acts=True, reset=True),
    "too slow": Fault("generate", acts=True, delay=1.0, status=200),
    "cut off": Fault("generate", cut_at=10),
    "HTML with 200": Fault("generate", acts=True, status=200, body=HTML_ERROR),
    "another shape": Fault("generate", acts=True, status=200, body={"data": None}),
}


def test_every_call_carries_bearer_and_tenant(client: ClarusClient, sandbox: Sandbox) -> None:
    document = client.generate_report(7)
    client.get_document(document.id)
    client.graphql(READS)
    sandbox.documents[document.id].seconds = 0
    client.get_download_url(document.id)
    calls = [request for request in sandbox.requests if request.endpoint != "token"]
    assert [call.endpoint for call in calls] == ["generate", "graphql", "graphql", "download"]
    for call in calls:
        assert call.status == 200
        assert call.headers["authorization"].startswith("Bearer ")
        assert call.headers["content-type"] == "application/json"
        assert call.tenant == sandbox.tenant


def test_a_report_is_queued_with_its_variables(client: ClarusClient, sandbox: Sandbox) -> None:
    accounts = [{"name": "account_id", "value": "1"}, {"name": "account_id", "value": "2"}]
    document = client.generate_report(7, accounts)
    assert document == Document(1, DocumentStatus.QUEUED)
    assert sandbox.documents[1].variables == {"account_id": ["1", "2"]}
    assert sandbox.requests[-1].json == {"variables": accounts}


def test_without_variables_the_stored_ones_stay(client: ClarusClient, sandbox: Sandbox) -> None:
    client.generate_report(7)
    assert sandbox.requests[-1].json == {}


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_read_is_repeated_when_the_trouble_may_pass(
    connect: Connect, sandbox: Sandbox, document: int, fault: Fault
) -> None:
    sandbox.inject(fault)
    assert connect(timeout=0.5).get_document(document)
    assert sandbox.count("graphql") == 2


def test_a_read_waits_as_long_as_the_server_asks(client: ClarusClient, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("graphql", status=429, headers={"Retry-After": "1"}, times=1))
    client.graphql(READS)
    first, second = (request.at for request in sandbox.requests if request.endpoint == "graphql")
    assert second - first >= 1.0


@pytest.mark.usefixtures("no_pauses")
def test_trouble_that_stays_is_an_error_in_the_servers_words(connect: Connect, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("graphql", status=502, body=HTML_ERROR))
    with pytest.raises(ClarusTransientError, match=r"read from tenant 'acme'.*502: 502 Bad Gateway"):
        connect(attempts=2).graphql(READS)
    assert sandbox.count("graphql") == 2


def test_an_answer_without_end_is_cut_short(connect: Connect, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("graphql", status=200, body=b" " * (9 * 1024 * 1024)))
    with pytest.raises(ClarusTransientError, match="the answer has over 8388608 bytes"):
        connect(attempts=1).graphql(READS)


def test_a_redirect_is_not_followed(connect: Connect, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("graphql", status=307, headers={"Location": sandbox.files_url}))
    with pytest.raises(ClarusTransientError, match="307"):
        connect(attempts=1).graphql(READS)
    assert Counter(request.origin for request in sandbox.requests) == {"api": 2}


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("status", [409, 423, 425, 429, 302, 403, 404, 400])
def test_a_report_is_queued_once_more_when_the_server_refused_to_act(
    client: ClarusClient, sandbox: Sandbox, status: int
) -> None:
    sandbox.inject(Fault("generate", status=status, headers={"Retry-After": "0"}, times=1))
    client.generate_report(7)
    assert sandbox.count("generate") == 2
    assert len(sandbox.documents) == 1


def test_a_report_is_queued_when_a_server_that_was_down_comes_up(connect: Connect) -> None:
    with Sandbox([Report(7)]) as sandbox:
        client = connect(sandbox)
        client.graphql(READS)
    start = threading.Timer(0.2, sandbox.__enter__)
    start.start()
    try:
        client.generate_report(7)
    finally:
        start.join()
        sandbox.__exit__(None, None, None)
    assert sandbox.count("generate") == 1


@pytest.mark.parametrize("fault", UNCERTAIN.values(), ids=UNCERTAIN)
def test_a_report_that_may_be_queued_is_not_queued_again(
    connect: Connect, sandbox: Sandbox, fault: Fault
) -> None:
    sandbox.inject(fault)
    with pytest.raises(
        ClarusOutcomeUnknownError, match=r"report 7 in tenant 'acme'.*may be queued all the same"
    ):
        connect(timeout=0.5).generate_report(7)
    assert sandbox.count("generate") == 1
    assert len(sandbox.documents) == 1


@pytest.mark.usefixtures("no_pauses")
def test_trouble_with_the_token_never_leaves_a_report_in_doubt(connect: Connect, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("token", reset=True, times=1))
    connect().generate_report(7)
    sandbox.inject(Fault("token", status=500))
    with pytest.raises(ClarusTransientError, match="get a token"):
        connect(attempts=1, scope="other").generate_report(7)
    assert sandbox.count("generate") == 1


def test_a_revoked_token_is_replaced_once(client: ClarusClient, sandbox: Sandbox) -> None:
    client.graphql(READS)
    sandbox.revoke_tokens()
    client.generate_report(7)
    assert [request.endpoint for request in sandbox.requests] == [
        *("token", "graphql"),
        *("generate", "token", "generate"),
    ]
    assert len(sandbox.documents) == 1


def test_two_sign_ins_of_the_api_user_in_a_row_fail_no_task(connect: Connect, sandbox: Sandbox) -> None:
    task, another = connect(), connect()
    task.graphql(READS)
    sandbox.revoke_tokens()
    another.graphql(READS)
    sandbox.revoke_tokens()
    asked = len(sandbox.requests)
    task.generate_report(7)
    # With its own token, with the one that the other has got meanwhile, and with a new one.
    assert [(request.endpoint, request.status) for request in sandbox.requests[asked:]] == [
        *(("generate", 401), ("generate", 401)),
        *(("token", 200), ("generate", 200)),
    ]


def test_a_new_token_that_is_refused_too_is_final(connect: Connect, sandbox: Sandbox) -> None:
    task = connect()
    task.graphql(READS)
    sandbox.inject(Fault("generate", before=sandbox.revoke_tokens))
    with pytest.raises(ClarusAuthError):
        task.generate_report(7)
    assert (sandbox.count("generate"), sandbox.count("token")) == (2, 2)


def test_a_second_refusal_is_final(client: ClarusClient, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("graphql", status=401, body={"error": "This user may not."}))
    with pytest.raises(ClarusAuthError, match=r"401: This user may not\..*credentials"):
        client.graphql(READS)
    assert (sandbox.count("graphql"), sandbox.count("token")) == (2, 2)


@pytest.mark.usefixtures("no_pauses")
def test_an_error_in_a_200_is_an_error(client: ClarusClient, sandbox: Sandbox) -> None:
    with pytest.raises(ClarusRejectedError, match="GraphQL says: Cannot query field 'invoices'"):
        client.graphql("{ invoices }")
    assert sandbox.count("graphql") == 1
    partial = {"data": {"documents": None}, "errors": [{"message": "It broke."}]}
    sandbox.inject(Fault("graphql", status=200, body=partial, times=1))
    assert client.graphql(READS)
    sandbox.inject(Fault("graphql", status=200, body=partial))
    with pytest.raises(ClarusTransientError, match="It broke"):
        client.graphql(READS)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": None},
        {"data": {"documents": None}},
        {"data": {"documents": {"all": {"edges": [None], "pageInfo": {}}}}},
        {"data": {"documents": {"all": {"edges": [{"node": {"id": "x", "status": "y"}}], "pageInfo": {}}}}},
    ],
)
def test_an_answer_of_another_shape_is_shown(connect: Connect, sandbox: Sandbox, answer: Any) -> None:
    sandbox.inject(Fault("graphql", status=200, body=answer))
    with pytest.raises(ClarusTransientError, match="has not the documented shape: "):
        connect(attempts=1).get_document(1)


def test_ids_are_asked_for_by_the_hundred(client: ClarusClient, sandbox: Sandbox) -> None:
    ids = sandbox.add_documents(2 * PAGE_SIZE + 1, 7)
    found = client.get_documents([*ids, ids[0], 10_000])
    assert sorted(found) == ids
    assert sandbox.count("graphql") == 3


def test_no_ids_are_no_request(client: ClarusClient, sandbox: Sandbox) -> None:
    assert client.get_documents([]) == {}
    assert not sandbox.requests


def test_a_cursor_that_stands_still_ends_the_reading(client: ClarusClient, sandbox: Sandbox) -> None:
    page: dict[str, Any] = {"edges": [], "pageInfo": {"hasNextPage": True, "endCursor": "x"}}
    sandbox.inject(Fault("graphql", status=200, body={"data": {"documents": {"all": page}}}))
    assert client.get_documents([1]) == {}
    assert sandbox.count("graphql") == 2


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("available", DocumentStatus.AVAILABLE),
        ("AVAILABLE", DocumentStatus.AVAILABLE),
        ("completed", DocumentStatus.AVAILABLE),
        ("failed", DocumentStatus.FAILED),
        ("archived", DocumentStatus.UNKNOWN),
    ],
)
def test_the_servers_words_are_understood(
    client: ClarusClient, sandbox: Sandbox, outcome: str, status: DocumentStatus
) -> None:
    sandbox.add_report(Report(8, seconds=0, outcome=outcome))
    (document_id,) = sandbox.add_documents(1, 8)
    document = client.get_document(document_id)
    assert document
    assert document.status is status


def test_a_document_that_the_replica_does_not_show_is_none(client: ClarusClient, sandbox: Sandbox) -> None:
    sandbox.add_report(Report(8, seconds=0, replica_lag=math.inf))
    assert client.get_document(client.generate_report(8).id) is None


def test_a_document_that_spoils_its_requests_is_told_from_the_others(
    connect: Connect, sandbox: Sandbox
) -> None:
    client = connect(attempts=1)
    poisoned, healthy = sandbox.add_documents(2, 7)
    sandbox.documents[poisoned].poisoned = True
    with pytest.raises(ClarusTransientError, match=f"Document {poisoned} could not be read"):
        client.get_documents([poisoned, healthy])
    assert client.get_document(healthy)
    assert client.has_id_filter


def test_a_server_that_refuses_every_filter_is_out_of_order(connect: Connect, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("graphql", status=200, body={"errors": [{"message": "Something went wrong"}]}))
    with pytest.raises(ClarusTransientError, match="Something went wrong"):
        connect(attempts=1).get_document(1)


@pytest.fixture
def unfiltered(connect: Connect) -> Any:
    """A sandbox without a filter for ids, with three pages of unfinished reports, and a client of it."""
    reports = [
        Report(7, seconds=math.inf),
        Report(8, seconds=0),
        Report(9, seconds=0, outcome="failed"),
        Report(10, seconds=0, owner="someone-else"),
        Report(11, seconds=0, outcome="failed", owner="someone-else"),
    ]
    with Sandbox(reports, id_filter=False) as sandbox:
        yield sandbox, connect(sandbox)


def test_without_a_filter_for_ids_the_documented_ones_do(
    unfiltered: tuple[Sandbox, ClarusClient],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox, client = unfiltered
    *_, processing = sandbox.add_documents(2 * PAGE_SIZE + 1, 7)
    added = [sandbox.add_documents(1, report_id)[0] for report_id in (8, 9, 10, 11)]
    available, failed, foreign, foreign_failed = added
    now = time.monotonic()
    with caplog.at_level(logging.WARNING):
        for seconds in (0, 30, 61):
            monkeypatch.setattr(client.documents, "_clock", lambda at=now + seconds: at)
            found = client.get_documents([processing, *added, 10_000])
    assert found.pop(processing).status in (DocumentStatus.QUEUED, DocumentStatus.PROCESSING)
    assert {document_id: document.status.value for document_id, document in found.items()} == {
        available: "available",
        failed: "failed",
        foreign: "available",
        foreign_failed: "failed",
    }
    assert caplog.text.count("It takes no filter for ids") == 1


def test_without_a_filter_for_ids_a_file_that_is_refused_once_tells_nothing(
    unfiltered: tuple[Sandbox, ClarusClient],
) -> None:
    """The document may be out of the replica's sight, or gone."""
    sandbox, client = unfiltered
    [available] = sandbox.add_documents(1, 8)
    refused = {"errors": [{"code": 1, "symbol": "forbidden", "details": "Not yours."}]}
    sandbox.inject(Fault("download", status=403, body=refused, times=4))
    statuses = [client.get_documents([number])[number].status.value for number in [9_999] * 3 + [available]]
    assert statuses == ["unknown"] * 4
    assert client.get_documents([9_999]) == {}


def test_without_a_filter_for_ids_a_download_that_is_refused_for_now_means_not_yet(
    unfiltered: tuple[Sandbox, ClarusClient],
) -> None:
    sandbox, client = unfiltered
    [available] = sandbox.add_documents(1, 8)
    refused = {"errors": [{"code": 1, "symbol": "invalid", "details": "Not yet."}]}
    sandbox.inject(Fault("download", status=422, body=refused, times=1))
    assert client.get_documents([available]) == {}
    sandbox.inject(Fault("download", status=404, body=HTML_ERROR, times=1))
    assert client.get_documents([available])[available].status is DocumentStatus.UNKNOWN
    assert client.get_documents([available])[available].status is DocumentStatus.AVAILABLE


@pytest.mark.parametrize("path", ["@evil.example/x", ".evil.example/x", "reports/7", ""])
def test_a_path_cannot_lead_to_another_host(client: ClarusClient, sandbox: Sandbox, path: str) -> None:
    with pytest.raises(ClarusInputError, match="must begin with '/'"):
        client.run("GET", path)
    assert not sandbox.requests


def test_a_download_url_is_on_another_origin(client: ClarusClient, sandbox: Sandbox, document: int) -> None:
    assert client.get_download_url(document).startswith(sandbox.files_url)


def test_a_download_without_a_url_shows_no_answer(connect: Connect, sandbox: Sandbox, document: int) -> None:
    sandbox.inject(Fault("download", status=200, body={"location": "https://x?X-Amz-Signature=s3cret"}))
    with pytest.raises(ClarusTransientError, match="documented shape") as raised:
        connect(attempts=1).get_download_url(document)
    assert "s3cret" not in str(raised.value)


def test_what_is_not_there_or_not_ours_is_said(client: ClarusClient, sandbox: Sandbox) -> None:
    sandbox.add_report(Report(8, owner="someone-else"))
    with pytest.raises(ClarusForbiddenError, match=r"report 8 in tenant 'acme'.*Only its owner"):
        client.generate_report(8)
    with pytest.raises(ClarusNotFoundError, match=r"report 9 in tenant 'acme'.*There is no report 9"):
        client.generate_report(9)
    with pytest.raises(ClarusNotFoundError, match=r"document 5 in tenant 'acme'.*There is no document 5"):
        client.get_download_url(5)
    assert (sandbox.count("generate"), sandbox.count("download")) == (2, 1)


def test_any_other_call_is_made_as_it_is_given(client: ClarusClient, sandbox: Sandbox, document: int) -> None:
    answer = client.run("get", f"/api/documents/{document}/download")
    assert answer["url"].startswith(sandbox.files_url)
    sandbox.inject(Fault("generate", status=500))
    with pytest.raises(ClarusTransientError, match="POST /api/reports/7/generate in tenant 'acme'"):
        client.run("POST", "/api/reports/7/generate", {})
    assert sandbox.count("generate") == 1
