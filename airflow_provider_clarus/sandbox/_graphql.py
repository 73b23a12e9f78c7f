# SPDX-License-Identifier: Apache-2.0
"""Serve ``POST /graphql``: a real schema, so that a wrong query is refused in a real server's words."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache, lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    build_schema,
    execute_sync,
    parse,
    specified_rules,
    validate,
)

from airflow_provider_clarus.sandbox._complexity import complexity
from airflow_provider_clarus.sandbox._filters import Node, matching
from airflow_provider_clarus.sandbox.documents import Document, Store
from airflow_provider_clarus.sandbox.reports import Report, ReportQuery

PAGE = 100

SDL = """
scalar ISO8601DateTime
input IdInputType { eq: ID, in: [ID!], gt: ID, gteq: ID, lt: ID, lteq: ID, filled: Boolean }
input StringInputType { eq: String, ilike: String, like: String, in: [String!], between: [String!] }
input DatetimeInputType {
  eq: ISO8601DateTime, from: ISO8601DateTime, to: ISO8601DateTime, between: [ISO8601DateTime!]
}
type PageInfo { hasNextPage: Boolean!, endCursor: String }

input DocumentFilterType {
  id: IdInputType
  file_name: StringInputType, category: StringInputType, status: StringInputType, file_type: StringInputType
  created_at: DatetimeInputType
}
type Document {
  id: ID!, file_name: String, file_type: String, category: String, status: String
  created_at: ISO8601DateTime, updated_at: ISO8601DateTime
}
type DocumentEdge { cursor: String!, node: Document }
type DocumentConnection { edges: [DocumentEdge], pageInfo: PageInfo! }
type Documents { all(filter: DocumentFilterType, first: Int, after: String): DocumentConnection }

input BooleanInputType { eq: Boolean }
input ReportFilterType {
  id: IdInputType
  name: StringInputType, report_type: StringInputType, report_query_id: IdInputType, generic: BooleanInputType
}
input ReportQueryFilterType { name: StringInputType, description: StringInputType }
type ReportQuery {
  id: ID!, name: String, description: String, graphql: String
  created_at: ISO8601DateTime, updated_at: ISO8601DateTime
}
type ReportQueryEdge { cursor: String!, node: ReportQuery }
type ReportQueryConnection { edges: [ReportQueryEdge], pageInfo: PageInfo! }
type ReportQueries { all(filter: ReportQueryFilterType, first: Int, after: String): ReportQueryConnection }

type QueryOfReport { id: ID!, name: String, graphql: String }
type Report {
  id: ID!, name: String, description: String, report_type: String, source_path: String, generic: Boolean
  uuid: String, report_query: QueryOfReport
}
type ReportEdge { cursor: String!, node: Report }
type ReportConnection { edges: [ReportEdge], pageInfo: PageInfo! }
type Reports { all(filter: ReportFilterType, first: Int, after: String): ReportConnection }

type Query { documents: Documents, reports: Reports, report_queries: ReportQueries }
"""


#: What is not documented, and where it stands.
INFERRED = {
    "id_filter": r"(DocumentFilterType \{\s+)id: IdInputType",
    "report_id_filter": r"(ReportFilterType \{\s+)id: IdInputType",
    "report_query_text": r"(QueryOfReport \{ id: ID!, name: String), graphql: String",
}


@dataclass(frozen=True)
class Context:
    """What a resolver needs to know of the request."""

    store: Store
    tenant: str


class GraphQL:
    """Answers queries over one store."""

    def __init__(
        self,
        store: Store,
        *,
        without: Collection[str],
        introspection: bool,
        max_complexity: float,
        redacted: bool,
    ):
        self._store = store
        self._max_complexity = max_complexity
        self._redacted = redacted
        self._introspection = introspection
        self._schema = _schema(*without)

    def answer(self, tenant: str, request: object) -> dict[str, Any]:
        """Return the body of the answer to ``{"query", "variables", "operationName"}``."""
        answer = self._answer(tenant, request)
        if self._redacted and "errors" in answer:
            return {"errors": [{"message": "Something went wrong"}]}
        return answer

    def _answer(self, tenant: str, request: object) -> dict[str, Any]:
        if not isinstance(request, dict) or not isinstance(request.get("query"), str):
            return {"errors": [{"message": "No query string was present"}]}
        variables = request.get("variables") or {}
        if not isinstance(variables, dict):
            return {"errors": [{"message": "Variables must be an object, by their names"}]}
        try:
            query = _checked(self._schema, request["query"], self._introspection)
        except GraphQLError as error:
            return {"errors": [error.formatted]}
        if isinstance(query, list):
            return {"errors": query}
        cost = complexity(query, variables)
        if cost > self._max_complexity:
            limit = f"{self._max_complexity:.0f}"
            message = f"Query has complexity of {cost}, which exceeds max complexity of {limit}"
            return {"errors": [{"message": message}]}
        result = execute_sync(
            self._schema,
            query,
            root_value={
                "documents": {"all": _documents},
                "reports": {"all": _reports},
                "report_queries": {"all": _queries},
            },
            context_value=Context(self._store, tenant),
            variable_values=variables,
            operation_name=request.get("operationName"),
        )
        # A request that never ran has errors alone (GraphQL specification, 7.1.1).
        return {name: part for name, part in result.formatted.items() if (name, part) != ("data", None)}


@cache
def _schema(*without: str) -> GraphQLSchema:
    """Build a schema once for all sandboxes of a process: it takes longer than all else of their start."""
    sdl = SDL
    for missing in without:
        sdl = re.sub(INFERRED[missing], r"\1", sdl)
    return build_schema(sdl)


@lru_cache(maxsize=256)
def _checked(schema: GraphQLSchema, query: str, introspection: bool) -> DocumentNode | list[Any]:
    """Parse and validate once per query text: it takes longer than the execution."""
    document = parse(query)
    rules = [*specified_rules, *([] if introspection else [NoSchemaIntrospectionCustomRule])]
    errors = validate(schema, document, rules)
    return [error.formatted for error in errors] if errors else document


def _documents(info: GraphQLResolveInfo[Context], **arguments: Any) -> Node:
    context = info.context
    conditions = arguments.get("filter") or {}
    start = _decode(arguments.get("after"))
    found = (
        document
        for document in _candidates(context, conditions.get("id") or {}, start)
        if document.age >= document.report.replica_lag
    )
    return _page(matching(map(_document_node, found), conditions), arguments.get("first"))


def _candidates(context: Context, ids: Mapping[str, Any], start: int) -> Iterable[Document]:
    """Return the tenant's documents from there on; when they are asked for by id, no others are looked at."""
    wanted = ids.get("in") if ids.get("eq") is None else [ids["eq"]]
    if wanted is None:
        return context.store.documents_after(context.tenant, start)
    numbers = sorted({int(text) for text in wanted if text.isdecimal()})
    documents = (context.store.document(context.tenant, number) for number in numbers if number > start)
    return [document for document in documents if document]


def _reports(info: GraphQLResolveInfo[Context], **arguments: Any) -> Node:
    reports = info.context.store.reports_of(info.context.tenant)
    return _after(map(_report_node, reports), arguments)


def _queries(info: GraphQLResolveInfo[Context], **arguments: Any) -> Node:
    queries = info.context.store.queries_of(info.context.tenant)
    return _after(map(_query_node, queries), arguments)


def _after(nodes: Iterable[Node], arguments: Mapping[str, Any]) -> Node:
    start = _decode(arguments.get("after"))
    found = (node for node in nodes if int(node["id"]) > start)
    return _page(matching(found, arguments.get("filter") or {}), arguments.get("first"))


def _document_node(document: Document) -> Node:
    if document.poisoned:
        raise GraphQLError(f"Document {document.id} could not be read.")
    available = document.available
    return {
        "id": str(document.id),
        "file_name": document.file_name if available else None,
        "file_type": document.file_type if available else None,
        "category": "report",
        "status": document.status,
        "created_at": _iso(document.created),
        "updated_at": _iso(document.updated),
    }


def _report_node(report: Report) -> Node:
    return {
        "id": str(report.id),
        "name": report.name,
        "description": report.description,
        "report_type": report.report_type,
        "source_path": report.source_path,
        "generic": report.generic,
        "uuid": f"00000000-0000-4000-8000-{report.id:012d}",
        "report_query": report.query and _query_node(report.query),
        "report_query_id": str(report.query.id) if report.query else None,
    }


def _query_node(query: ReportQuery) -> Node:
    return {
        "id": str(query.id),
        "name": query.name,
        "description": query.description,
        "graphql": query.graphql,
        "created_at": "2024-01-10T10:00:00Z",
        "updated_at": "2024-01-10T10:00:00Z",
    }


def _page(nodes: Iterable[Node], first: int | None) -> Node:
    """Return one page of a connection; the cap holds whatever was asked for."""
    limit = PAGE if first is None else max(0, min(first, PAGE))
    page = list(itertools.islice(nodes, limit + 1))
    edges = [{"cursor": _encode(node["id"]), "node": node} for node in page[:limit]]
    return {
        "edges": edges,
        "pageInfo": {"hasNextPage": len(page) > limit, "endCursor": edges[-1]["cursor"] if edges else None},
    }


def _encode(node_id: str) -> str:
    return base64.b64encode(node_id.encode()).decode()


def _decode(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.b64decode(cursor, validate=True))
    except ValueError:
        raise GraphQLError(f"Invalid cursor: {cursor!r}.") from None


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
