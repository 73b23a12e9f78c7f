# SPDX-License-Identifier: Apache-2.0
"""Queue the generation of a report: the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_clarus import durable
from airflow_provider_clarus.generation import TEMPLATE_FIELDS, Generation
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.lineage.traced import Traced
from airflow_provider_clarus.stopping import Stoppable, Work
from airflow_provider_clarus.triggers.deferral import GoesOn
from airflow_provider_clarus.triggers.event import document_of, settled_of
from airflow_provider_clarus.variables import settle
from airflow_provider_clarus.variables.values import Variables

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ClarusGenerateReportOperator(Stoppable, GoesOn, Traced, BaseOperator):
    """Queue a report, and return the id of the document that it will be.

    :param report_id: the report (templated); only its owner may generate it
    :param report_name: the report's whole name (templated), instead of its id
    :param variables: a mapping, or a list of ``{"name", "value"}`` (templated). What is not passed keeps the
        value stored in the report, which the server evaluates when it generates it
    :param interval_variables: the names of the two variables that get the first and the last second of the
        run's data interval, in the tenant's time zone (templated)
    :param check_variables: ask Clarus what the report declares, with one request, and refuse a variable that
        it does not know, or that has another type (templated). What cannot be read is not checked
    :param allow_relative_variables: let expressions such as ``3 days ago`` pass, although the server counts
        them from the moment of generation, also in a backfill; or the names for which it is so (templated)
    :param subdomain: the tenant (templated), instead of the connection's own
    :param clarus_conn_id: an Airflow connection of type ``clarus`` (templated)
    :param wait_for_completion: finish only when the document is available (templated)
    :param deferrable: wait in the triggerer, where thousands of documents share one request
        (templated)
    :param poll_interval: seconds between two looks at a young document, at least 1: a number, a numeric text
        or a ``timedelta`` (templated)
    :param timeout: seconds after which the wait fails, in the same forms (templated)
    :param on_unknown_outcome: what follows when the request to generate breaks off, so that nobody knows
        whether the report is queued: ``"retry"``, an error that the task's ``retries`` mend by generating
        again, so that there may be two documents; or ``"fail"``, without retries (templated)
    """

    template_fields: Sequence[str] = (*TEMPLATE_FIELDS, "wait_for_completion")
    template_fields_renderers = {"variables": "json"}  # noqa: RUF012 - Airflow's own convention
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        report_id: int | str | None = None,
        report_name: str | None = None,
        variables: Variables = None,
        interval_variables: Sequence[str] | None = None,
        check_variables: bool | str = True,
        allow_relative_variables: bool | str | Sequence[str] = False,
        subdomain: str | None = None,
        clarus_conn_id: str = ClarusHook.default_conn_name,
        wait_for_completion: bool | str = False,
        deferrable: bool | str = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | str | timedelta = 10,
        timeout: float | str | timedelta = 3600,
        on_unknown_outcome: str = "retry",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.report_id = report_id
        self.report_name = report_name
        self.variables = variables
        self.interval_variables = interval_variables
        self.check_variables = check_variables
        self.allow_relative_variables = allow_relative_variables
        self.subdomain = subdomain
        self.clarus_conn_id = clarus_conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.on_unknown_outcome = on_unknown_outcome

    def execute(self, context: Context) -> int:
        """Queue the report, and wait for its document if asked to."""
        generation = Generation.of(self)
        waits = settle.flag(self.wait_for_completion, "wait_for_completion")
        with self.working(on_stop=lambda: durable.forget_if_cleared(context), **generation.asked()) as work:
            document = generation.queue(self, context, work)
            if waits:
                generation.wait(self, context, document, work.settled())
        return document.id

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> int:
        """Take the trigger's event."""
        with self.working(**Work.asked_before(settled_of(event))) as work:
            work.document_id = document_of(event).id
            return work.document_id
