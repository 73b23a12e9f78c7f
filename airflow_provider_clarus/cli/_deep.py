# SPDX-License-Identifier: Apache-2.0
"""Report on a server, to be attached to an issue: each point that is published nowhere, as it was found."""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import version

from airflow_provider_clarus import __version__
from airflow_provider_clarus.api.points import findings
from airflow_provider_clarus.connection.connection import DEFAULT_HOST
from airflow_provider_clarus.hooks.clarus import ClarusHook


def deep_report(hook: ClarusHook, generate: str | None) -> Iterator[str]:
    """Yield the lines of the report, in Markdown.

    :param generate: a report that may be queued, by its id or name; else everything is only read
    :raises ClarusError: when there is no connection, or no such report
    """
    # What is logged on the way names tenants and reports.
    logging.getLogger("airflow_provider_clarus").setLevel(logging.CRITICAL)
    client = hook.client
    report_id = client.reports.one(generate).id if generate else None
    settings = client.connection
    yield "## What this server does"
    yield ""
    yield (
        f"airflow-provider-clarus {__version__}, Airflow {version('apache-airflow')}, Python "
        f"{platform.python_version()}, {datetime.now(timezone.utc):%Y-%m-%d}; "
        f"{'clarus-api.com' if settings.base_url == DEFAULT_HOST else 'another host'}, "
        f"{settings.grant_type}; {'a report was queued' if report_id else 'only read'}."
    )
    yield ""
    yield "| point | assumed | found | verdict |"
    yield "|---|---|---|---|"
    for finding in findings(client, report_id):
        yield f"| {finding.point} | {finding.assumed} | {finding.found} | {finding.verdict} |"
