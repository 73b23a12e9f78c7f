# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time

import pytest
import requests

from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

from .caller import Caller

BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def test_status_and_headers_so_many_times(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.inject(Fault("graphql", status=429, headers={"Retry-After": "1"}, times=2))
    answers = [caller.graphql() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1"


def test_fault_stays_until_it_is_cleared(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.inject(Fault("graphql", status=503))
    assert {caller.graphql().status_code for _ in range(3)} == {503}
    assert caller.generate().status_code == 200
    sandbox.clear_faults()
    assert caller.graphql().status_code == 200


def test_fault_ends_after_so_many_seconds(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.inject(Fault("graphql", status=503, for_seconds=0.3))
    assert caller.graphql().status_code == 503
    time.sleep(0.3)
    assert caller.graphql().status_code == 200


def test_html_and_json_bodies(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.inject(Fault("download", status=502, body=HTML_ERROR, times=1))
    sandbox.inject(Fault("download", status=200, body={"url": "file:///etc/passwd"}, times=1))
    html = caller.download(1)
    assert (html.status_code, html.headers["Content-Type"], html.text) == (502, "text/html", HTML_ERROR)
    assert caller.download(1).json() == {"url": "file:///etc/passwd"}


def test_connection_reset(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.inject(Fault("generate", reset=True, times=1))
    with pytest.raises(requests.ConnectionError, match="reset"):
        caller.generate()
    assert not sandbox.documents
    assert sandbox.requests[-1].status == 0


@pytest.mark.parametrize("fault", [Fault("generate", acts=True), Fault("generate", acts=True, delay=60)])
def test_generate_acts_but_never_answers(sandbox: Sandbox, caller: Caller, fault: Fault) -> None:
    sandbox.inject(fault)
    with pytest.raises((requests.ConnectionError, requests.Timeout)):
        caller.post(f"{sandbox.url}/api/reports/7/generate", timeout=0.3)
    assert list(sandbox.documents) == [1]


def test_generate_acts_but_says_gateway_timeout(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.inject(Fault("generate", acts=True, status=504, body=HTML_ERROR))
    assert caller.generate().status_code == 504
    assert list(sandbox.documents) == [1]


def test_slow_answer(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.inject(Fault("graphql", delay=0.2))
    start = time.monotonic()
    assert caller.graphql().status_code == 200
    assert time.monotonic() - start > 0.2


def test_something_happens_before_the_answer(sandbox: Sandbox, caller: Caller, document: int) -> None:
    url = caller.file_url(document)
    sandbox.inject(Fault("file", before=sandbox.documents[document].change_content, times=1))
    sandbox.inject(Fault("graphql", before=sandbox.revoke_tokens, times=1))
    assert requests.get(url, timeout=5).text.splitlines()[1].split(",")[4] == "2"
    assert caller.graphql().status_code == 401


def test_fault_can_be_for_one_tenant_or_document_only() -> None:
    reports = [Report(id=7, seconds=0)]
    with Sandbox(reports, tenants=("acme", "other")) as sandbox, Caller(sandbox) as caller:
        sandbox.add_documents(2, 7)
        sandbox.inject(Fault("graphql", status=500, document_id=2))
        sandbox.inject(Fault("download", status=500, document_id=2))
        sandbox.inject(Fault("graphql", status=503, tenant="other"))
        asked = [["1"], ["1", "2"]]
        assert [caller.graphql(filter={"id": {"in": ids}}).status_code for ids in asked] == [200, 500]
        assert [caller.download(number).status_code for number in (1, 2)] == [200, 500]
        caller.headers["X-Clarus-Subdomain"] = "other"
        assert caller.graphql().status_code == 503


@pytest.mark.parametrize("size", [200, 5_000_000])
def test_body_is_cut_short_of_its_length(sandbox: Sandbox, caller: Caller, size: int) -> None:
    sandbox.add_report(Report(id=8, seconds=0, size=size))
    url = caller.file_url(caller.generated(8))
    sandbox.inject(Fault("file", cut_at=150, times=1))
    with requests.get(url, stream=True, timeout=5) as answer:
        assert answer.headers["Content-Length"] == str(size)
        assert answer.raw.read(150) == requests.get(url, timeout=5).content[:150]
        with pytest.raises(BROKEN):
            next(answer.iter_content(size))


@pytest.mark.parametrize("size", [200, 5_000_000])
def test_body_cut_without_a_length_looks_complete(sandbox: Sandbox, caller: Caller, size: int) -> None:
    sandbox.add_report(Report(id=8, seconds=0, size=size))
    url = caller.file_url(caller.generated(8))
    sandbox.inject(Fault("file", cut_at=150, content_length=False, times=1))
    answer = requests.get(url, timeout=5)
    assert "Content-Length" not in answer.headers
    assert len(answer.content) == 150


def test_whole_body_without_a_length(sandbox: Sandbox, caller: Caller, document: int) -> None:
    sandbox.inject(Fault("file", content_length=False))
    answer = requests.get(caller.file_url(document), timeout=5)
    assert "Content-Length" not in answer.headers
    assert len(answer.text.splitlines()) == 4


def test_cut_answer_of_the_api(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.inject(Fault("graphql", cut_at=5))
    with pytest.raises(BROKEN):
        caller.graphql()


def test_raw_bytes_as_they_are(sandbox: Sandbox, caller: Caller) -> None:
    sandbox.inject(Fault("graphql", raw=b"HTTP/1.1 299 Odd\r\nX-Odd: \xff\r\n\r\n{"))
    answer = caller.graphql()
    assert (answer.status_code, answer.content) == (299, b"{")
