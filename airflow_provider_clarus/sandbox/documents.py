# SPDX-License-Identifier: Apache-2.0
"""Keep the sandbox's state: reports and the documents that come of them.

Nothing runs in the background: a status is computed from the clock when it is asked for.
"""

from __future__ import annotations

import itertools
import math
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter

from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.sandbox.clock import Clock
from airflow_provider_clarus.sandbox.content import Content, csv_content
from airflow_provider_clarus.sandbox.reports import Report, ReportQuery

MULTIPART_FROM = 64 * 1024 * 1024


@dataclass(eq=False)
class Document:
    """A file in the making. A test may change what is not derived: ``document.seconds = 0`` finishes it."""

    id: int
    tenant: str
    report: Report
    variables: Mapping[str, Sequence[str]]
    seconds: float
    outcome: str
    created: float
    clock: Clock
    poisoned: bool = False
    """Whether every GraphQL query that meets it fails."""
    version: int = 1
    """Of the content; :meth:`change_content` raises it."""

    @property
    def age(self) -> float:
        """Seconds since the POST."""
        return self.clock.time() - self.created

    @property
    def status(self) -> str:
        """Queued for a third of the time, at most a second; processing; then the outcome."""
        age = self.age
        if age >= self.seconds:
            return self.outcome
        waiting = DocumentStatus.QUEUED if age < min(self.seconds / 3, 1.0) else DocumentStatus.PROCESSING
        return waiting.value.upper() if self.outcome.isupper() else waiting.value

    @property
    def available(self) -> bool:
        """Whether there is a file."""
        return DocumentStatus.parse(self.status) is DocumentStatus.AVAILABLE

    @property
    def updated(self) -> float:
        """When it last changed its status, in seconds since the epoch."""
        return self.created + (self.seconds if self.age >= self.seconds else 0.0)

    @property
    def file_name(self) -> str:
        """The name that it has, or will have."""
        return self.report.file_name or f"report-{self.report.id}-{self.id}.{self.file_type}"

    @property
    def file_type(self) -> str:
        """The short name of its type, as in GraphQL."""
        return self.report.content_type.rpartition("/")[2]

    @cached_property
    def content(self) -> Content:
        """The file: one line per stock line, with the variables as columns."""
        columns = {
            "tenant": self.tenant,
            "report_id": str(self.report.id),
            "document_id": str(self.id),
            "version": str(self.version),
            **{name: ";".join(values) for name, values in self.variables.items()},
        }
        return csv_content(columns, rows=self.report.rows, size=self.report.size)

    @property
    def etag(self) -> str:
        """The entity tag, in its quotes."""
        multipart = self.report.multipart_etag
        if multipart is None:
            multipart = self.content.size > MULTIPART_FROM
        return f'"{self.content.multipart_etag if multipart else self.content.md5}"'

    def change_content(self) -> None:
        """Replace the file by another of the same shape, with another ETag."""
        self.version += 1
        self.__dict__.pop("content", None)


class Store:
    """Everything that exists, by tenant."""

    def __init__(self, tenants: Sequence[str], clock: Clock):
        self._clock = clock
        self.tenants = tuple(tenants)
        self.reports: dict[tuple[str, int], Report] = {}
        self.queries: dict[tuple[str, int], ReportQuery] = {}
        self.documents: dict[int, Document] = {}
        self._by_tenant: dict[str, list[Document]] = {tenant: [] for tenant in tenants}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._user_ids: dict[str, int] = {}

    def add_report(self, report: Report) -> Report:
        """Add a report, or replace it; its documents keep what they had."""
        tenant = self._known(report.tenant)
        query = report.query and self.add_query(replace(report.query, tenant=tenant))
        placed = replace(report, tenant=tenant, query=query)
        self.reports[tenant, placed.id] = placed
        return placed

    def add_query(self, query: ReportQuery) -> ReportQuery:
        """Add a report query, or replace it."""
        tenant = self._known(query.tenant)
        placed = replace(query, tenant=tenant)
        self.queries[tenant, placed.id] = placed
        return placed

    def _known(self, tenant: str | None) -> str:
        if tenant is not None and tenant not in self.tenants:
            raise ValueError(f"The sandbox has no tenant {tenant!r}, only {', '.join(self.tenants)}.")
        return tenant or self.tenants[0]

    def add_document(self, report: Report, variables: Sequence[tuple[str, str]] = ()) -> Document:
        """Generate a report that :meth:`add_report` returned."""
        merged = {name: [value] for name, value in report.variables.items()}
        for name in dict(variables):
            merged[name] = [value for other, value in variables if other == name]
        with self._lock:  # Both the server and a test may add; a tenant's list must stay in the order of ids.
            document = Document(
                id=next(self._ids),
                tenant=report.tenant or self.tenants[0],
                report=report,
                variables=merged,
                seconds=report.seconds,
                outcome=report.outcome,
                created=self._clock.time(),
                clock=self._clock,
            )
            self.documents[document.id] = document
            self._by_tenant[document.tenant].append(document)
        return document

    def document(self, tenant: str, document_id: int) -> Document | None:
        """Return a document when the tenant has it."""
        document = self.documents.get(document_id)
        return document if document and document.tenant == tenant else None

    def documents_after(self, tenant: str, document_id: float = -math.inf) -> Iterator[Document]:
        """Yield a tenant's documents with a higher id than that, in their order; none that was deleted."""
        documents = self._by_tenant[tenant]
        first = bisect_right(documents, document_id, key=lambda document: document.id)
        return (one for one in itertools.islice(documents, first, None) if one.id in self.documents)

    def reports_of(self, tenant: str) -> list[Report]:
        """Return a tenant's reports."""
        return [
            report
            for (owner, _), report in sorted(self.reports.items(), key=itemgetter(0))
            if owner == tenant
        ]

    def queries_of(self, tenant: str) -> list[ReportQuery]:
        """Return a tenant's report queries."""
        return [
            query for (owner, _), query in sorted(self.queries.items(), key=itemgetter(0)) if owner == tenant
        ]

    def user_id(self, user: str) -> int:
        """Return the number of a user."""
        return self._user_ids.setdefault(user, len(self._user_ids) + 1)
