# SPDX-License-Identifier: Apache-2.0
"""Run the sandbox: two HTTP servers in a thread, and the handles by which a test steers them."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_clarus.sandbox._api import Api
from airflow_provider_clarus.sandbox._graphql import GraphQL
from airflow_provider_clarus.sandbox._serving import Server, listen, serve
from airflow_provider_clarus.sandbox.clock import Clock
from airflow_provider_clarus.sandbox.documents import Document, Store
from airflow_provider_clarus.sandbox.faults import Fault, Faults, misbehave
from airflow_provider_clarus.sandbox.files import Files, Signer
from airflow_provider_clarus.sandbox.oauth import Authority
from airflow_provider_clarus.sandbox.reports import Report, ReportQuery
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest, logged

REQUESTS_PATH = "/sandbox/requests"


class Sandbox:
    """A local Clarus API, from entering the context until leaving it. Entered again, it is back as it was.

    :param reports: what can be generated; :meth:`add_report` adds more
    :param tenants: the tenants that exist; the first is the one of the connection
    :param token_lifetime: seconds for which an access token is good
    :param url_lifetime: seconds for which a presigned URL is good, the one that has begun included
    :param id_filter: whether documents can be filtered by id in GraphQL, which is not documented
    :param report_id_filter: the same of reports, which is not documented either
    :param report_query_text: whether a query's text can be asked for below its report, which is not either
    :param refuse_unknown_variables: whether a variable that a report's query does not declare is answered
        with 422; else it is ignored without a word, and the stored value stays
    :param introspection: whether GraphQL tells of its schema
    :param max_complexity: of a query, above which it is refused; the page size asked for counts
    :param redacted: whether GraphQL's errors say no more than that there was one
    :param api_port: 0 for a free one, as ``files_port``
    :param on_request: called in the server's thread with each request when it has been answered
    """

    def __init__(
        self,
        reports: Iterable[Report] = (),
        *,
        tenants: Sequence[str] = ("acme",),
        client_id: str = "clarus-client",
        client_secret: str = "sandbox-secret",  # noqa: S107 (it opens nothing but this sandbox)
        token_lifetime: float = 3600.0,
        url_lifetime: int = 300,
        id_filter: bool = True,
        report_id_filter: bool = True,
        report_query_text: bool = True,
        refuse_unknown_variables: bool = False,
        introspection: bool = True,
        max_complexity: float = math.inf,
        redacted: bool = False,
        host: str = "127.0.0.1",
        api_port: int = 0,
        files_port: int = 0,
        on_request: Callable[[LoggedRequest], None] | None = None,
    ):
        self.client_id = client_id
        self.client_secret = client_secret
        self.requests: list[LoggedRequest] = []
        self._on_request = on_request
        self.clock = Clock()
        self._store = Store(tenants, self.clock)
        self._authority = Authority(client_id, client_secret, token_lifetime, self.clock)
        self._faults = Faults(self.clock)
        self._host = host
        self._ports = {"api": api_port, "files": files_port}
        self._signer = Signer(url_lifetime, self.clock)
        inferred = {
            "id_filter": id_filter,
            "report_id_filter": report_id_filter,
            "report_query_text": report_query_text,
        }
        self._graphql = GraphQL(
            self._store,
            without=[name for name, taken in inferred.items() if not taken],
            introspection=introspection,
            max_complexity=max_complexity,
            redacted=redacted,
        )
        self._refuses = refuse_unknown_variables
        self._servers: list[Server] = []
        self._thread: threading.Thread | None = None
        for report in reports:
            self.add_report(report)

    def __enter__(self) -> Sandbox:
        sockets = {origin: listen(self._host, port) for origin, port in self._ports.items()}
        self._ports = {origin: listener.getsockname()[1] for origin, listener in sockets.items()}
        api = Api(
            self._store, self._authority, self._graphql, self._signer, self.files_url, refuses=self._refuses
        ).app()
        api.add_route(REQUESTS_PATH, self._show_requests)
        apps = {"api": api, "files": Files(self._store, self._signer).app()}
        self._servers = [Server(self._observed(origin, app)) for origin, app in apps.items()]
        self._thread = threading.Thread(
            target=asyncio.run,
            args=[serve(self._servers, list(sockets.values()))],
            name="clarus-sandbox",
            daemon=True,
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.should_exit = True
        if self._thread:
            self._thread.join()

    @property
    def url(self) -> str:
        """The API's origin."""
        return f"http://{self._host}:{self._ports['api']}"

    @property
    def files_url(self) -> str:
        """The files' origin."""
        return f"http://{self._host}:{self._ports['files']}"

    @property
    def tenant(self) -> str:
        """The first tenant."""
        return self._store.tenants[0]

    @property
    def connection_uri(self) -> str:
        """The Airflow connection as a URI, in the form that Airflow itself gives to a host with a scheme."""
        secret, client = quote(self.client_secret, safe=""), quote(self.client_id, safe="")
        host = self.url.removeprefix("http://")
        return f"clarus://http://{client}:{secret}@{host}/{quote(self.tenant, safe='')}"

    @property
    def connection_json(self) -> str:
        """The Airflow connection as JSON."""
        fields = {
            "conn_type": "clarus",
            "host": f"http://{self._host}",
            "port": self._ports["api"],
            "login": self.client_id,
            "password": self.client_secret,
            "schema": self.tenant,
        }
        return json.dumps(fields)

    @property
    def documents(self) -> dict[int, Document]:
        """All documents of all tenants, by id."""
        return self._store.documents

    def add_report(self, report: Report) -> None:
        """Add a report, or replace it for what is generated from now on."""
        self._store.add_report(report)

    @property
    def reports(self) -> list[Report]:
        """The first tenant's reports, those that were made through the API included."""
        return self._store.reports_of(self.tenant)

    def add_query(self, query: ReportQuery) -> None:
        """Add a report query of which there is no report yet."""
        self._store.add_query(query)

    def add_documents(self, count: int, report_id: int, *, tenant: str | None = None) -> list[int]:
        """Generate a report so many times without any request; return the documents' ids."""
        report = self._store.reports[tenant or self.tenant, report_id]
        return [self._store.add_document(report).id for _ in range(count)]

    def issue_token(self, user: str | None = None) -> dict[str, Any]:
        """Return a token answer, refresh token included, of ``user`` or of the client itself."""
        return self._authority.issue(user or self.client_id, refreshable=True)

    def revoke_tokens(self) -> None:
        """End all access tokens, as a sign-in with the API user does; refresh tokens stay good."""
        self._authority.revoke_all()

    def expire_urls(self) -> None:
        """End all presigned URLs."""
        self._signer.expire_all()

    def inject(self, fault: Fault) -> None:
        """Let something go wrong."""
        self._faults.inject(fault)

    def clear_faults(self) -> None:
        """Let everything work again."""
        self._faults.clear()

    def count(self, endpoint: str) -> int:
        """Return how many requests an endpoint has had."""
        return sum(request.endpoint == endpoint for request in self.requests)

    def _observed(self, origin: str, app: ASGIApp) -> ASGIApp:
        """Wrap an application so that each request is logged, and meets its fault."""

        async def observed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == REQUESTS_PATH:
                await app(scope, receive, send)
                return
            body = await _read(receive)
            request = logged(scope, origin, time.time(), body)
            self.requests.append(request)
            unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

            async def replay() -> Message:
                return unread.pop() if unread else await receive()

            async def count(message: Message) -> None:
                if message["type"] == "http.response.start":
                    request.status = message["status"]
                else:
                    request.bytes_sent += len(message.get("body", b""))
                await send(message)

            fault = self._faults.take(request)
            with suppress(asyncio.CancelledError):  # The sandbox is closing.
                if fault:
                    await misbehave(fault, app, scope, replay, count)
                else:
                    await app(scope, replay, count)
            if self._on_request:
                self._on_request(request)

        return observed

    async def _show_requests(self, request: Request) -> Response:
        return JSONResponse([logged_request.public() for logged_request in self.requests])


async def _read(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body
