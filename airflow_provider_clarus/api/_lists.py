# SPDX-License-Identifier: Apache-2.0
"""Read the lists ``reports`` and ``report_queries`` page by page: this package's queries for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_clarus.api._memory import SMALL_PAGE_SIZE
from airflow_provider_clarus.api._way import PAGE_SIZE
from airflow_provider_clarus.api.reports import Report, ReportQuery
from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.http.responses import documented_shape

Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]

#: Pages of one list that are read before the caller is asked for a name.
MAX_PAGES = 50

_LIST = """
query($filter: %sFilterType, $first: Int, $after: String) {
  %s { all(filter: $filter, first: $first, after: $after) {
    edges { node { %s } }
    pageInfo { hasNextPage endCursor }
  } }
}
"""
_REPORT = "id name description report_type source_path report_query { id name }"
_QUERY = "id name description graphql"
REPORTS_QUERY = _LIST % ("Report", "reports", _REPORT)
REPORTS_WITH_TEXT_QUERY = _LIST % ("Report", "reports", _REPORT.replace("id name }", "id name graphql }"))
QUERIES_QUERY = _LIST % ("ReportQuery", "report_queries", _QUERY)
BOTH_QUERY = f"""
query($filter: ReportFilterType, $first: Int, $queries: ReportQueryFilterType) {{
  reports {{ all(filter: $filter, first: $first) {{ edges {{ node {{ {_REPORT} }} }} }} }}
  report_queries {{ all(filter: $queries, first: $first) {{ edges {{ node {{ {_QUERY} }} }} }} }}
}}
"""


@dataclass(frozen=True)
class Reading:
    """One list, and what is wanted of it."""

    what: str
    parse: Callable[[Mapping[str, Any]], Any]
    query: str
    wanted: Mapping[str, Any]
    size: int = PAGE_SIZE


class Lists:
    """Reads a tenant's lists.

    :param graphql: runs a query with variables, and returns its ``data``
    :param once: the same, without another try
    """

    def __init__(self, graphql: Ask, once: Ask, tenant: str) -> None:
        self._graphql = graphql
        self._once = once
        self._tenant = tenant

    def pages(self, reading: Reading) -> Iterator[Any]:
        """Yield all rows.

        :raises ClarusInputError: when there are more than are read at a time
        """
        after = None
        for _ in range(MAX_PAGES):
            rows, cursor = self.page(reading, after)
            yield from rows
            if cursor in (None, after):
                return
            after = cursor
        raise ClarusInputError(
            f"There are more {reading.what} in tenant {self._tenant!r} than the {MAX_PAGES} pages that are "
            "read at a time. Ask for one by its id, or for a part of its name.",
            tenant=self._tenant,
        )

    def page(self, reading: Reading, after: str | None = None) -> tuple[list[Any], str | None]:
        """Return some rows, and the cursor to those after them, if there are any."""
        asked = {"filter": reading.wanted, "first": reading.size, "after": after}
        data = self._graphql(reading.query, asked)
        with documented_shape(f"read {reading.what} of tenant {self._tenant!r}", data):
            page = data[reading.what]["all"]
            rows = [reading.parse(edge["node"]) for edge in page["edges"]]
            more, cursor = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
        return rows, cursor if more else None

    def both(self, wanted: Mapping[str, Any], query_name: str) -> tuple[list[Report], list[ReportQuery]]:
        """Return the first reports that meet a filter, and the first queries of a name, with one request.

        It is tried once: whoever gets no answer can still ask for one after the other.
        """
        asked = {"filter": wanted, "first": SMALL_PAGE_SIZE, "queries": {"name": {"eq": query_name}}}
        data = self._once(BOTH_QUERY, asked)
        with documented_shape(f"read reports of tenant {self._tenant!r}", data):
            reports = [Report.from_graphql(edge["node"]) for edge in data["reports"]["all"]["edges"]]
            queries = [
                ReportQuery.from_graphql(edge["node"]) for edge in data["report_queries"]["all"]["edges"]
            ]
        return reports, queries
