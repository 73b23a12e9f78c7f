# SPDX-License-Identifier: Apache-2.0
"""Find reports by id or name in the catalogue, with the variables that their queries declare.

*Documented*: the lists ``reports`` and ``report_queries``, their fields and their filters for names.
*Inferred*: that a report's query can be asked for its text below the report, and that ``reports`` takes a
filter for ids. A server that refuses one of them is asked in the documented way from then on: for the text
with a second request, for an id page by page. Once a report was found so, both of its names are known, and
one request asks for it with the documented filters.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_clarus.api._lists import (
    QUERIES_QUERY,
    REPORTS_QUERY,
    REPORTS_WITH_TEXT_QUERY,
    Ask,
    Lists,
    Reading,
)
from airflow_provider_clarus.api._memory import SMALL_PAGE_SIZE, Memory, Taken
from airflow_provider_clarus.api._way import PAGE_SIZE
from airflow_provider_clarus.api.reports import Report, ReportQuery
from airflow_provider_clarus.exceptions import (
    ClarusError,
    ClarusInputError,
    ClarusNotFoundError,
)
from airflow_provider_clarus.http.responses import REFUSALS
from airflow_provider_clarus.variables.declared import nearest
from airflow_provider_clarus.variables.settle import positive_id

log = logging.getLogger(__name__)

_Named = TypeVar("_Named", Report, ReportQuery)


class Catalogue:
    """Finds a tenant's reports. Each method raises a ``ClarusError`` where the lists cannot be read.

    :param graphql: runs a query with variables, and returns its ``data``
    :param once: the same, without another try
    :param memory: what is known of the server already
    """

    def __init__(self, graphql: Ask, once: Ask, tenant: str, memory: Memory) -> None:
        self.memory = memory
        self._lists = Lists(graphql, once, tenant)
        self._tenant = tenant
        self._trying: Taken | None = None

    def by_id(self, report_id: int) -> Report | None:
        """Return a report, ``None`` when the list does not show it; with one request where that is taken."""
        report_id = positive_id(report_id, "report_id")
        again = self._again(report_id)
        if again:
            return again

        def find() -> Iterator[Report]:
            if self._taken.id_filter:
                reports = self._reports({"id": {"eq": str(report_id)}}, size=1)
            else:
                reports = self._reports({})
            return itertools.islice((report for report in reports if report.id == report_id), 1)

        ways = [
            replace(self._taken, text=text, id_filter=id_filter)
            for id_filter in self._from(self._taken.id_filter)
            for text in self._from(self._taken.text)
        ]
        found = self._in_one_of(ways, find)
        return self._noted(self._with_text(found)[0]) if found else None

    def _again(self, report_id: int) -> Report | None:
        """Return a report that was found before, ``None`` where it has to be looked for."""
        names, taken = self.memory.names(report_id), self._taken
        if names is None or taken.everything:
            return None
        wanted = {"id": {"eq": str(report_id)}} if taken.id_filter else {"name": {"eq": names.report}}
        with suppress(ClarusError):
            reports = self._small_list(wanted, names.query)
            found = [report for report in reports if report.id == report_id]
            return self._noted(found[0]) if found else None
        return None

    def _small_list(self, wanted: Mapping[str, Any], query_name: str | None) -> list[Report]:
        """Return the first reports that meet a filter, with one request if their query is of that name."""
        if self._taken.text or query_name is None:
            return self._with_text(list(self._reports(wanted, size=SMALL_PAGE_SIZE)))
        reports, queries = self._lists.both(wanted, query_name)
        return self._with_text(reports, {query.id: query.variables for query in queries})

    def _noted(self, report: Report) -> Report:
        self.memory.note(report)
        return report

    def by_name(self, name: str) -> Report:
        """Return the one report of exactly that name.

        :raises ClarusNotFoundError: when there is none; the message shows the nearest names
        :raises ClarusInputError: when there are several; the message shows their ids
        """
        if not isinstance(name, str) or not name.strip():
            raise ClarusInputError(f"A report's name is {name!r}; it must be a text that is not empty.")
        wanted = {"name": {"eq": name}}
        query_name = self.memory.query_of(name)
        found: list[Report] = []
        if query_name and not self._taken.text:
            with suppress(ClarusError):
                found = self._small_list(wanted, query_name)
        if len(found) == 1 and found[0].name == name:
            return self._noted(found[0])
        found = self._list(lambda: self._reports(wanted, size=SMALL_PAGE_SIZE))
        report = self._the_one(name, "report", found, lambda: self._list(lambda: self._reports({})))
        return self._noted(self._with_text([report])[0])

    def one(self, id_or_name: int | str) -> Report:
        """Return the one report of an id, or of a name; digits are an id.

        :raises ClarusNotFoundError: when this user sees none
        :raises ClarusInputError: when several have the name
        """
        if not _is_id(id_or_name):
            return self.by_name(str(id_or_name))
        report_id = positive_id(id_or_name, "report_id")
        report = self.by_id(report_id)
        if report is None:
            raise ClarusNotFoundError(
                f"This user sees no report {report_id} in tenant {self._tenant!r}. Check both.",
                report_id=report_id,
                tenant=self._tenant,
            )
        return report

    def query_id(self, id_or_name: int | str) -> int:
        """Return the id of a report query; that of a name is looked up, digits are an id.

        :raises ClarusNotFoundError: when there is none of that name
        :raises ClarusInputError: when several have the name
        """
        is_id = _is_id(id_or_name)
        return positive_id(id_or_name, "report_query") if is_id else self.query(str(id_or_name)).id

    def find(self, name: str | None = None) -> list[Report]:
        """Return the reports that this user sees, or those whose name is like ``name``, case aside.

        :param name: a part of a name, or a pattern in which ``%`` stands for any text
        :raises ClarusInputError: when there are more than are read at a time
        """
        pattern = name if not name or "%" in name else f"%{name}%"
        wanted = {"name": {"ilike": pattern}} if pattern else {}
        found = self._list(lambda: self._reports(wanted))
        if name and pattern != name:
            # To a pattern, _ is any character.
            found = [report for report in found if name.casefold() in report.name.casefold()]
        return self._with_text(found)

    def seen(self) -> tuple[int, bool]:
        """Return how many reports this user sees, and whether there are more than that, with one request."""

        def find() -> Iterator[tuple[int, bool]]:
            reports, cursor = self._lists.page(self._reading("reports", Report, REPORTS_QUERY, {}))
            yield len(reports), cursor is not None

        seen: tuple[int, bool]
        (seen,) = self._list(find)
        return seen

    def query(self, name: str) -> ReportQuery:
        """Return the one report query of exactly that name.

        :raises ClarusNotFoundError: when there is none; the message shows the nearest names
        :raises ClarusInputError: when there are several; the message shows their ids
        """
        found: list[ReportQuery] = self._list(lambda: self._queries({"name": {"eq": name}}))
        return self._the_one(name, "report query", found, lambda: self._list(lambda: self._queries({})))

    def _the_one(
        self, name: str, what: str, found: list[_Named], everything: Callable[[], list[_Named]]
    ) -> _Named:
        """Return the one of that name among ``found``, or else among everything.

        That is read to suggest other names, and because one answer proves nothing about a read.
        """
        named = [one for one in found if one.name == name]
        if not named:
            try:
                known = everything()
            except ClarusInputError as error:
                suggestion = str(error)
                known = []
            else:
                suggestion = nearest(name, [one.name for one in known])
            named = [one for one in known if one.name == name]
            if not named:
                raise ClarusNotFoundError(
                    f"This user sees no {what} {name!r} in tenant {self._tenant!r}: {suggestion}",
                    tenant=self._tenant,
                )
        if len(named) > 1:
            ids = ", ".join(str(one.id) for one in named)
            raise ClarusInputError(
                f"Tenant {self._tenant!r} has {len(named)} of the name {name!r}: say which {what} is meant "
                f"by its id, which is one of {ids}.",
                tenant=self._tenant,
            )
        return named[0]

    def _list(self, find: Callable[[], Iterator[Any]]) -> list[Any]:
        """Return all that ``find`` yields, with smaller pages or without the text where that is refused."""
        ways = [
            replace(self._taken, text=text, page_size=page_size)
            for page_size in (PAGE_SIZE, SMALL_PAGE_SIZE)
            if page_size <= self._taken.page_size
            for text in self._from(self._taken.text)
        ]
        return self._in_one_of(ways, find)

    @staticmethod
    def _from(taken: bool) -> tuple[bool, ...]:
        return (True, False) if taken else (False,)

    def _in_one_of(self, ways: Sequence[Taken], find: Callable[[], Iterator[Any]]) -> list[Any]:
        """Return all that ``find`` yields, in the first of some ways that this server does not refuse.

        GraphQL's messages may be redacted, so what is at fault has to be tried out.
        """
        *others, last = ways
        try:
            for self._trying in others:
                with suppress(*REFUSALS):
                    return self._learnt(list(find()))
            self._trying = last
            return self._learnt(list(find()))
        finally:
            self._trying = None

    def _learnt(self, found: list[Any]) -> list[Any]:
        self.memory.learn(self._taken)
        return found

    @property
    def _taken(self) -> Taken:
        return self._trying or self.memory.taken

    def _reports(self, wanted: Mapping[str, Any], *, size: int = PAGE_SIZE) -> Iterator[Report]:
        query = REPORTS_WITH_TEXT_QUERY if self._taken.text else REPORTS_QUERY
        return self._lists.pages(self._reading("reports", Report, query, wanted, size))

    def _queries(self, wanted: Mapping[str, Any]) -> Iterator[ReportQuery]:
        return self._lists.pages(self._reading("report_queries", ReportQuery, QUERIES_QUERY, wanted))

    def _reading(
        self,
        what: str,
        kind: type[Report] | type[ReportQuery],
        query: str,
        wanted: Mapping[str, Any],
        size: int = PAGE_SIZE,
    ) -> Reading:
        return Reading(what, kind.from_graphql, query, wanted, min(size, self._taken.page_size))

    def _with_text(
        self, reports: Sequence[Report], known: Mapping[int, Mapping[str, str] | None] | None = None
    ) -> list[Report]:
        """Return the reports with the variables of their queries, where these have to be asked for apart.

        A report can be used without.

        :param known: the variables of some queries, by their ids
        """
        declared = dict(known or {})
        names = {report.query_name for report in reports if report.query_id not in declared} - {None}
        if self._taken.text:
            return list(reports)
        if names:
            wanted = {"name": {"eq": names.pop()}} if len(names) == 1 else {}
            try:
                queries = self._list(lambda: self._queries(wanted))
            except ClarusError as error:
                log.warning("%s So it is not known what the reports declare.", error)
            else:
                declared |= {query.id: query.variables for query in queries}
        return [replace(report, variables=declared.get(report.query_id or 0)) for report in reports]


def _is_id(id_or_name: object) -> bool:
    return isinstance(id_or_name, int) or str(id_or_name).strip().isdecimal()
