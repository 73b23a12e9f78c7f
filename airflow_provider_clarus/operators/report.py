# SPDX-License-Identifier: Apache-2.0
"""The operator that queues the generation of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_clarus import durable
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.models import Document, positive_id
from airflow_provider_clarus.relative import check_relative
from airflow_provider_clarus.triggers.document import document_from_event
from airflow_provider_clarus.variables import Variables, to_api
from airflow_provider_clarus.waiting import Wait
from airflow_provider_clarus.windows import interval_variables

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_clarus.connection import ClarusConnection


class ClarusGenerateReportOperator(BaseOperator):
    """Queue a report, and return the id of the document that it will be.

    :param report_id: the report (templated); only its owner may generate it
    :param variables: a mapping, or a list of ``{"name", "value"}`` (templated). What is not passed keeps the
        value stored in the report, which the server evaluates when it generates it
    :param interval_variables: the names of the two variables that get the first and the last second of the
        run's data interval, in the tenant's time zone
    :param allow_relative_variables: let expressions such as ``3 days ago`` pass, although the server counts
        them from the moment of generation, also in a backfill
    :param subdomain: the tenant (templated), instead of the connection's own
    :param clarus_conn_id: an Airflow connection of type ``clarus`` (templated)
    :param wait_for_completion: finish only when the document is available
    :param deferrable: wait in the triggerer, where thousands of documents share one request
    :param poll_interval: seconds between two looks at a young document
    :param timeout: seconds after which the wait fails
    """

    template_fields: Sequence[str] = (
        "report_id",
        "variables",
        "interval_variables",
        "subdomain",
        "clarus_conn_id",
    )
    template_fields_renderers = {"variables": "json"}  # noqa: RUF012 - Airflow's own convention
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        report_id: int | str,
        variables: Variables = None,
        interval_variables: Sequence[str] | None = None,
        allow_relative_variables: bool = False,
        subdomain: str | None = None,
        clarus_conn_id: str = ClarusHook.default_conn_name,
        wait_for_completion: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 10,
        timeout: float = 3600,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.report_id = report_id
        self.variables = variables
        self.interval_variables = interval_variables
        self.allow_relative_variables = allow_relative_variables
        self.subdomain = subdomain
        self.clarus_conn_id = clarus_conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout

    def execute(self, context: Context) -> Any:
        """Queue the report, and wait for its document if asked to."""
        hook = ClarusHook(self.clarus_conn_id, self.subdomain)
        document = self._generate(hook, context)
        if not self.wait_for_completion:
            return document.id
        wait = Wait(hook, document.id, interval=self.poll_interval, timeout=self.timeout)
        if not self.deferrable:
            return self._finish(hook, wait.block(), context)
        available = wait.look()
        if available is None:
            self.defer(trigger=wait.trigger(), method_name="execute_complete")
        return self._finish(hook, available, context)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Take the trigger's event."""
        hook = ClarusHook(self.clarus_conn_id, self.subdomain)
        return self._finish(hook, document_from_event(event), context)

    def _finish(self, hook: ClarusHook, document: Document, context: Context) -> Any:
        return document.id

    def _generate(self, hook: ClarusHook, context: Context) -> Document:
        report_id = positive_id(self.report_id, "report_id")
        client = hook.client
        variables = self._variables(client.connection, context)
        request = {"report_id": report_id, "tenant": client.connection.tenant, "variables": variables}
        if adopted := durable.adopt(context, client, request):
            return adopted
        document = client.generate_report(report_id, variables)
        durable.remember(context, document, request)
        self.log.info(
            "Report %d of tenant %r is queued as document %d, with %s",
            report_id,
            client.connection.tenant,
            document.id,
            variables or "its stored variables",
        )
        return document

    def _variables(self, connection: ClarusConnection, context: Context) -> list[dict[str, str]]:
        start, end = context.get("data_interval_start"), context.get("data_interval_end")
        dag = self.get_dag()
        window = self.interval_variables and interval_variables(
            self.interval_variables,
            start,
            end,
            timetable_name=type(dag.timetable).__name__ if dag else "the timetable",
        )
        variables = to_api(
            self.variables,
            window or None,
            timezone=connection.timezone,
            variable_format=connection.variable_format,
        )
        warnings = check_relative(
            variables,
            interval_start=start,
            interval_end=end,
            now=datetime.now(timezone.utc),
            is_backfill=getattr(context.get("dag_run"), "run_type", None) == "backfill",
            allow=self.allow_relative_variables,
        )
        for warning in warnings:
            self.log.warning(warning)
        return variables
