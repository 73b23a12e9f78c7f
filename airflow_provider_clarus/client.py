# SPDX-License-Identifier: Apache-2.0
"""The Clarus API: every URL, header and GraphQL text of this package stands here.

What the vendor does not document, and this module infers, is marked *inferred*.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import requests

from airflow_provider_clarus import transport
from airflow_provider_clarus.connection import ClarusConnection
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusError,
    ClarusForbiddenError,
    ClarusNotFoundError,
    ClarusOutcomeUnknownError,
    ClarusRejectedError,
    ClarusTransientError,
)
from airflow_provider_clarus.models import Document, positive_id
from airflow_provider_clarus.responses import described, documented_shape, error_for, server_words
from airflow_provider_clarus.retries import retrying
from airflow_provider_clarus.status import DocumentStatus
from airflow_provider_clarus.tokens import TokenSource

log = logging.getLogger(__name__)

#: Documents per page and per request (API page "GraphQL": ``first`` is capped at 100).
PAGE_SIZE = 100
#: Pages of one list that are read.
MAX_PAGES = 1000
#: Tries of one call, the first included.
ATTEMPTS = 5

DOCUMENTS_QUERY = """
query($filter: DocumentFilterType, $first: Int, $after: String) {
  documents {
    all(filter: $filter, first: $first, after: $after) {
      edges { node { id status file_name file_type } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""

#: A filter for ids that none has.
NO_DOCUMENT = {"id": {"in": ["0"]}}
#: *Documented*, unlike a filter for ids.
UNFINISHED = {"category": {"eq": "report"}, "status": {"in": ["queued", "processing"]}}
FAILED = {"category": {"eq": "report"}, "status": {"in": ["failed"]}}


class ClarusClient:
    """One tenant of Clarus, seen through one connection.

    Its methods block, and may be called from any thread. Each raises a ``ClarusError``, whose class says what
    a retry can do.

    :param connection: where, which tenant, and who
    :param attempts: tries of a call that may be repeated; 1 for a caller that paces itself
    :param on_secret: is told each secret that arrives, so that it can be masked in logs
    :param on_refresh_token: is told each new refresh token, so that it can be stored
    """

    def __init__(
        self,
        connection: ClarusConnection,
        *,
        attempts: int = ATTEMPTS,
        on_secret: Callable[[str], None] = lambda secret: None,
        on_refresh_token: Callable[[str], None] | None = None,
    ) -> None:
        self.connection = connection
        self.has_id_filter = True
        self._attempts = attempts
        self._tokens = TokenSource(connection, on_secret, on_refresh_token)
        self._session = requests.Session()
        # Keeps requests from putting a .netrc entry in the place of the bearer.
        self._session.auth = lambda request: request
        transport.mount(self._session, connection)

    def close(self) -> None:
        """Close the connections to the server."""
        self._session.close()

    def generate_report(self, report_id: int, variables: Sequence[Mapping[str, str]] = ()) -> Document:
        """Queue a report; its document is not ready yet (API page "Generate report output").

        Sent again only where the server certainly did not act: connection refused, 429, 503.

        :param variables: ``{"name", "value"}`` each; what is not passed keeps its stored value
        :raises ClarusForbiddenError: when the API user does not own the report
        :raises ClarusOutcomeUnknownError: when it may be queued or not
        """
        report_id = positive_id(report_id, "report_id")
        doing = f"generate report {report_id} in tenant {self.connection.tenant!r}"
        body = {"variables": list(variables)} if variables else {}
        try:
            answer = self._call("POST", f"/api/reports/{report_id}/generate", body, doing, repeatable=False)
            with documented_shape(doing, answer):
                return Document.from_rest(answer["data"])
        except ClarusTransientError as error:
            if not error.may_have_acted:
                raise
            raise ClarusOutcomeUnknownError(
                f"{error} The report may be queued all the same, so it is not queued again by itself. "
                "Look for its document in Clarus, or clear this task to generate it anew."
            ) from error

    def get_document(self, document_id: int) -> Document | None:
        """Return a document, ``None`` when the read replica does not show it (yet)."""
        return self.get_documents([document_id]).get(int(document_id))

    def get_documents(self, document_ids: Iterable[int]) -> dict[int, Document]:
        """Return those of the documents that the read replica shows, by id, with one request per 100.

        *Inferred*: that ``DocumentFilterType`` has ``id``, as the filters of other lists do. A server that
        rejects it is asked with the documented filters from then on.

        :raises ClarusRejectedError: when the server fails for these ids, but not for others
        """
        ids = sorted({positive_id(document_id, "document_id") for document_id in document_ids})
        if self.has_id_filter:
            try:
                return self._documents_by_id(ids)
            except ClarusRejectedError as error:
                self._find_the_fault(error)
        return self._documents_by_status(ids)

    def _documents_by_id(self, ids: list[int]) -> dict[int, Document]:
        found: dict[int, Document] = {}
        for start in range(0, len(ids), PAGE_SIZE):
            chunk = [str(document_id) for document_id in ids[start : start + PAGE_SIZE]]
            found |= {document.id: document for document in self._documents({"id": {"in": chunk}})}
        return found

    def _find_the_fault(self, error: ClarusRejectedError) -> None:
        # GraphQL's messages may be redacted, so what is at fault has to be tried out.
        if self._takes(NO_DOCUMENT):
            raise error
        if not self._takes(UNFINISHED):
            raise ClarusTransientError(str(error)) from error
        log.warning("%s It takes no filter for ids; asking with the documented filters from now on.", error)
        self.has_id_filter = False

    def _takes(self, wanted: Mapping[str, Any]) -> bool:
        try:
            self._page(wanted, first=1)
        except ClarusRejectedError:
            return False
        return True

    def _documents_by_status(self, ids: list[int]) -> dict[int, Document]:
        found = self._among(set(ids), UNFINISHED)
        missing = [document_id for document_id in ids if document_id not in found]
        for document_id in missing[:PAGE_SIZE]:
            if self._can_be_downloaded(document_id):
                found[document_id] = Document(document_id, DocumentStatus.AVAILABLE)
        # Whoever waits for the others looks again: a call that breaks off must not lose thousands of answers.
        found |= {number: Document(number, DocumentStatus.UNKNOWN) for number in missing[PAGE_SIZE:]}
        # Read last, and only for those that nothing else tells of: the failed reports of a tenant add up.
        lost = set(ids) - found.keys()
        return found | self._among(lost, FAILED) if lost else found

    def _among(self, ids: set[int], wanted: Mapping[str, Any]) -> dict[int, Document]:
        try:
            return {document.id: document for document in self._documents(wanted) if document.id in ids}
        except ClarusRejectedError as error:
            raise ClarusTransientError(str(error)) from error

    def _can_be_downloaded(self, document_id: int) -> bool:
        try:
            self.get_download_url(document_id)
        except ClarusNotFoundError:
            return False
        except ClarusForbiddenError:
            # It is there; whoever wants the file will be told what is missing.
            return True
        return True

    def get_download_url(self, document_id: int) -> str:
        """Return a presigned, temporary URL of a document's file (API page "Download a document").

        Whoever has the URL has the file: never log it.
        """
        document_id = positive_id(document_id, "document_id")
        doing = f"get the download URL of document {document_id} in tenant {self.connection.tenant!r}"
        answer = self._call("GET", f"/api/documents/{document_id}/download", None, doing)
        with documented_shape(doing, "(not shown: it may hold the URL)"):
            return str(answer["url"])

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run a GraphQL query and return its ``data``.

        :raises ClarusRejectedError: when the answer has ``errors``, although its HTTP status is 200
        """
        doing = f"read from tenant {self.connection.tenant!r}"
        answer = self._call("POST", "/graphql", {"query": query, "variables": dict(variables or {})}, doing)
        if isinstance(answer, dict) and answer.get("errors"):
            raise ClarusRejectedError(f"Could not {doing}: GraphQL says: {described(answer)}")
        with documented_shape(doing, answer):
            return dict(answer["data"])

    def run(self, method: str, path: str, json: Any = None) -> Any:
        """Call any other path of the API and return the answer's JSON; only a ``GET`` is repeated.

        :param path: such as ``/api/reports/7``
        """
        doing = f"{method.upper()} {path} in tenant {self.connection.tenant!r}"
        return self._call(method.upper(), path, json, doing, repeatable=method.upper() == "GET")

    def check(self) -> str:
        """Do once what every wait does, step by step, and return what was found.

        :raises ClarusError: which says what step failed
        """
        steps: dict[str, Callable[[], object]] = {
            "get a token": self._tokens.get,
            "reach the tenant": lambda: self.graphql("{ __typename }"),
            "ask for the status of documents": self._check_query,
        }
        for number, (name, step) in enumerate(steps.items(), 1):
            try:
                step()
            except ClarusError as error:
                error.args = (f"Step {number} of {len(steps)}, {name}: {error}",)
                raise
        found = f"Token, tenant {self.connection.tenant!r} and the query for documents are all right."
        return found if self.has_id_filter else f"{found} This server takes no filter for ids."

    def _check_query(self) -> None:
        try:
            self._page(NO_DOCUMENT, first=1)
        except ClarusRejectedError as error:
            self._find_the_fault(error)

    def _documents(self, wanted: Mapping[str, Any]) -> Iterator[Document]:
        after = None
        for _ in range(MAX_PAGES):
            documents, cursor = self._page(wanted, after=after)
            yield from documents
            if cursor in (None, after):
                return
            after = cursor
        raise ClarusTransientError(
            f"Could not read documents of tenant {self.connection.tenant!r}: there are over {MAX_PAGES} pages"
        )

    def _page(
        self, wanted: Mapping[str, Any], *, first: int = PAGE_SIZE, after: str | None = None
    ) -> tuple[list[Document], str | None]:
        """Return some documents, and the cursor to those after them, if there are any."""
        data = self.graphql(DOCUMENTS_QUERY, {"filter": wanted, "first": first, "after": after})
        with documented_shape(f"read documents of tenant {self.connection.tenant!r}", data):
            page = data["documents"]["all"]
            documents = [Document.from_graphql(edge["node"]) for edge in page["edges"]]
            more, cursor = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
        return documents, cursor if more else None

    def _call(self, method: str, path: str, body: Any, doing: str, *, repeatable: bool = True) -> Any:
        attempt = retrying(self._attempts, repeatable=repeatable)
        return attempt(self._authorized, method, path, body, doing)

    def _authorized(self, method: str, path: str, body: Any, doing: str) -> Any:
        token = self._token(self._tokens.get)
        try:
            return self._send(method, path, body, doing, token)
        except ClarusAuthError:
            # It may have been ended before its time: by a sign-in of the API user, or by another process.
            return self._send(method, path, body, doing, self._token(lambda: self._tokens.renew(token)))

    def _token(self, source: Callable[[], str]) -> str:
        try:
            return source()
        except ClarusTransientError as error:
            # Whatever happened to the token request, the call itself was never sent.
            error.may_have_acted = False
            raise

    def _send(self, method: str, path: str, body: Any, doing: str, token: str) -> Any:
        try:
            response = self._session.request(
                method,
                transport.secure(self.connection.base_url) + path,
                json=body,
                headers={
                    "Authorization": f"Bearer {token}",
                    "X-Clarus-Subdomain": self.connection.tenant,
                    "Content-Type": "application/json",
                },
                **transport.options(self.connection),
            )
        except requests.RequestException as error:
            raise transport.failure(error, doing) from None
        if response.status_code >= 300:
            raise error_for(response, doing)
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise ClarusTransientError(
                f"Could not {doing}: the answer is not JSON: {server_words(response.content)}"
            ) from None
