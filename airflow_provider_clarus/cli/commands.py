# SPDX-License-Identifier: Apache-2.0
"""Run the commands. Each takes the options that :mod:`~airflow_provider_clarus.cli.definition` lists."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from airflow_provider_clarus.cli._output import Rows, command
from airflow_provider_clarus.cli._snippet import snippet
from airflow_provider_clarus.exceptions import ClarusError, ClarusInputError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.variables.declared import check_declared

log = logging.getLogger(__name__)


@command
def list_reports(options: Any) -> Iterator[Rows]:
    """List the reports that the connection's user sees."""
    reports = _hook(options).get_reports(options.name)
    rows = [
        {
            "id": report.id,
            "name": report.name,
            "report_type": report.report_type,
            "query": report.query_name,
            "variables": report.variables,
        }
        for report in reports
    ]
    yield Rows(rows, options.output)


@command
def show_report(options: Any) -> Iterator[Rows | str]:
    """Show a report, and a DAG for it."""
    report = _hook(options).get_report(options.report)
    dag = snippet(report)
    if options.output != "table":
        yield Rows([{**report.as_dict(), "dag": dag}], options.output)
        return
    facts = report.as_dict()
    variables = facts.pop("variables")
    yield Rows([facts], options.output)
    if variables is None:
        yield "What it declares cannot be read: its query was deleted, or is not shown."
    else:
        yield Rows([{"variable": name, "type": kind} for name, kind in variables.items()], options.output)
    yield dag


@command
def generate_report(options: Any) -> Iterator[Rows]:
    """Generate a report, wait for it, and land its file."""
    from airflow_provider_clarus.landing.document import land_document
    from airflow_provider_clarus.landing.landing import Landing
    from airflow_provider_clarus.receipts import Receipts
    from airflow_provider_clarus.waiting.wait import Wait
    from airflow_provider_clarus.wanted import look_up

    landing = Landing.settle(options.destination)
    landing.check_connection()
    hook = _hook(options)
    sent = [{"name": name, "value": value} for name, value in _pairs(options.variable, "--variable")]
    is_id = options.report.strip().isdecimal()
    wanted = int(options.report) if is_id else options.report
    report_id, _ = look_up(hook.client, wanted, sent, check_variables=not options.no_check_variables)
    document = hook.client.generate_report(report_id, sent)
    tenant = hook.client.connection.tenant
    log.info("Report %d of tenant %r is queued as document %d", report_id, tenant, document.id)
    wait = Wait(hook, document.id, interval=options.poll_interval, timeout=options.timeout)
    document = wait.block()
    landed = land_document(hook, document.id, document, landing, receipts=Receipts({}), log=log)
    yield Rows([landed], options.output)


@command
def create_report(options: Any) -> Iterator[Rows]:
    """Make a report of a shared query."""
    hook = _hook(options)
    like = hook.get_report(options.like) if options.like else None
    query = options.query or (like.query_id if like else None)
    if not query:
        raise ClarusInputError(
            "Which query? Pass --query, or --like with a report whose query is still there."
        )
    fields = [{"name": name, "path": path} for name, path in _pairs(options.field, "--field")]
    if not fields:
        raise ClarusInputError(
            "Which columns? Those of another report cannot be read through the API: pass each as --field "
            "HEADER=PATH, such as --field SKU=node.product.code."
        )
    sent = [{"name": name, "value": value} for name, value in _pairs(options.variable, "--variable")]
    if like and like.variables is not None and not options.query:
        check_declared(sent, like.variables, f"the query {like.query_name!r}")
    kind = options.report_type or (like.report_type if like else None) or "single"
    report = hook.create_report(
        options.name,
        query,
        # The list calls a table what is made as single.
        report_type="single" if kind == "table" else kind,
        source_path=options.source_path or (like.source_path if like else None),
        report_fields=fields,
        variables=sent,
        description=options.description or (like.description if like else None),
    )
    if like and not sent:
        log.info("No variables are stored in it: those of report %d cannot be read through the API.", like.id)
    yield Rows([report.as_dict()], options.output)


@command
def check(options: Any) -> Iterator[str]:
    """Check a connection, step by step; or try what this package takes the server for."""
    if options.deep or options.generate:
        from airflow_provider_clarus.cli._deep import deep_report

        yield from deep_report(_hook(options), options.generate)
        return
    works, said = _hook(options).test_connection()
    if not works:
        raise ClarusError(said)
    yield said


def _hook(options: Any) -> ClarusHook:
    return ClarusHook(options.conn_id, options.subdomain)


def _pairs(texts: list[str], option: str) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ClarusInputError(f"{option} is {text!r}; it must be a name, =, and a value.")
        yield name.strip(), value
