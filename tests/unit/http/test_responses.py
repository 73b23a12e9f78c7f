# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
import requests

from airflow_provider_clarus import exceptions
from airflow_provider_clarus.http.responses import (
    WORDS_LIMIT,
    content_of,
    error_for,
    retry_after,
    server_words,
)
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.sandbox.faults import HTML_ERROR

NOW = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)


def response(status: int, body: bytes = b"{}", **headers: str) -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer._content = body
    answer.headers.update(headers)
    return answer


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"errors": [{"code": 1, "symbol": "x", "details": "Not yours.", "context": {}}]}, "Not yours."),
        ({"errors": [{"details": "One."}, {"details": "Two."}]}, "One.; Two."),
        ({"errors": [{"message": "Field 'x' doesn't exist"}]}, "Field 'x' doesn't exist"),
        ({"error": "The access token is revoked."}, "The access token is revoked."),
        ({"error": "invalid_scope", "error_description": "No such scope."}, "invalid_scope: No such scope."),
        ({"errors": []}, '{"errors": []}'),
        ({"errors": ["bad"]}, '{"errors": ["bad"]}'),
        ({"errors": [{"details": None}]}, '{"errors": [{"details": null}]}'),
        ([1, 2], "[1, 2]"),
    ],
)
def test_the_servers_words_are_found_where_the_api_puts_them(body: Any, words: str) -> None:
    assert server_words(json.dumps(body).encode()) == words


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000], ids=["cut off", "too deep"])
def test_what_is_no_json_whatever_it_is_called_comes_as_it_is(body: bytes) -> None:
    assert content_of(response(200, body, **{"Content-Type": "application/json"})) == body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (HTML_ERROR.encode(), "502 Bad Gateway 502 Bad Gateway nginx"),
        (b"<style>p { color: red }</style><p>Sorry</p><script>alert('<p>')</script>", "Sorry"),
        (b"<STYLE>p {\n}</STYLE>\n<p>Sorry</p>", "Sorry"),
        (b"plain\n\n  text", "plain text"),
        (b"", "(an empty body)"),
        (b"<html></html>", "(an empty body)"),
        (b"caf\xe9", "caf�"),
        pytest.param(b"[" * 100_000, "[" * WORDS_LIMIT + "…", id="unclosed"),
        pytest.param(b"x" * 10_000_000, "x" * WORDS_LIMIT + "…", id="10 MB"),
    ],
)
def test_other_bodies_are_shown_from_their_start_without_markup(body: bytes, words: str) -> None:
    assert server_words(body) == words


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (302, exceptions.ClarusTransientError),
        (408, exceptions.ClarusTransientError),
        (400, exceptions.ClarusRejectedError),
        (401, exceptions.ClarusAuthError),
        (403, exceptions.ClarusForbiddenError),
        (404, exceptions.ClarusNotFoundError),
        (422, exceptions.ClarusRejectedError),
        (429, exceptions.ClarusTransientError),
        (500, exceptions.ClarusTransientError),
        (503, exceptions.ClarusTransientError),
    ],
)
def test_a_status_is_an_error_that_says_what_a_retry_can_do(
    status: int, error_class: type[exceptions.ClarusError]
) -> None:
    body = b'{"errors": [{"details": "No."}]}'
    error = error_for(response(status, body), "generate report 7", Call.GENERATE)
    assert type(error) is error_class
    assert str(error).startswith(f"Could not generate report 7: Clarus answered {status}: No.")


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (Call.GENERATE, "Only a report's owner may generate it"),
        (Call.READ, "The API user may not read this"),
        (Call.DOWNLOAD, "the permission DocumentsDownload"),
        (Call.OTHER, "The API user may not do this"),
        (Call.TOKEN, "client secret"),
    ],
)
def test_a_remedy_fits_the_call(call: Call, remedy: str) -> None:
    body = b'{"errors": [{"symbol": "forbidden", "details": "No."}]}'
    error = error_for(response(403, body), "ask", call)
    assert remedy in str(error)
    assert ("owner may generate" in str(error)) == (call is Call.GENERATE)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
@pytest.mark.parametrize("body", [HTML_ERROR.encode(), b"", b'{"message": "Forbidden"}', b'{"errors": []}'])
@pytest.mark.parametrize("call", Call)
def test_a_refusal_that_clarus_has_not_written_may_pass(call: Call, body: bytes, status: int) -> None:
    error = error_for(response(status, body), "ask", call)
    assert type(error) is exceptions.ClarusTransientError
    assert not error.may_have_acted


@pytest.mark.parametrize(("status", "may_have_acted"), [(429, False), (503, True), (500, True), (504, True)])
def test_only_some_statuses_say_that_nothing_was_done(status: int, may_have_acted: bool) -> None:
    error = error_for(response(status, **{"Retry-After": "3"}), "generate report 7")
    assert isinstance(error, exceptions.ClarusTransientError)
    assert error.may_have_acted is may_have_acted
    assert error.retry_after == 3.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Wed, 01 May 2024 12:00:30 GMT", 30.0),
        ("Wed, 01 May 2024 11:00:00 GMT", 0.0),
        ("3601", 3600.0),
        ("9" * 400, 3600.0),
        ("Thu, 02 May 2024 12:00:00 GMT", 3600.0),
        ("Wed, 01 May 2024 12:00:30 -0000", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}, NOW) == seconds


def test_no_retry_after_asks_for_nothing() -> None:
    assert retry_after({}, NOW) is None
