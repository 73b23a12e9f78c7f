# SPDX-License-Identifier: Apache-2.0
"""Serve the API origin: who may call, and the REST calls."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_clarus.sandbox._creation import new_report
from airflow_provider_clarus.sandbox._graphql import GraphQL
from airflow_provider_clarus.sandbox.documents import Document, Store
from airflow_provider_clarus.sandbox.files import Signer
from airflow_provider_clarus.sandbox.oauth import Authority
from airflow_provider_clarus.sandbox.reports import Report

CODES = {400: "bad_request", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 422: "invalid"}

Handler = Callable[[Request, str, str], Awaitable[Response]]


class _Ids(Convertor[int]):
    """Ids as a database has them; Python refuses to read thousands of digits."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("id", _Ids())


class Api:
    """REST and GraphQL over one store."""

    def __init__(
        self,
        store: Store,
        authority: Authority,
        graphql: GraphQL,
        signer: Signer,
        files_url: str,
        *,
        refuses: bool,
    ):
        self._store = store
        self._authority = authority
        self._graphql = graphql
        self._signer = signer
        self._files_url = files_url
        self._refuses = refuses

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/oauth/token", self._authority.token, methods=["POST"]),
                Route("/oauth/authorize", self._authority.authorize, methods=["GET"]),
                Route("/graphql", self._guarded(self._query), methods=["POST"]),
                Route("/api/reports", self._guarded(self._create), methods=["POST"]),
                Route("/api/reports/{id:id}/generate", self._guarded(self._generate), methods=["POST"]),
                Route("/api/documents/{id:id}/download", self._guarded(self._download), methods=["GET"]),
            ],
            exception_handlers={HTTPException: _http_error},
        )

    def _guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a handler so that it is only called for a user and a tenant that exist."""

        async def endpoint(request: Request) -> Response:
            user = self._authority.user_of(request.headers.get("authorization", ""))
            if user is None:
                return JSONResponse({"error": "The access token is missing, expired or revoked."}, 401)
            tenant = request.headers.get("x-clarus-subdomain")
            if not tenant:
                return JSONResponse({"error": "The X-Clarus-Subdomain header is missing."}, 401)
            if tenant not in self._store.tenants:
                raise HTTPException(404, f"There is no tenant {tenant!r}.")
            return await handler(request, user, tenant)

        return endpoint

    async def _query(self, request: Request, user: str, tenant: str) -> Response:
        return JSONResponse(self._graphql.answer(tenant, await _json(request)))

    async def _generate(self, request: Request, user: str, tenant: str) -> Response:
        report_id = request.path_params["id"]
        report = self._store.reports.get((tenant, report_id))
        if report is None:
            raise HTTPException(404, f"There is no report {report_id} in {tenant}.")
        if report.owner != user:
            raise HTTPException(403, f"Only its owner may generate report {report_id}.")
        variables = _variables(await _json(request))
        taken = [
            (name, value) for name, value in variables if not report.query or report.query.declares(name)
        ]
        if self._refuses and len(taken) < len(variables):
            unknown = ", ".join(sorted(dict(variables).keys() - dict(taken).keys()))
            raise HTTPException(422, f"Report {report_id} has no variable {unknown}.")
        document = self._store.add_document(report, taken)
        return JSONResponse({"data": self._resource(document)})

    async def _create(self, request: Request, user: str, tenant: str) -> Response:
        attributes = new_report(await _json(request))
        query = self._store.queries.get((tenant, attributes["report_query_id"]))
        if query is None:
            raise HTTPException(422, "Report query must exist.")
        report = self._store.add_report(
            Report(
                id=max((report.id for report in self._store.reports_of(tenant)), default=0) + 1,
                owner=user,
                tenant=tenant,
                name=attributes["name"],
                description=attributes.get("description"),
                report_type=attributes["report_type"],
                source_path=attributes.get("source_path"),
                query=query,
                variables={item["name"]: item["value"] for item in attributes.get("variables", [])},
            )
        )
        made = {"report_fields": [], "variables": [], **attributes}
        return JSONResponse({"data": {"id": report.id, "type": "reports", "attributes": made}})

    async def _download(self, request: Request, user: str, tenant: str) -> Response:
        document_id = request.path_params["id"]
        document = self._store.document(tenant, document_id)
        if document is None or document.age < document.report.download_lag:
            raise HTTPException(404, f"There is no document {document_id} in {tenant}.")
        if document.report.owner != user:
            raise HTTPException(403, f"You may not download document {document_id}.")
        if not document.available:
            raise HTTPException(404, f"Document {document_id} has no file: it is {document.status}.")
        return JSONResponse({"url": self._signer.url(self._files_url, document)})

    def _resource(self, document: Document) -> dict[str, Any]:
        available = document.available
        return {
            "id": document.id,
            "type": "documents",
            "attributes": {
                "category": "report",
                "file_name": document.file_name if available else None,
                "file_path": self._signer.key(document) if available else None,
                "file_type": document.report.content_type if available else None,
                "status": document.status.lower(),
                "user_id": self._store.user_id(document.report.owner),
            },
        }


async def _json(request: Request) -> Any:
    body = await request.body()
    if not body:
        return {}
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise HTTPException(400, "The Content-Type must be application/json.")
    try:
        parsed = json.loads(body)
        # Half a surrogate pair is JSON, but no text that could be answered.
        json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"The body is not JSON: {error}.") from error
    return parsed


def _variables(body: Any) -> list[tuple[str, str]]:
    variables = body.get("variables", []) if isinstance(body, dict) else None
    if not isinstance(variables, list):
        raise HTTPException(422, "variables must be a list of objects with a name and a value.")
    # Rails drops what is null in a list.
    return [_variable(item) for item in variables if item is not None]


def _variable(item: Any) -> tuple[str, str]:
    match item:
        case {"name": str(name), "value": str(value)} if name:
            return name, value
    raise HTTPException(422, f"A variable needs a name and a value, both strings, not {item!r}.")


async def _http_error(request: Request, error: Exception) -> Response:
    """Answer in the documented form of errors."""
    assert isinstance(error, HTTPException)  # noqa: S101 (for the type; Starlette calls it for no other)
    symbol = CODES.get(error.status_code, "error")
    item = {
        "code": 1000 + error.status_code,
        "symbol": symbol,
        "details": error.detail,
        "source": None,
        "context": {},
    }
    return JSONResponse({"errors": [item]}, error.status_code, error.headers)
