# SPDX-License-Identifier: Apache-2.0
"""Read the list of a tenant's documents: this package's one GraphQL query, and its filters.

*Inferred*: that ``DocumentFilterType`` has ``id``, as the filters of other lists do; how large a page may be.
What a server refuses is learnt from facts, for a while: from introspection, or from the same question refused
again while the documented one is answered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_clarus.api._by_status import UNFINISHED, ByStatus
from airflow_provider_clarus.api._way import PAGE_SIZE as PAGE_SIZE
from airflow_provider_clarus.api._way import Way
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusError, ClarusRejectedError, ClarusTransientError
from airflow_provider_clarus.http.responses import REFUSALS, documented_shape

log = logging.getLogger(__name__)

#: Seconds for which another thread is waited for that looks into a refusal.
LEARNING = 2.0
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

FILTERS_QUERY = 'query { __type(name: "DocumentFilterType") { inputFields { name } } }'

#: A filter for ids that none has.
NO_DOCUMENT = {"id": {"in": ["0"]}}
#: No documents have these ids, the highest of a 32-bit column; as many as a request can ask for.
NOBODY = range(2**31 - PAGE_SIZE, 2**31)
#: By the same filter, none: a limit counts the page size asked for, and no document can spoil the answer.
NO_CATEGORY = {"category": {"eq": "-"}, "status": {"in": ["queued", "processing"]}}


class DocumentList:
    """Finds documents by their ids.

    :param graphql: runs a query with variables once, and returns its ``data``
    :param get_download_url: raises for a document that has no file
    :param way: what is known of the server already
    """

    def __init__(
        self,
        graphql: Callable[[str, Mapping[str, Any]], Mapping[str, Any]],
        get_download_url: Callable[[int], str],
        tenant: str,
        *,
        way: Way,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.way = way
        self._graphql = graphql
        self._tenant = tenant
        self._clock = clock
        self._unfiltered = ByStatus(self._pages, get_download_url, lambda: self._clock())

    @property
    def page_size(self) -> int:
        """How many documents one request asks for."""
        return self.way.size(self._clock())

    def find(self, document_ids: Iterable[int]) -> dict[int, Document]:
        """Return those of the documents that the read replica shows, by id, with one request per 100.

        :raises ClarusError: when that cannot be had
        """
        ids = sorted(set(document_ids))
        if not ids:
            return {}
        self._probe()
        found = self._by_id(ids)
        return self._unfiltered.find(ids) if found is None else found

    def check(self) -> None:
        """Ask for as many documents as one request can, though for none that exists.

        :raises ClarusError: when that cannot be had, with or without the filter for ids
        """
        if self._by_id(NOBODY) is None:
            next(self._pages(UNFINISHED), None)

    def _by_id(self, ids: Sequence[int]) -> dict[int, Document] | None:
        """Return what is found; ``None`` where there is no filter for ids."""
        found: dict[int, Document] = {}
        start = 0
        while self.way.has_id_filter and start < len(ids):
            chunk = [str(document_id) for document_id in ids[start : start + self.page_size]]
            try:
                documents = list(self._pages({"id": {"in": chunk}}, len(chunk)))
            except REFUSALS as error:
                if not self._learn(error, len(chunk)):
                    raise
            else:
                found |= {document.id: document for document in documents}
                start += len(chunk)
        return found if self.way.has_id_filter else None

    def _probe(self) -> None:
        if self.way.is_to_be_probed(self._clock()):
            if self._has_id_filter() or self._takes(NO_DOCUMENT):
                log.info("Tenant %r takes a filter for ids again.", self._tenant)
                self.way.with_ids()
            else:
                self.way.without_ids(self._clock())

    def _learn(self, error: ClarusError, size: int) -> bool:
        """Look into what was refused; return whether there is another way to ask.

        GraphQL's messages may be redacted, so what is at fault is tried out.
        """
        if not self.way.learning.acquire(timeout=LEARNING):
            return False  # Whoever looks into it hangs; that is to hold up nobody else.
        try:
            if not self.way.has_id_filter or self.page_size < size:
                return True  # Another thread has found out.
            return self.way.may_learn(self._clock()) and self._find_out(error, size)
        finally:
            self.way.learning.release()

    def _find_out(self, error: ClarusError, size: int) -> bool:
        at_once = isinstance(error, ClarusRejectedError)
        known = self._has_id_filter() if at_once else None
        if known is not False:
            if not self._takes(UNFINISHED):
                return False
            if self._takes(NO_DOCUMENT):
                return self._shrink(NO_DOCUMENT, size)
            known = known if at_once else self._has_id_filter()
            # A server that fails now and then, at every second request even, must not be taken for this.
            if known or (
                known is None
                and (self._takes(NO_DOCUMENT) or not (self._takes(UNFINISHED) and self._takes(UNFINISHED)))
            ):
                return False
        log.warning("%s It takes no filter for ids; asking with the documented filters for now.", error)
        self.way.without_ids(self._clock())
        return True

    def _shrink(self, wanted: Mapping[str, Any], refused: int) -> bool:
        """Find out whether smaller pages are answered; how many are asked for may be what is too much."""
        size = refused
        while size > 1 and not self._takes(wanted, size):
            size //= 2
        if size == refused:
            return False
        log.warning("Tenant %r answers for no more than %d documents at a time for now.", self._tenant, size)
        self.way.shrink(size, self._clock())
        return True

    def _has_id_filter(self) -> bool | None:
        """Return what introspection says, ``None`` where it says nothing."""
        try:
            filters = self._graphql(FILTERS_QUERY, {}).get("__type")
        except REFUSALS:
            return None
        if filters is None:
            return None
        with documented_shape(f"read the filters of tenant {self._tenant!r}", filters):
            return "id" in {field["name"] for field in filters["inputFields"]}

    def _takes(self, wanted: Mapping[str, Any], size: int = 1) -> bool:
        try:
            self._page(wanted, first=size)
        except REFUSALS:
            return False
        return True

    def _pages(self, wanted: Mapping[str, Any], first: int | None = None) -> Iterator[Document]:
        """Yield all documents that meet a filter.

        :param first: how many there can be; as many to a page as the server answers where that is not known
        """
        after = None
        for _ in range(MAX_PAGES):
            if first is None:
                documents, cursor = self._large_page(wanted, after)
            else:
                documents, cursor = self._page(wanted, first=first, after=after)
            yield from documents
            if cursor in (None, after):
                return
            after = cursor
        raise ClarusTransientError(
            f"Could not read documents of tenant {self._tenant!r}: there are over {MAX_PAGES} pages"
        )

    def _large_page(self, wanted: Mapping[str, Any], after: str | None) -> tuple[list[Document], str | None]:
        size = self.page_size
        try:
            return self._page(wanted, first=size, after=after)
        except REFUSALS:
            if not (self._takes(NO_CATEGORY) and self._shrink(NO_CATEGORY, size)):
                raise
        return self._page(wanted, first=self.page_size, after=after)

    def _page(
        self, wanted: Mapping[str, Any], *, first: int, after: str | None = None
    ) -> tuple[list[Document], str | None]:
        """Return some documents, and the cursor to those after them, if there are any."""
        data = self._graphql(DOCUMENTS_QUERY, {"filter": wanted, "first": first, "after": after})
        with documented_shape(f"read documents of tenant {self._tenant!r}", data):
            page = data["documents"]["all"]
            documents = [Document.from_graphql(edge["node"]) for edge in page["edges"]]
            more, cursor = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
        self.way.accepted(first, self._clock())
        return documents, cursor if more else None
