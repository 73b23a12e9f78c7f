# SPDX-License-Identifier: Apache-2.0
"""The policy at work: what one answer, and a series of them, does to a wait in a worker and to landing."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus.exceptions import (
    ClarusError,
    ClarusForbiddenError,
    ClarusNotFoundError,
    ClarusRejectedError,
    ClarusTimeoutError,
    ClarusTransientError,
)
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting.wait import Wait
from tests.integration.tasks import context

OWN = {
    "errors": [{"code": 1403, "symbol": "forbidden", "details": "Not you.", "source": None, "context": {}}]
}
INVALID = {
    "errors": [{"message": "Field 'file_type' doesn't exist", "locations": [{"line": 5, "column": 20}]}]
}
#: What ended a wait for good on commit b22d5bc, by one answer.
PASSING = {
    "Internal server error": {"status": 200, "body": {"errors": [{"message": "Internal server error"}]}},
    "Timeout": {
        "status": 200,
        "body": {
            "data": {"documents": None},
            "errors": [
                {
                    "message": "Timeout on Query.documents",
                    "locations": [{"line": 3, "column": 3}],
                    "path": ["documents"],
                }
            ],
        },
    },
    "Throttled": {"status": 200, "body": {"errors": [{"message": "Throttled"}]}},
    **{
        str(status): {"status": status, "body": HTML_ERROR}
        for status in (302, 307, 400, 401, 403, 404, 408, 409, 421, 423, 425, 499)
    },
    "403 of a proxy in JSON": {"status": 403, "body": {"message": "Forbidden"}},
    "403 of Clarus": {"status": 403, "body": OWN},
    "404 of Clarus": {"status": 404, "body": OWN},
    "an invalid query": {"status": 200, "body": INVALID},
}
REFUSALS = ("403 of Clarus", "404 of Clarus", "an invalid query")
each_answer = pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)


@pytest.fixture
def wait(clarus_default: Sandbox, clock: Any) -> Callable[..., Wait]:
    """A wait for a document that is available, or not."""

    def wait(seconds: float = 0, timeout: float = 3600) -> Wait:
        clarus_default.add_report(Report(8, seconds=seconds))
        [document_id] = clarus_default.add_documents(1, 8)
        return Wait(ClarusHook(), document_id, interval=10, timeout=timeout)

    return wait


@each_answer
def test_one_answer_ends_no_wait(clarus_default: Sandbox, wait: Callable[..., Wait], answer: Any) -> None:
    clarus_default.inject(Fault("graphql", **answer, times=1))
    assert wait().block().file_name
    assert clarus_default.count("graphql") <= 5


@each_answer
def test_nor_does_the_same_at_every_second_look(
    clarus_default: Sandbox, wait: Callable[..., Wait], clock: Any, answer: Any
) -> None:
    waited_for = wait(seconds=math.inf)
    for look in range(30):
        clarus_default.clear_faults()
        if look % 2 == 0:
            clarus_default.inject(Fault("graphql", **answer))
        assert waited_for.look() is None
        clock.now += 10
    clarus_default.documents[waited_for.document_id].seconds = 0
    assert waited_for.block().file_name


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(PASSING.keys() - REFUSALS))
def test_what_says_later_is_waited_out_until_the_deadline(
    clarus_default: Sandbox, wait: Callable[..., Wait], name: str
) -> None:
    clarus_default.inject(Fault("graphql", **PASSING[name]))
    with pytest.raises(ClarusTimeoutError, match=r"not available after 600 s.*The last look at it failed: "):
        wait(timeout=600).block()


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ("403 of Clarus", ClarusForbiddenError, "403: Not you.*API user may not read this"),
        ("404 of Clarus", ClarusNotFoundError, "404: Not you.*tenant and host"),
        ("an invalid query", ClarusRejectedError, "'file_type' doesn't exist"),
    ],
)
def test_a_refusal_is_final_when_it_stays(
    clarus_default: Sandbox, wait: Callable[..., Wait], clock: Any, answer: str, error: Any, said: str
) -> None:
    began = clock.now
    clarus_default.inject(Fault("graphql", **PASSING[answer]))
    with pytest.raises(error, match=f"{said}.*13 times in a row, for 120 s, and nothing else") as raised:
        wait().block()
    assert clock.now - began == pytest.approx(120)
    assert "owner may generate" not in str(raised.value)


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_refusal_that_is_over_before_is_not(
    clarus_default: Sandbox, wait: Callable[..., Wait], clock: Any, answer: str
) -> None:
    waited_for = wait()
    clarus_default.inject(Fault("graphql", **PASSING[answer]))
    for _ in range(12):
        assert waited_for.look() is None
        clock.now += 10
    clarus_default.clear_faults()
    assert waited_for.block().file_name


def landed(document_id: int, folder: Path) -> Any:
    operator = ClarusDownloadDocumentOperator(
        task_id="download", document_id=document_id, destination=f"file://{folder}/"
    )
    return operator.execute(context())["file_name"]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("endpoint", ["graphql", "download"])
def test_landing_asks_again_what_was_refused_for_a_moment(
    clarus_default: Sandbox, document: int, tmp_path: Path, endpoint: str, status: int
) -> None:
    clarus_default.inject(Fault(endpoint, status=status, body=OWN, times=3))
    assert landed(document, tmp_path) == f"report-7-{document}.csv"


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [(403, ClarusForbiddenError, "permission DocumentsDownload"), (404, ClarusNotFoundError, "deleted")],
)
def test_a_download_that_stays_refused_is_final(
    clarus_default: Sandbox,
    document: int,
    tmp_path: Path,
    clock: Any,
    status: int,
    error: type[ClarusError],
    said: str,
) -> None:
    began = clock.now
    clarus_default.inject(Fault("download", status=status, body=OWN))
    with pytest.raises(error, match=rf"document {document} .*{said}.* 8 times in a row, for 60 s"):
        landed(document, tmp_path)
    assert clock.now - began == pytest.approx(60)
    assert clarus_default.count("download") == 8
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("clock")
def test_a_page_of_a_proxy_never_is(clarus_default: Sandbox, document: int, tmp_path: Path) -> None:
    clarus_default.inject(Fault("download", status=404, body=HTML_ERROR))
    with pytest.raises(ClarusTransientError, match="404: 502 Bad Gateway"):
        landed(document, tmp_path)


def test_a_name_that_is_not_known_is_asked_for_again(
    clarus_default: Sandbox, tmp_path: Path, clock: Any
) -> None:
    """The replica lags by three looks, one of which fails."""
    clarus_default.add_report(Report(8, seconds=0, replica_lag=math.inf))
    [document_id] = clarus_default.add_documents(1, 8)
    report = clarus_default.documents[document_id].report

    def catch_up() -> None:
        object.__setattr__(report, "replica_lag", 0)

    clarus_default.inject(Fault("graphql", before=lambda: None, times=2))
    clarus_default.inject(Fault("graphql", status=403, body=OWN, times=1))
    clarus_default.inject(Fault("graphql", before=catch_up, times=1))
    began = clock.now
    assert landed(document_id, tmp_path) == f"report-8-{document_id}.csv"
    assert (tmp_path / f"report-8-{document_id}.csv").exists()
    assert clock.now - began == 3
    assert clarus_default.count("graphql") == 4


def test_a_name_that_nobody_tells_is_a_number_at_last(
    clarus_default: Sandbox, tmp_path: Path, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    clarus_default.add_report(Report(8, seconds=0, replica_lag=math.inf))
    [document_id] = clarus_default.add_documents(1, 8)
    began = clock.now
    assert landed(document_id, tmp_path) == f"document-{document_id}"
    assert clock.now - began == 60
    assert "it lands under its number" in caplog.text
