# SPDX-License-Identifier: Apache-2.0
"""Explain an HTTP answer that is not a success: the server's words, and which error they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from airflow_provider_clarus.exceptions import ClarusError, ClarusRejectedError, ClarusTransientError
from airflow_provider_clarus.policy.answers import Call, Row, Said, is_invalid_query, is_own_error, row_of

#: Characters of a server's words that a message shows.
WORDS_LIMIT = 500
#: Seconds: no server is left alone for longer, whatever it says.
LONGEST_RETRY_AFTER = 3600.0


def error_for(response: requests.Response, doing: str, call: Call = Call.OTHER) -> ClarusError:
    """Return the error that an unsuccessful response is.

    :param response: with a status of 300 or more
    :param doing: what was asked for, with its report or document and tenant, such as
        ``generate report 7 in tenant 'acme'``
    :param call: the same, as the policy knows it
    """
    status, answer = response.status_code, _parsed(response)
    row = row_of(call, status, _said(call, status, answer))
    said = f"Could not {doing}: Clarus answered {status}: {server_words(response.content).rstrip('.')}."
    facts = {**_programmatic(answer), **_pause(row, response)}
    return row.error(
        f"{said} {row.remedy}".rstrip(), status=status, may_have_acted=row.may_have_acted, **facts
    )


class GraphQLTroubleError(ClarusTransientError):
    """GraphQL has answered, with ``errors`` that do not find the query invalid."""


#: GraphQL has answered, and refused the question. A way of asking may be to blame: its words may be redacted.
REFUSALS = (ClarusRejectedError, GraphQLTroubleError)


def graphql_error(answer: Mapping[str, Any], doing: str) -> ClarusError:
    """Return the error that an answer with ``errors`` is, although its status is 200.

    :param answer: the parsed body
    """
    row = row_of(Call.READ, 200, Said.INVALID if is_invalid_query(answer) else Said.ERRORS)
    error_class = GraphQLTroubleError if row.error is ClarusTransientError else row.error
    said = f"Could not {doing}: GraphQL says: {described(answer)}"
    return error_class(said, status=200, may_have_acted=row.may_have_acted, **_programmatic(answer))


def _parsed(response: requests.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _said(call: Call, status: int, answer: Any) -> Said:
    if is_own_error(call, status, answer):
        return Said.OWN
    return Said.INVALID if call is Call.READ and is_invalid_query(answer) else Said.FOREIGN


def _pause(row: Row, response: requests.Response) -> dict[str, Any]:
    if row.error is not ClarusTransientError:
        return {}
    return {"retry_after": retry_after(response.headers, datetime.now(timezone.utc))}


def json_of(response: requests.Response, doing: str) -> Any:
    """Return the JSON of a successful response; before it there may be a byte order mark.

    :raises ClarusTransientError: when it has none
    """
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        raise ClarusTransientError(
            f"Could not {doing}: the answer is not JSON: {server_words(response.content)}",
            status=response.status_code,
        ) from None


def content_of(response: requests.Response) -> Any:
    """Return what a successful response brings: JSON, ``None`` without a body, or else its bytes.

    109 of the API's operations answer 204, labels answer a PDF, an export answers CSV (API reference).
    """
    if not response.content:
        return None
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        return response.content
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return response.content


def _programmatic(answer: Any) -> dict[str, Any]:
    """Return ``code`` and ``symbol`` of the first error, "for programmatic handling" (API page "Errors").

    GraphQL's errors have theirs under ``extensions`` (GraphQL specification, 7.1.2).
    """
    try:
        error = answer["errors"][0]
        told = {**(error.get("extensions") or {}), **error}
    except (TypeError, KeyError, IndexError, AttributeError):
        return {}
    return {name: told[name] for name in ("code", "symbol") if isinstance(told.get(name), str | int)}


def server_words(body: bytes) -> str:
    """Return what the server said, for a person: its ``errors``, its ``error``, or the start of the body."""
    text = body[: 16 * WORDS_LIMIT].decode("utf-8", "replace")
    try:
        words = documented_words(json.loads(body))
    except (ValueError, RecursionError):
        words = None
    words = words or re.sub(r"<(script|style).*?</\1>|<[^<>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    return shortened(words) or "(an empty body)"


def described(answer: Any) -> str:
    """Return the same of an answer that is parsed already; the start of it all, where it says nothing."""
    try:
        return shortened(documented_words(answer) or str(answer))
    except (ValueError, RecursionError):
        return "(what cannot be shown)"


@contextmanager
def documented_shape(doing: str, answer: Any) -> Iterator[None]:
    """Let the parsing of an answer inside fail as what it is: an answer that made no sense.

    :raises ClarusTransientError: with ``answer`` in its message
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ClarusTransientError(
            f"Could not {doing}: the answer has not the documented shape: {described(answer)}"
        ) from None


def without_query(text: str) -> str:
    """Cut the query string of every URL or path in ``text``: that of a presigned URL is a secret."""
    return re.sub(r"\?[^\s'\"<>]+", "?…", text)


def shortened(text: str) -> str:
    """Return what a message shows of a text: one line, of bounded length, without query strings."""
    words = without_query(" ".join(text[: 16 * WORDS_LIMIT].split()))
    return words[:WORDS_LIMIT] + "…" if len(words) > WORDS_LIMIT else words


def documented_words(answer: Any) -> str | None:
    """Return what an answer says where the API puts its errors, ``None`` where it says nothing there.

    REST says ``errors[].details``, GraphQL ``errors[].message``, a 401 ``error``, and OAuth also
    ``error_description``.
    """
    if not isinstance(answer, dict):
        return None
    errors = answer.get("errors")
    if isinstance(errors, list):
        words = [error.get("details") or error.get("message") for error in errors if isinstance(error, dict)]
        return "; ".join(str(word) for word in words if word) or None
    return ": ".join(str(answer[key]) for key in ("error", "error_description") if answer.get(key)) or None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, as a number or as an HTTP date; an hour at most."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        seconds = (parsedate_to_datetime(value) - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER)
