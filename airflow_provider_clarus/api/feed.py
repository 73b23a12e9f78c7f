# SPDX-License-Identifier: Apache-2.0
"""List a tenant's documents page by page, whoever has made them: all above a number, some, or the unfinished.

*Inferred*: that documents have the filters ``id`` and ``created_at`` of other lists. Nothing is taken for
granted of the order in which they come. Where a server has no filter for ids, it is asked for all documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_clarus.api._way import PAGE_SIZE as PAGE_SIZE
from airflow_provider_clarus.api.documents import NOBODY
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.http.responses import documented_shape

if TYPE_CHECKING:
    from airflow_provider_clarus.api.client import ClarusClient

QUERY = """
query($filter: DocumentFilterType, $first: Int, $after: String) {
  documents {
    all(filter: $filter, first: $first, after: $after) {
      edges { node { id status category file_name file_type created_at updated_at } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""

Filter: TypeAlias = Mapping[str, Any]

EVERYTHING: Filter = {}
#: *Documented*. Statuses come in upper case from some servers.
UNFINISHED: Filter = {"status": {"in": ["queued", "processing", "QUEUED", "PROCESSING"]}}


@dataclass(frozen=True, slots=True)
class Listed(Document):
    """A document as the list shows it. Times are in seconds since the epoch, by Clarus' clock."""

    category: str | None = None
    made: float | None = None
    changed: float | None = None

    @property
    def is_final(self) -> bool:
        """Whether its status changes no more."""
        return self.status in (DocumentStatus.AVAILABLE, DocumentStatus.FAILED)

    @classmethod
    def from_node(cls, node: Mapping[str, Any]) -> Listed:
        """Parse a ``documents.all`` node."""
        document = Document.from_graphql(node)
        category = node["category"]
        if not isinstance(category, str | None):
            raise TypeError(f"category {category!r} is no text")
        return cls(
            id=document.id,
            status=document.status,
            file_name=document.file_name,
            file_type=document.file_type,
            category=category,
            made=_epoch(node["created_at"]),
            changed=_epoch(node["updated_at"]),
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents, and the cursor to those after them, if there are any."""

    documents: Sequence[Listed]
    cursor: str | None


def above(document_id: int) -> Filter:
    """Return the filter for all documents with a higher id."""
    return {"id": {"gt": str(document_id)}}


def these(document_ids: Sequence[int]) -> Filter:
    """Return the filter for some documents."""
    return {"id": {"in": [str(document_id) for document_id in document_ids]}}


def made_since(epoch: float) -> Filter:
    """Return the filter for those made since then, in seconds since the epoch."""
    return {"created_at": {"from": datetime.fromtimestamp(max(0.0, epoch), timezone.utc).isoformat()}}


def page_of(client: ClarusClient, wanted: Filter, *, first: int, after: str | None = None) -> Page:
    """Return a page of the documents that meet a filter, asked for once.

    :param first: documents on it at most; the server caps it at 100
    :raises ClarusError: when it cannot be had
    """
    data = client.graphql(QUERY, {"filter": wanted, "first": first, "after": after})
    with documented_shape(f"list documents of tenant {client.connection.tenant!r}", data):
        page = data["documents"]["all"]
        documents = [Listed.from_node(edge["node"]) for edge in page["edges"]]
        more, cursor = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
    return Page(documents, cursor if more and cursor != after else None)


def has_id_filter(client: ClarusClient) -> bool:
    """Find out whether a server takes a filter for ids, by asking it for a document that nobody has.

    :raises ClarusError: when that cannot be found out
    """
    client.get_documents([NOBODY[-1]])
    return client.has_id_filter


def _epoch(text: Any) -> float | None:
    with suppress(TypeError, ValueError, AttributeError, OverflowError):
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
    return None
