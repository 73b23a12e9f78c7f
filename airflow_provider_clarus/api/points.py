# SPDX-License-Identifier: Apache-2.0
"""Try each point that this package takes a server for, although it is published nowhere, and tell it.

Nothing is told that is a secret, or somebody's: no names, ids, addresses, and no words of the server's but
those that programs read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import requests

from airflow_provider_clarus.api._declarations import declared_variables
from airflow_provider_clarus.api._lists import QUERIES_QUERY, REPORTS_QUERY, REPORTS_WITH_TEXT_QUERY
from airflow_provider_clarus.api.documents import DOCUMENTS_QUERY, FILTERS_QUERY, NOBODY, PAGE_SIZE
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.auth.token_request import request_token
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusError,
    ClarusNotFoundError,
    ClarusRejectedError,
)
from airflow_provider_clarus.http.responses import REFUSALS
from airflow_provider_clarus.http.transport import options
from airflow_provider_clarus.variables.declared import JUDGED

if TYPE_CHECKING:
    from airflow_provider_clarus.api.client import ClarusClient

#: Of a document, besides what a wait asks for.
_ROWS_QUERY = DOCUMENTS_QUERY.replace("file_name file_type", "file_type created_at")
#: No report declares this.
UNDECLARED = "airflow_provider_clarus_check"
#: Seconds within which a new document is to show.
SHOWS_WITHIN = 60.0

_WORD = re.compile(r"[A-Za-z0-9_\[\]!./+ -]{1,40}")
Answer = tuple[str, bool | None]


@dataclass(frozen=True)
class Finding:
    """One point."""

    point: str
    assumed: str
    """What this package takes for granted."""
    found: str
    as_assumed: bool | None
    """``None``: it was not found out."""

    @property
    def verdict(self) -> str:
        """``as assumed``, ``otherwise`` or ``not found out``."""
        return {True: "as assumed", False: "otherwise", None: "not found out"}[self.as_assumed]


def findings(client: ClarusClient, generate: int | None = None) -> Iterator[Finding]:
    """Yield what is found of each point, with one request or two for each.

    :param generate: the id of a report of this user's that may be queued; else everything is only read
    """
    points = _Points(client.once())
    for point, assumed, ask in points.read_only():
        yield points.found(point, assumed, ask)
        if points.shut_out:
            # Whoever goes on asking may be locked out for it.
            yield Finding("all else", "", "not asked for: there is no token that this server takes", None)
            return
    if generate is not None:
        yield points.found("a variable that is not declared", "it is ignored", lambda: points.queue(generate))
        yield points.found("a new document", "a read may not show it at once", points.shows)


class _Points:
    def __init__(self, client: ClarusClient) -> None:
        self._client = client
        settings = client.connection
        mine = {settings.tenant, settings.client_id, urlsplit(settings.base_url).hostname, *settings.secrets}
        self._private = {text.casefold() for text in mine if text}
        self._rows: Sequence[Mapping[str, Any]] = []
        self._queued: int | None = None
        self.shut_out = False

    def read_only(self) -> Iterator[tuple[str, str, Callable[[], Answer]]]:
        """Yield point, assumption, and how it is tried."""
        yield "token answer", "as RFC 6749, with a lifetime", self._token
        yield "a token that is none", "401", self._wrong_token
        yield "a query that is invalid", "status 200 with errors", self._invalid_query
        yield "filters of documents", "id and created_at, as other lists", self._filters
        yield "100 documents by their ids", "one request", self._by_ids
        yield "documents since a time", "filter created_at", self._since
        yield "a page of 200", "100 rows", self._page_cap
        yield "documents", "ids are texts, statuses known", self._documents
        yield "times", "with microseconds", self._times
        yield "a report by its id", "filter id", lambda: self._taken(REPORTS_QUERY, {"id": {"eq": "0"}})
        yield "a query's text below its report", "field graphql", lambda: self._taken(REPORTS_WITH_TEXT_QUERY)
        yield "types of variables", ", ".join(JUDGED), self._types
        yield "download of no document", "404", self._no_download
        yield "a file", "presigned, at Amazon, in parts", self._file

    def _token(self) -> Answer:
        settings = self._client.connection
        if settings.grant_type != "client_credentials":
            return f"not asked for: grant_type is {settings.grant_type}", None
        answer, form = request_token(settings, {"grant_type": "client_credentials", "scope": settings.scope})
        lifetime, scope = answer.get("expires_in"), answer.get("scope")
        said = {None: "not said", settings.scope: "as asked for"}.get(scope, "other than asked for")
        refresh = "with" if answer.get("refresh_token") else "without"
        taken = "in the body" if form == "post" else f"in the header ({form})"
        lasts = lifetime if isinstance(lifetime, int | float) else type(lifetime).__name__
        return (
            f"expires_in {lasts}, scope {said}, {refresh} a refresh token, secret {taken}",
            isinstance(lifetime, int) and lifetime > 0,
        )

    def _wrong_token(self) -> Answer:
        settings = replace(self._client.connection, grant_type="access_token", access_token="none")  # noqa: S106
        with closing(type(self._client)(settings, attempts=1)) as stranger:
            return self._refusal(lambda: stranger.graphql("{ __typename }"), ClarusAuthError, 401)

    def _invalid_query(self) -> Answer:
        return self._refusal(lambda: self._client.graphql("{ no_such_field }"), ClarusRejectedError, 200)

    def _filters(self) -> Answer:
        kind = self._client.graphql(FILTERS_QUERY)["__type"]
        if kind is None:
            return "introspection tells nothing", None
        names = [self._word(field["name"]) for field in kind["inputFields"]]
        return ", ".join(names), {"id", "created_at"} <= set(names)

    def _by_ids(self) -> Answer:
        wanted = {"id": {"in": [str(number) for number in NOBODY]}}
        self._page(DOCUMENTS_QUERY, "documents", wanted, PAGE_SIZE)
        return "answered", True

    def _since(self) -> Answer:
        wanted = {"created_at": {"from": datetime.now(timezone.utc).isoformat()}}
        self._page(DOCUMENTS_QUERY, "documents", wanted, 1)
        return "answered", True

    def _page_cap(self) -> Answer:
        rows, more = self._page(DOCUMENTS_QUERY, "documents", {}, 2 * PAGE_SIZE)
        if not more and len(rows) <= PAGE_SIZE:
            return "there are no more than fit", None
        return f"{len(rows)} rows", len(rows) == PAGE_SIZE

    def _documents(self) -> Answer:
        self._rows = self._page(_ROWS_QUERY, "documents", {}, PAGE_SIZE)[0]
        if not self._rows:
            return "there is none", None
        statuses = sorted({str(row["status"]) for row in self._rows})
        types = sorted({str(row["file_type"]) for row in self._rows if row["file_type"]})
        texts = all(isinstance(row["id"], str) for row in self._rows)
        known = all(DocumentStatus.parse(status) is not DocumentStatus.UNKNOWN for status in statuses)
        return (
            f"ids {'are' if texts else 'are not'} texts; statuses {self._words(statuses)}; "
            f"types {self._words(types) or 'none'}",
            texts and known,
        )

    def _times(self) -> Answer:
        times = [row["created_at"] for row in self._rows if row.get("created_at")]
        if not times:
            return "there is none", None
        return re.sub("[0-9]", "9", self._word(times[0].replace(":", "."))), any(
            "." in text for text in times
        )

    def _types(self) -> Answer:
        queries, _ = self._page(QUERIES_QUERY, "report_queries", {}, PAGE_SIZE)
        texts = [query["graphql"] for query in queries if query["graphql"]]
        if not texts:
            return f"of {len(queries)} queries no text is shown", None
        read = [declared_variables(text) for text in texts]
        kinds = sorted({kind for declared in read for kind in (declared or {}).values()})
        found = (
            f"{self._words(kinds) or 'none'}, in {len(texts)} texts, {read.count(None)} of them unreadable"
        )
        return found, set(kinds) <= set(JUDGED) and None not in read

    def _no_download(self) -> Answer:
        return self._refusal(lambda: self._client.get_download_url(NOBODY[0]), ClarusNotFoundError, 404)

    def _file(self) -> Answer:
        available = [
            int(row["id"])
            for row in self._rows
            if DocumentStatus.parse(row["status"]) is DocumentStatus.AVAILABLE
        ]
        if not available:
            return "there is none", None
        url = self._client.get_download_url(max(available))
        settings = self._client.connection
        asked = {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
        ways = {**options(settings), "verify": settings.storage_verify}
        with requests.get(url, headers=asked, stream=True, allow_redirects=False, **ways) as answer:  # noqa: S113
            status, headers = answer.status_code, answer.headers
        parts = urlsplit(url)
        amazon = (parts.hostname or "").endswith(".amazonaws.com")
        lasts = parse_qs(parts.query).get("X-Amz-Expires", [""])[0]
        etag = headers.get("ETag")
        facts = [
            f"{self._word(parts.scheme)} {'at Amazon' if amazon else 'elsewhere'}",
            f"good for {lasts} s" if lasts.isdecimal() else "good for an unknown time",
            f"status {status} to its first byte",
            f"{'multi-part ' if '-' in etag else ''}ETag" if etag else "no ETag",
            self._word(headers.get("Content-Type", "no type").partition(";")[0]),
        ]
        return ", ".join(facts), amazon and lasts.isdecimal() and status == 206

    def queue(self, report_id: int) -> Answer:
        """Queue a report, with a variable that it does not declare; if that is refused, without."""
        try:
            self._queued = self._client.generate_report(report_id, [{"name": UNDECLARED, "value": "1"}]).id
        except ClarusRejectedError as error:
            self._queued = self._client.generate_report(report_id).id
            return f"refused: {self._told(error)}", False
        return "the report is queued without a word", True

    def shows(self) -> Answer:
        """Tell after how long the new document shows."""
        if self._queued is None:
            return "there is none", None
        began = time.monotonic()
        while (waited := time.monotonic() - began) < SHOWS_WITHIN:
            document = self._client.get_document(self._queued)
            if document:
                return f"shows after {waited:.1f} s, as {document.status.value}", True
            time.sleep(1)
        return f"does not show within {SHOWS_WITHIN:.0f} s", False

    def _taken(self, query: str, wanted: Mapping[str, Any] | None = None) -> Answer:
        self._page(query, "reports", wanted or {}, 1)
        return "answered", True

    def _page(
        self, query: str, what: str, wanted: Mapping[str, Any], size: int
    ) -> tuple[Sequence[Any], bool]:
        data = self._client.graphql(query, {"filter": wanted, "first": size, "after": None})
        page = data[what]["all"]
        return [edge["node"] for edge in page["edges"]], bool(page["pageInfo"]["hasNextPage"])

    def found(self, point: str, assumed: str, ask: Callable[[], Answer]) -> Finding:
        """Try a point, and tell."""
        try:
            found, as_assumed = ask()
        except REFUSALS as error:
            found, as_assumed = f"refused: {self._told(error)}", False
        except ClarusError as error:
            self.shut_out = isinstance(error, ClarusAuthError)
            found, as_assumed = f"no answer: {self._told(error)}", None
        except requests.RequestException as error:
            found, as_assumed = f"no answer: {type(error).__name__}", None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            found, as_assumed = "an answer of another shape", False
        return Finding(point, assumed, found, as_assumed)

    def _refusal(self, ask: Callable[[], object], expected: type[ClarusError], status: int) -> Answer:
        try:
            ask()
        except ClarusError as error:
            if isinstance(error, ClarusAuthError) and expected is not ClarusAuthError:
                raise
            return self._told(error), isinstance(error, expected) and error.status in (status, None)
        return "answered", False

    def _told(self, error: ClarusError) -> str:
        facts = [type(error).__name__]
        if error.status:
            facts.append(f"status {error.status}")
        if isinstance(error.code, int):
            facts.append(f"code {error.code}")
        if error.symbol:
            facts.append(f"symbol {self._word(error.symbol)}")
        return ", ".join(facts)

    def _word(self, text: object) -> str:
        """Return a word of a schema; what does not look like one might be somebody's."""
        shown = str(text)
        is_private = any(private in shown.casefold() for private in self._private)
        return shown if _WORD.fullmatch(shown) and not is_private else "(not shown)"

    def _words(self, texts: Sequence[str]) -> str:
        return ", ".join(map(self._word, texts))
