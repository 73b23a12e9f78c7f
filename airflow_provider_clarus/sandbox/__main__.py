# SPDX-License-Identifier: Apache-2.0
"""Serve until Ctrl-C: ``python -m airflow_provider_clarus.sandbox``."""

from __future__ import annotations

import argparse
import json
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from airflow_provider_clarus.sandbox.server import REQUESTS_PATH, Sandbox


def main() -> None:
    """Start a sandbox, say how to connect to it, and serve until SIGINT or SIGTERM."""
    options = _options()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        log = stack.enter_context(options.log.open("a", buffering=1)) if options.log else None

        def write(request: LoggedRequest) -> None:
            if log:
                log.write(json.dumps(request.public()) + "\n")

        tenants = options.tenant or ["acme"]
        sandbox = stack.enter_context(
            Sandbox(
                [
                    Report(
                        id=report_id,
                        tenant=tenant,
                        query=STOCK_QUERY,
                        seconds=options.seconds,
                        rows=options.rows,
                        size=options.size,
                    )
                    for tenant in tenants
                    for report_id in options.report or [7]
                ],
                tenants=tenants,
                host=options.host,
                api_port=options.port,
                files_port=options.files_port,
                on_request=write,
            )
        )
        _say(f"Clarus sandbox: {sandbox.url} (files: {sandbox.files_url})")
        _say(f"Requests so far: {sandbox.url}{REQUESTS_PATH}")
        _say(f"export AIRFLOW_CONN_CLARUS_DEFAULT='{sandbox.connection_uri}'")
        stop.wait()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_clarus.sandbox",
        description="A local Clarus API that behaves like the real one.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port of the API (default: a free one)")
    parser.add_argument("--files-port", type=int, default=0, help="port of the files (default: a free one)")
    parser.add_argument("--tenant", action="append", help="a tenant, repeatable (default: acme)")
    parser.add_argument(
        "--report", action="append", type=int, help="an id in each tenant, repeatable (default: 7)"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="per report (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=3, help="lines of each file (default: %(default)s)")
    parser.add_argument("--size", type=int, help="exact bytes of each file, instead of --rows")
    parser.add_argument("--log", type=Path, help="append each request to this file, as a line of JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
