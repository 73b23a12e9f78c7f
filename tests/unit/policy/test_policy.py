# SPDX-License-Identifier: Apache-2.0
"""The policy's table, row by row, and what becomes of a series."""

from __future__ import annotations

import itertools
import ssl
from typing import Any

import pytest
import requests

from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusConfigError,
    ClarusError,
    ClarusForbiddenError,
    ClarusInputError,
    ClarusNotFoundError,
    ClarusPermanentError,
    ClarusRejectedError,
    ClarusReportFailedError,
    ClarusTransientError,
)
from airflow_provider_clarus.policy.answers import (
    READS,
    TABLE,
    Call,
    Refuses,
    Row,
    Said,
    causes,
    is_invalid_query,
    is_own_error,
    is_untrusted,
    row_of,
    row_of_token,
)
from airflow_provider_clarus.policy.patience import PATIENCE, Trouble, Verdict
from tests.failures_table import PAGE, page

FINAL = {Refuses.SUBJECT: Verdict.DOCUMENT_FAILED}
each_row = pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.statuses or '-'} {row.said[0].name}")


def series(call: Call, error: ClarusError, count: int, seconds: float, **known: Any) -> list[Verdict]:
    """What is said of an error that is met so often, evenly over so many seconds."""
    trouble = Trouble(call, **known)
    return [trouble.failed(error, 1000 + seconds * look / max(1, count - 1)) for look in range(count)]


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text() == page(), "run python -m tests.failures_table"


@each_row
def test_a_row_is_reached(row: Row) -> None:
    statuses: list[int | None] = [None, 200, *range(300, 600)]
    answers = itertools.product(row.calls, statuses, row.said)
    if not any(row_of(*answer) is row for answer in answers):
        assert row is TABLE[-1]


@pytest.mark.parametrize("call", Call)
@pytest.mark.parametrize("said", Said)
def test_whatever_is_answered_has_a_row(call: Call, said: Said) -> None:
    for status in (None, *range(1000)):
        assert row_of(call, status, said)


@each_row
@pytest.mark.parametrize("call", READS)
def test_what_is_read_is_final_only_when_it_stays(row: Row, call: Call) -> None:
    if call not in row.calls:
        return
    error = row.error("No.", status=403)
    if row.refuses is Refuses.NOTHING:
        assert set(series(call, error, 1000, 100_000)) == {Verdict.GO_ON}
        return
    patience = PATIENCE[row.refuses]
    assert not any(verdict.is_final for verdict in series(call, error, 1000, patience.seconds - 1))
    assert not any(verdict.is_final for verdict in series(call, error, patience.looks - 1, 100_000))
    *before, last = series(call, error, patience.looks, patience.seconds)
    assert not any(verdict.is_final for verdict in before)
    assert last is FINAL.get(row.refuses, Verdict.CONNECTION_FAILED)


@each_row
@pytest.mark.parametrize("call", [Call.GENERATE, Call.OTHER])
def test_one_answer_decides_what_is_not_asked_twice(row: Row, call: Call) -> None:
    if call in row.calls:
        (verdict,) = series(call, row.error("No."), 1, 0)
        assert verdict.is_final == (row.refuses is not Refuses.NOTHING)


@pytest.mark.parametrize("call", Call)
@pytest.mark.parametrize(
    "status", [301, 302, 307, 408, 409, 421, 423, 425, 429, 499, 500, 502, 503, 504, 599]
)
@pytest.mark.parametrize("said", [Said.OWN, Said.FOREIGN])
def test_some_statuses_say_later_whoever_says_so(call: Call, status: int, said: Said) -> None:
    assert row_of(call, status, said).error is ClarusTransientError


@pytest.mark.parametrize("call", Call)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422, 451])
def test_a_refusal_that_clarus_has_not_written_is_none(call: Call, status: int) -> None:
    row = row_of(call, status, Said.FOREIGN)
    assert (row.error, row.may_have_acted) == (ClarusTransientError, False)
    assert issubclass(row_of(call, status, Said.OWN).error, ClarusPermanentError)


@pytest.mark.parametrize("call", Call)
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (None, Said.NOTHING),
        (200, Said.NONSENSE),
        *((status, said) for status in (408, 499, 500, 503, 504) for said in (Said.OWN, Said.FOREIGN)),
    ],
)
def test_what_may_have_been_done_is_not_told_as_undone(call: Call, status: int | None, said: Said) -> None:
    row = row_of(call, status, said)
    assert (row.error, row.may_have_acted) == (ClarusTransientError, True)


def test_only_the_call_that_generates_speaks_of_the_reports_owner() -> None:
    assert [row.calls for row in TABLE if "owner may generate" in row.remedy] == [(Call.GENERATE,)]


REFUSED = ClarusForbiddenError("Could not read: Clarus answered 403: No.", status=403)
LATER = ClarusTransientError("Could not read: Clarus answered 503.", status=503)


@pytest.mark.parametrize("between", ["a success", "not now"])
def test_what_comes_between_begins_the_count_anew(between: str) -> None:
    trouble = Trouble(Call.READ)
    for now in (0.0, 60.0, 119.0):
        assert trouble.failed(REFUSED, now) is Verdict.GO_ON
    if between == "a success":
        trouble.worked()
    else:
        assert trouble.failed(LATER, 120.0) is Verdict.GO_ON
    for now in (121.0, 180.0, 240.0):
        assert trouble.failed(REFUSED, now) is Verdict.GO_ON
    assert trouble.failed(REFUSED, 241.0) is Verdict.CONNECTION_FAILED


def test_what_is_final_says_what_was_seen_how_often_and_for_how_long() -> None:
    trouble = Trouble(Call.READ)
    for now in (0.0, 60.0, 130.0):
        trouble.failed(REFUSED, now)
    assert (
        str(trouble.final())
        == f"{REFUSED} That was the answer 3 times in a row, for 130 s, and nothing else."
    )
    assert trouble.final().status == 403
    assert trouble.final() is not trouble.final()
    trouble.worked()
    for now in (200.0, 300.0, 330.0):
        trouble.failed(REFUSED, now)
    assert str(trouble.final()).endswith("for 130 s, since it last worked.")


def test_what_is_final_at_once_says_nothing_of_a_row() -> None:
    trouble = Trouble(Call.GENERATE)
    assert trouble.failed(REFUSED, 0.0).is_final
    assert str(trouble.final()) == str(REFUSED)


def test_causes_that_lead_back_to_themselves_come_to_an_end() -> None:
    error, cause = ValueError("x"), ValueError("y")
    error.__cause__, cause.__cause__ = cause, error
    assert list(itertools.islice(causes(error), 10)) == [error, cause]


def test_a_clock_that_goes_back_ends_nothing_early() -> None:
    trouble = Trouble(Call.READ)
    verdicts = [trouble.failed(REFUSED, now) for now in (1000.0, 1010.0, 500.0, 510.0, 619.0, 620.0)]
    assert [verdict.is_final for verdict in verdicts] == [False] * 5 + [True]


def test_a_query_that_is_refused_is_asked_differently_until_that_is_refused_too() -> None:
    *before, last = series(Call.READ, ClarusRejectedError("No such field."), 5, 120)
    assert set(before) == {Verdict.ASK_DIFFERENTLY}
    assert last is Verdict.CONNECTION_FAILED


@pytest.mark.parametrize(
    "error",
    [ClarusInputError("id is 'x'"), ClarusReportFailedError("failed"), ClarusNotFoundError("no such name")],
)
def test_what_no_time_can_change_is_final_at_once(error: ClarusError) -> None:
    assert series(Call.READ, error, 1, 0) == [Verdict.DOCUMENT_FAILED]


def untrusted(layers: int) -> BaseException:
    """An error of the TLS library, wrapped as requests and urllib3 do."""
    error: BaseException = ssl.SSLCertVerificationError("certificate verify failed")
    for _ in range(layers):
        error = requests.exceptions.SSLError(error)
    return error


def of_certificate() -> ClarusConfigError:
    try:
        raise untrusted(2)
    except requests.RequestException:
        try:
            raise ClarusConfigError("certificate verify failed") from None
        except ClarusConfigError as error:
            return error


def test_a_certificate_is_known_by_its_class() -> None:
    assert is_untrusted(untrusted(3))
    assert is_untrusted(of_certificate())
    assert not is_untrusted(requests.ConnectionError("certificate.example: name not known"))


def test_a_certificate_is_final_only_before_the_first_success() -> None:
    assert series(Call.READ, of_certificate(), 3, 120)[-1] is Verdict.CONNECTION_FAILED
    assert set(series(Call.READ, of_certificate(), 100, 9999, ever_worked=True)) == {Verdict.GO_ON}
    # Another trouble with the connection's settings is no certificate.
    assert series(Call.READ, ClarusConfigError("needs password"), 3, 120, ever_worked=True)[-1].is_final


@pytest.mark.parametrize(
    ("call", "status", "body", "own"),
    [
        (Call.READ, 403, {"errors": [{"code": 1, "symbol": "forbidden", "details": "No."}]}, True),
        (Call.READ, 401, {"error": "The token is revoked."}, True),
        (Call.READ, 403, {"error": "Forbidden"}, False),
        (Call.READ, 404, {"status": 404, "error": "Not Found"}, False),
        (Call.READ, 403, {"message": "Forbidden"}, False),
        (Call.READ, 404, {"errors": []}, False),
        (Call.READ, 404, {"errors": ["no"]}, False),
        (Call.READ, 404, {"errors": [{"message": "no"}]}, False),
        (Call.READ, 404, [1], False),
        (Call.TOKEN, 400, {"error": "invalid_grant"}, True),
        (Call.TOKEN, 400, {"message": "bad"}, False),
        (Call.READ, 403, {"errors": [{"code": 1403}, "a proxy's"]}, False),
    ],
)
def test_clarus_own_errors_have_the_documented_form(call: Call, status: int, body: Any, own: bool) -> None:
    assert is_own_error(call, status, body) is own


@pytest.mark.parametrize("status", [200, 400, 401, 503])
@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable", "slow_down", None, {}])
def test_a_token_endpoint_in_trouble_refuses_nobody(status: int, error: Any) -> None:
    assert row_of_token(status, {"error": error}).error is ClarusTransientError


@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_token_endpoint_refuses_with_a_success_too(status: int) -> None:
    assert row_of_token(status, {"error": "invalid_client"}).error is ClarusAuthError


AT = [{"line": 3, "column": 5}]


@pytest.mark.parametrize(
    ("answer", "invalid"),
    [
        ({"errors": [{"message": "Cannot query field 'x' on type 'Query'.", "locations": AT}]}, True),
        ({"errors": [{"message": "x", "locations": AT, "path": ["query", "documents", "x"]}]}, True),
        ({"errors": [{"message": "x", "locations": AT, "path": ["query Docs", "x"]}]}, True),
        ({"data": None, "errors": [{"message": "Variable $filter …", "locations": AT}]}, True),
        ({"errors": [{"message": "Internal server error"}]}, False),
        ({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}, False),
        (
            {
                "data": {"documents": None},
                "errors": [{"message": "x", "locations": AT, "path": ["documents"]}],
            },
            False,
        ),
        ({"errors": [{"message": "Timeout", "locations": AT, "path": ["documents"]}]}, False),
        ({"errors": [{"message": "x", "locations": AT}, {"message": "y"}]}, False),
        ({"errors": []}, False),
        ({"errors": [{"locations": AT, "path": "x"}]}, False),
        ({"errors": [{"locations": AT, "path": [0]}]}, False),
        (None, False),
        ({"errors": [{"message": "x", "locations": AT}], "data": {"documents": None}}, False),
        ({"errors": 5}, False),
    ],
)
def test_a_query_is_invalid_by_what_errors_point_to(answer: Any, invalid: bool) -> None:
    assert is_invalid_query(answer) is invalid
