# SPDX-License-Identifier: Apache-2.0
"""List the documents that were made lately: for when nobody knows whether Clarus has acted.

A document tells nothing of its report, so these are all reports of the tenant, whoever has asked for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.api._by_status import UNFINISHED
from airflow_provider_clarus.exceptions import ClarusRejectedError
from airflow_provider_clarus.http.responses import documented_shape
from airflow_provider_clarus.variables.settle import positive_id

if TYPE_CHECKING:
    from airflow_provider_clarus.api.client import ClarusClient

#: Seconds by which Clarus' clock may be behind this machine's.
SKEW = 60.0
#: Ids that are returned, the newest ones, and pages of 100 that are read for them.
MOST = 10
PAGES = 5

QUERY = """
query($filter: DocumentFilterType, $first: Int, $after: String) {
  documents {
    all(filter: $filter, first: $first, after: $after) {
      edges { node { id created_at } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


def documents_since(client: ClarusClient, since: float) -> list[int]:
    """Return the ids of the newest documents of reports that were made since then, ten at most.

    *Inferred*: that documents have the filter ``created_at`` of other lists. A server that rejects it is
    asked for the unfinished ones, with the documented filters.

    :param since: seconds since the epoch, by this machine's clock
    :raises ClarusError: when they cannot be listed
    """
    start = datetime.fromtimestamp(since, timezone.utc) - timedelta(seconds=SKEW)
    wanted = {"category": {"eq": "report"}, "created_at": {"from": start.isoformat()}}
    try:
        found = list(_made(client, wanted))
    except ClarusRejectedError:
        found = list(_made(client, UNFINISHED))
    return sorted(document_id for document_id, made in found if made >= start)[-MOST:]


def _made(client: ClarusClient, wanted: Mapping[str, Any]) -> Iterator[tuple[int, datetime]]:
    """Yield documents, and when they were made."""
    after = None
    for _ in range(PAGES):
        data = client.graphql(QUERY, {"filter": wanted, "first": 100, "after": after})
        with documented_shape(f"list new documents of tenant {client.connection.tenant!r}", data):
            page = data["documents"]["all"]
            for edge in page["edges"]:
                made = datetime.fromisoformat(edge["node"]["created_at"].replace("Z", "+00:00"))
                yield (
                    positive_id(edge["node"]["id"], "id"),
                    made if made.tzinfo else made.replace(tzinfo=timezone.utc),
                )
            more, cursor = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
        if not more or cursor in (None, after):
            return
        after = cursor
