# SPDX-License-Identifier: Apache-2.0
"""The list of a tenant's documents: this package's one GraphQL query, and the filters it is asked with.

*Inferred*: that ``DocumentFilterType`` has ``id``, as the filters of other lists do. A server that rejects it
is asked with the documented filters from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import (
    ClarusForbiddenError,
    ClarusNotFoundError,
    ClarusRejectedError,
    ClarusTransientError,
)
from airflow_provider_clarus.http.responses import documented_shape

log = logging.getLogger(__name__)

#: Documents per page and per request (API page "GraphQL": ``first`` is capped at 100).
PAGE_SIZE = 100
#: Pages of one list that are read.
MAX_PAGES = 1000

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


class DocumentList:
    """Finds documents by their ids.

    :param graphql: runs a query with variables, and returns its ``data``
    :param get_download_url: raises for a document that has no file
    """

    def __init__(
        self,
        graphql: Callable[[str, Mapping[str, Any]], Mapping[str, Any]],
        get_download_url: Callable[[int], str],
        tenant: str,
    ) -> None:
        self.has_id_filter = True
        self._graphql = graphql
        self._get_download_url = get_download_url
        self._tenant = tenant

    def find(self, document_ids: Iterable[int]) -> dict[int, Document]:
        """Return those of the documents that the read replica shows, by id, with one request per 100.

        :raises ClarusRejectedError: when the server fails for these ids, but not for others
        """
        ids = sorted(set(document_ids))
        if self.has_id_filter:
            try:
                return self._by_id(ids)
            except ClarusRejectedError as error:
                self._find_the_fault(error)
        return self._by_status(ids)

    def check(self) -> None:
        """Ask for no document, with the query that asks for documents.

        :raises ClarusError: when that cannot be had, with or without the filter for ids
        """
        try:
            self._page(NO_DOCUMENT, first=1)
        except ClarusRejectedError as error:
            self._find_the_fault(error)

    def _by_id(self, ids: list[int]) -> dict[int, Document]:
        found: dict[int, Document] = {}
        for start in range(0, len(ids), PAGE_SIZE):
            chunk = [str(document_id) for document_id in ids[start : start + PAGE_SIZE]]
            found |= {document.id: document for document in self._pages({"id": {"in": chunk}})}
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

    def _by_status(self, ids: list[int]) -> dict[int, Document]:
        found = self._among(set(ids), UNFINISHED)
        missing = [document_id for document_id in ids if document_id not in found]
        refused: dict[int, Document] = {}
        for document_id in missing[:PAGE_SIZE]:
            available = Document(document_id, DocumentStatus.AVAILABLE)
            try:
                self._get_download_url(document_id)
                found[document_id] = available
            except ClarusForbiddenError:
                # It has finished, well or not; whoever wants the file will be told what is missing.
                refused[document_id] = available
            except (ClarusNotFoundError, ClarusRejectedError):
                continue
        # Whoever waits for the others looks again: a call that breaks off must not lose thousands of answers.
        found |= {number: Document(number, DocumentStatus.UNKNOWN) for number in missing[PAGE_SIZE:]}
        # Read last, and only for those that nothing else tells of: the failed reports of a tenant add up.
        lost = set(ids) - found.keys()
        return found | (refused | self._among(lost, FAILED) if lost else {})

    def _among(self, ids: set[int], wanted: Mapping[str, Any]) -> dict[int, Document]:
        try:
            return {document.id: document for document in self._pages(wanted) if document.id in ids}
        except ClarusRejectedError as error:
            raise ClarusTransientError(str(error)) from error

    def _pages(self, wanted: Mapping[str, Any]) -> Iterator[Document]:
        after = None
        for _ in range(MAX_PAGES):
            documents, cursor = self._page(wanted, after=after)
            yield from documents
            if cursor in (None, after):
                return
            after = cursor
        raise ClarusTransientError(
            f"Could not read documents of tenant {self._tenant!r}: there are over {MAX_PAGES} pages"
        )

    def _page(
        self, wanted: Mapping[str, Any], *, first: int = PAGE_SIZE, after: str | None = None
    ) -> tuple[list[Document], str | None]:
        """Return some documents, and the cursor to those after them, if there are any."""
        data = self._graphql(DOCUMENTS_QUERY, {"filter": wanted, "first": first, "after": after})
        with documented_shape(f"read documents of tenant {self._tenant!r}", data):
            page = data["documents"]["all"]
            documents = [Document.from_graphql(edge["node"]) for edge in page["edges"]]
            more, cursor = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
        return documents, cursor if more else None
