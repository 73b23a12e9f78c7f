# SPDX-License-Identifier: Apache-2.0
"""Answer as four services do while somebody waits, over TLS, and as Clarus, in one process."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
import trustme
from aiohttp import web

from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.benchmarks.waiting import answer
from tests.integration.http.network import TlsFront

BACKLOG = 4096


class Services:
    """Documents of the sandbox, told of in the words of each service.

    dbt Cloud's `run <https://docs.getdbt.com/dbt-cloud/api-v2>`_, Databricks' `run
    <https://docs.databricks.com/api/workspace/jobs/getrun>`_, Anthropic's `message batch
    <https://platform.claude.com/docs/en/api/retrieving-message-batches>`_, and a page that is not there yet.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.asked: list[int] = []

    def app(self) -> web.Application:
        """Return the routes."""
        app = web.Application()
        app.router.add_get("/api/v2/accounts/1/runs/{id}/", self.dbt_cloud)
        app.router.add_get("/api/2.2/jobs/runs/get", self.databricks)
        app.router.add_get("/v1/messages/batches/{id}", self.anthropic)
        app.router.add_get("/pages/{id}", self.page)
        return app

    async def dbt_cloud(self, request: web.Request) -> web.Response:
        """10 is "success", 3 "running"."""
        return web.json_response({"data": {"status": 10 if self._ready(request.match_info["id"]) else 3}})

    async def databricks(self, request: web.Request) -> web.Response:
        """Be asked, with a body, by GET."""
        run_id = (await request.json())["run_id"]
        ready = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS", "state_message": ""}
        running = {"life_cycle_state": "RUNNING", "state_message": "In run"}
        return web.json_response({"run_id": run_id, "state": ready if self._ready(run_id) else running})

    async def anthropic(self, request: web.Request) -> web.Response:
        """One request, that is being processed, or was."""
        batch_id = request.match_info["id"]
        ready = self._ready(batch_id)
        time = "2026-11-26T08:00:00Z"
        counts = {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        batch = {
            "id": batch_id,
            "type": "message_batch",
            "processing_status": "ended" if ready else "in_progress",
            "request_counts": counts | {"processing": 0, "succeeded": 1} if ready else counts,
            "created_at": time,
            "expires_at": "2026-11-27T08:00:00Z",
            "ended_at": time if ready else None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": None,
        }
        return web.json_response(batch)

    async def page(self, request: web.Request) -> web.Response:
        """404 is what a sensor waits at."""
        return web.json_response({}, status=200 if self._ready(request.match_info["id"]) else 404)

    def _ready(self, document_id: Any) -> bool:
        self.asked.append(int(document_id))
        return self._sandbox.documents[self.asked[-1]].available


def serve(pipe: Connection, bundle: Path) -> None:
    """Be the process: write the certificates to trust, send the connections, and answer."""
    authority = trustme.CA()
    # Others read as many certificates as they would elsewhere.
    bundle.write_text(Path(certifi.where()).read_text() + authority.cert_pem.bytes().decode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Sandbox([Report(id=7)]) as sandbox, TlsFront(context, urlsplit(sandbox.url).port or 0) as front:
        services = Services(sandbox)
        port = _serve_services(services, context)
        pipe.send(_connections(sandbox, front.port, port))
        answer(pipe, sandbox, [sandbox.tenant], sandbox.requests, services.asked)


def _serve_services(services: Services, context: ssl.SSLContext) -> int:
    loop = asyncio.new_event_loop()

    async def start() -> int:
        runner = web.AppRunner(services.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, backlog=BACKLOG)
        await site.start()
        return runner.addresses[0][1]

    port = loop.run_until_complete(start())
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return port


def _connections(sandbox: Sandbox, front_port: int, port: int) -> dict[str, str]:
    clarus = json.loads(sandbox.connection_json) | {"host": "https://localhost", "port": front_port}
    connections = {
        "CLARUS": clarus,
        "DBT_CLOUD": {"host": f"localhost:{port}", "login": "1", "password": "token"},
        "DATABRICKS": {"host": "localhost", "port": port, "password": "token"},
        "HTTP": {"host": "localhost", "port": port, "schema": "https"},
        "ANTHROPIC": {"host": f"https://localhost:{port}", "password": "key"},
    }
    return {
        f"AIRFLOW_CONN_{name}_DEFAULT": json.dumps({"conn_type": name.lower()} | fields)
        for name, fields in connections.items()
    }
