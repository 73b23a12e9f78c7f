# SPDX-License-Identifier: Apache-2.0
"""Generate a report as a task wants it: its arguments settled, its report queued, its document waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus import durable
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.doubts import ON_UNKNOWN_OUTCOME
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.partitions import START, has_interval, with_interval
from airflow_provider_clarus.triggers.deferral import end_of_execution, wait_for_document
from airflow_provider_clarus.variables import settle
from airflow_provider_clarus.variables.run import variables_of_run
from airflow_provider_clarus.variables.values import Variables
from airflow_provider_clarus.variables.windows import partition_key
from airflow_provider_clarus.waiting.wait import Wait
from airflow_provider_clarus.wanted import finder

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    from airflow_provider_clarus.stopping import Work

#: The arguments that are settled here, all of them templated.
TEMPLATE_FIELDS = (
    "report_id",
    "report_name",
    "variables",
    "interval_variables",
    "check_variables",
    "allow_relative_variables",
    "subdomain",
    "clarus_conn_id",
    "deferrable",
    "poll_interval",
    "timeout",
    "on_unknown_outcome",
)


@dataclass(frozen=True)
class Generation:
    """The arguments of a task that generates a report, settled before anything is sent.

    :param report: its id, or its name
    :param window_names: the operator's ``interval_variables``
    :param interval: seconds between two looks at a young document
    :param timeout: seconds after which the wait fails
    :param subdomain: the tenant, ``None`` for the connection's own
    """

    report: int | str
    given: Variables
    window_names: Sequence[str] | None
    check_variables: bool
    allow_relative: bool | frozenset[str]
    deferrable: bool
    interval: float
    timeout: float
    on_unknown_outcome: str
    clarus_conn_id: str
    subdomain: str | None

    @classmethod
    def of(cls, task: Any) -> Generation:
        """Return what the arguments of an operator mean.

        :raises ClarusInputError: when one of them means nothing
        """
        return cls(
            report=settle.report(task.report_id, task.report_name),
            given=task.variables,
            window_names=task.interval_variables,
            check_variables=settle.flag(task.check_variables, "check_variables"),
            allow_relative=settle.flag_or_names(task.allow_relative_variables, "allow_relative_variables"),
            deferrable=settle.flag(task.deferrable, "deferrable"),
            interval=settle.interval(task.poll_interval, "poll_interval"),
            timeout=settle.seconds(task.timeout, "timeout"),
            on_unknown_outcome=settle.choice(
                task.on_unknown_outcome, "on_unknown_outcome", ON_UNKNOWN_OUTCOME
            ),
            clarus_conn_id=settle.text(task.clarus_conn_id, "clarus_conn_id"),
            subdomain=settle.tenant(task.subdomain),
        )

    @property
    def report_id(self) -> int | None:
        """The report's id, where the task names it by that."""
        return self.report if isinstance(self.report, int) else None

    @property
    def report_name(self) -> str | None:
        """The report's name, where the task names it by that."""
        return self.report if isinstance(self.report, str) else None

    @cached_property
    def hook(self) -> ClarusHook:
        """The hook for the task's connection and tenant."""
        return ClarusHook(self.clarus_conn_id, self.subdomain)

    def variables(self, context: Context) -> list[dict[str, str]]:
        """Return the variables that are sent, in the form that the connection wants; nothing is sent yet.

        :raises ClarusInputError: as :func:`~airflow_provider_clarus.variables.run.variables_of_run`
        """
        connection = self.hook.client.connection
        return variables_of_run(
            with_interval(context),
            self.given,
            window_names=self.window_names,
            zone=connection.timezone,
            variable_format=connection.variable_format,
        )

    def has_queued(self, context: Context, document_id: int) -> bool:
        """Tell whether an earlier try of this task has queued the very same report as this document."""
        if not context.get("task_state_store"):
            return False
        variables = self.variables(context)
        return durable.queued_before(context, self.hook.client, self.report, variables) == document_id

    def window(self, variables: Sequence[Mapping[str, str]]) -> list[str] | None:
        """Return the first and the last moment of the window, as they are sent; ``None`` without one."""
        if self.window_names is None:
            return None
        sent = {variable["name"]: variable["value"] for variable in variables}
        return [sent[name] for name in settle.two_names(self.window_names, "interval_variables")]

    def asked(self) -> dict[str, Any]:
        """Return what the task asks Clarus for, as far as it is known before anything is asked."""
        return {
            "report_id": self.report_id,
            "report_name": self.report_name,
            "tenant": self.subdomain,
        }

    def partition_key(self, context: Context) -> str | None:
        """Return the partition that the report belongs to: the run's own, or what begins with its window.

        ``None`` where the window is not known.
        """
        run = with_interval(context)
        if self.window_names is None or not has_interval(run):
            return None
        return context.get("partition_key") or partition_key(run[START], self.hook.client.connection.timezone)

    def queue(self, task: BaseOperator, context: Context, work: Work) -> Document:
        """Queue the report, or go on with the document of an earlier try; name both to ``work``.

        It is told of tenant and variables before, so that a failure tells of them, too.

        :raises ClarusError: as :func:`~airflow_provider_clarus.durable.generate`
        """
        client = self.hook.client
        work.asks(client.connection.tenant)
        variables = self.variables(context)
        work.variables, work.window = variables, self.window(variables)
        find = finder(
            with_interval(context),
            client,
            self.report,
            variables,
            check_variables=self.check_variables,
            allow_relative=self.allow_relative,
        )
        document, work.report_id = durable.generate(
            context,
            client,
            self.report,
            variables,
            find=find,
            on_unknown_outcome=self.on_unknown_outcome,
            end=end_of_execution(task, context),
        )
        work.document_id = document.id
        return document

    def wait(
        self, task: BaseOperator, context: Context, document: Document, settled: Mapping[str, Any]
    ) -> Document:
        """Return the document when it is available; a deferred task goes on in its ``execute_complete``.

        :param settled: what that method is to find in its event
        :raises ClarusError: as :func:`~airflow_provider_clarus.triggers.deferral.wait_for_document`
        """
        wait = Wait(self.hook, document.id, interval=self.interval, timeout=self.timeout)
        return wait_for_document(
            task, wait, context=context, deferrable=self.deferrable, settled=settled, known=document
        )
