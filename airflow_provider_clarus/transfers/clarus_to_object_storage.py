# SPDX-License-Identifier: Apache-2.0
"""Generate a report, wait for it and land its file, in one task: the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_clarus import durable, generation
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.generation import Generation
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.landing import landing
from airflow_provider_clarus.landing.landing import LandedObjectLinks, Landing
from airflow_provider_clarus.landing.outlets import tell
from airflow_provider_clarus.lineage.traced import Traced
from airflow_provider_clarus.receipts import Receipts
from airflow_provider_clarus.stopping import Stoppable, Work
from airflow_provider_clarus.triggers.deferral import GoesOn
from airflow_provider_clarus.triggers.event import document_of, settled_of
from airflow_provider_clarus.variables import settle
from airflow_provider_clarus.variables.values import Variables

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath


class ClarusReportToObjectStorageOperator(Stoppable, GoesOn, Traced, BaseOperator):
    """Generate a report, wait for its document and land its file, in one task.

    Deferred, it costs one worker start before the wait and one after it. Returns ``{"uri", "size", "sha256",
    "file_name", "document_id"}``. A retry goes on with the document that the failed try has queued (on
    Airflow 3.3 and later).

    :param report_id: the report (templated); only its owner may generate it
    :param report_name: the report's whole name (templated), instead of its id
    :param destination: an object storage URI with the Airflow connection in it (templated), such as
        ``s3://aws_default@bucket/stock/{{ ds }}.csv``, or an ``ObjectStoragePath``; after a last ``/`` of a
        URI goes the document's file name
    :param variables: a mapping, or a list of ``{"name", "value"}`` (templated). What is not passed keeps the
        value stored in the report, which the server evaluates when it generates it
    :param interval_variables: the names of the two variables that get the first and the last second of the
        run's data interval, in the tenant's time zone (templated)
    :param check_variables: ask Clarus what the report declares, with one request, and refuse a variable that
        it does not know, or that has another type (templated). What cannot be read is not checked
    :param allow_relative_variables: let expressions such as ``3 days ago`` pass, although the server counts
        them from the moment of generation, also in a backfill; or the names for which it is so (templated)
    :param if_exists: ``replace`` a file that is there, ``fail``, or ``skip`` and return what is there; looked
        for before anything is generated, unless the destination ends in ``/`` (templated)
    :param content_type: a MIME type, instead of the document's own (templated)
    :param metadata: names and values that the object gets, beside those of the document (templated)
    :param extra_args: what the storage's own client takes: S3 as boto3's ``ExtraArgs``, Google as its JSON
        API, Azure as ``upload_blob`` (templated)
    :param compression: ``gzip``, to pack the file while it lands (templated)
    :param subdomain: the tenant (templated), instead of the connection's own
    :param clarus_conn_id: an Airflow connection of type ``clarus`` (templated)
    :param deferrable: wait in the triggerer, where thousands of documents share one request
        (templated)
    :param poll_interval: seconds between two looks at a young document, at least 1: a number, a numeric text
        or a ``timedelta`` (templated)
    :param timeout: seconds after which the wait fails, in the same forms (templated)
    :param on_unknown_outcome: what follows when the request to generate breaks off, so that nobody knows
        whether the report is queued: ``"retry"``, an error that the task's ``retries`` mend by generating
        again, so that there may be two documents; or ``"fail"``, without retries (templated)
    :param partition_outlets: with ``interval_variables``, let the asset events of ``outlets`` be of the
        partition that begins with the window (on Airflow 3.3 and later), so that they start the DAGs whose
        schedule is a ``PartitionedAssetTimetable``; without it, those whose schedule is the asset (templated)
    """

    template_fields: Sequence[str] = (
        *generation.TEMPLATE_FIELDS,
        *landing.TEMPLATE_FIELDS,
        "partition_outlets",
    )
    template_fields_renderers = {  # noqa: RUF012 - Airflow's own convention
        "variables": "json",
        "metadata": "json",
        "extra_args": "json",
    }
    ui_color = "#e6f1f2"
    operator_extra_links = LandedObjectLinks()
    #: So that ``file_name`` is shown, which is known when the task has run.
    overwrite_rtif_after_execution = True

    def __init__(
        self,
        *,
        report_id: int | str | None = None,
        report_name: str | None = None,
        destination: str | ObjectStoragePath,
        variables: Variables = None,
        interval_variables: Sequence[str] | None = None,
        check_variables: bool | str = True,
        allow_relative_variables: bool | str | Sequence[str] = False,
        if_exists: str = "replace",
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        extra_args: Mapping[str, Any] | None = None,
        compression: str | None = None,
        subdomain: str | None = None,
        clarus_conn_id: str = ClarusHook.default_conn_name,
        deferrable: bool | str = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | str | timedelta = 10,
        timeout: float | str | timedelta = 3600,
        on_unknown_outcome: str = "retry",
        partition_outlets: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**({"multiple_outputs": True} | kwargs))
        self.report_id = report_id
        self.report_name = report_name
        self.destination = destination
        self.variables = variables
        self.interval_variables = interval_variables
        self.check_variables = check_variables
        self.allow_relative_variables = allow_relative_variables
        self.if_exists = if_exists
        self.content_type = content_type
        self.metadata = metadata
        self.extra_args = extra_args
        self.compression = compression
        self.file_name: str | None = None
        self.subdomain = subdomain
        self.clarus_conn_id = clarus_conn_id
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.on_unknown_outcome = on_unknown_outcome
        self.partition_outlets = partition_outlets

    def execute(self, context: Context) -> dict[str, Any]:
        """Queue the report, unless its file could not land; then wait and land it."""
        wanted = Generation.of(self)
        settled = self._settled()
        place = Landing(**settled["landing"])
        partitions = settle.flag(self.partition_outlets, "partition_outlets") and bool(self.outlets)
        with self._working(context, wanted.asked()) as work:
            place.check_connection()
            is_wanted = partial(wanted.has_queued, context)
            if there := place.already_there(Receipts(context), is_wanted):
                work.document_id, work.landed = there["document_id"], there
                work.tenant = wanted.hook.tenant
                key = wanted.partition_key(context) if partitions else None
                return tell(self, context, there, partition_key=key)
            document = wanted.queue(self, context, work)
            settled |= {"subdomain": work.tenant, **work.settled()}
            settled["partition_key"] = wanted.partition_key(context) if partitions else None
            available = wanted.wait(self, context, document, settled)
            return self._land(wanted.hook, available, settled, context, work)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Take the trigger's event, and land the file."""
        settled = settled_of(event)
        asked = Work.asked_before(settled)
        with self.working(lands=True, **asked):
            document = document_of(event)
        # An earlier release has settled nothing before it deferred, and knew no names of reports.
        settled = settled or {**self._settled(), "report_id": settle.positive_id(self.report_id, "report_id")}
        hook = ClarusHook(settled["clarus_conn_id"], settled["subdomain"])
        known = {
            "report_id": settled["report_id"],
            "document_id": document.id,
            "tenant": settled["subdomain"],
        }
        with self._working(context, {**asked, **known}) as work:
            return self._land(hook, document, settled, context, work)

    def _working(self, context: Context, asked: Mapping[str, Any]) -> AbstractContextManager[Work]:
        return self.working(on_stop=lambda: durable.forget_if_cleared(context), lands=True, **asked)

    def _settled(self) -> dict[str, Any]:
        """Return what the task uses on both sides of its wait."""
        return {
            "landing": Landing.of(self).as_dict(),
            "clarus_conn_id": settle.text(self.clarus_conn_id, "clarus_conn_id"),
            "subdomain": settle.tenant(self.subdomain),
        }

    def _land(
        self,
        hook: ClarusHook,
        document: Document,
        settled: Mapping[str, Any],
        context: Context,
        work: Work,
    ) -> dict[str, Any]:
        from airflow_provider_clarus.landing.document import land_document

        work.landed = result = land_document(
            hook,
            document.id,
            document,
            Landing(**settled["landing"]),
            receipts=Receipts(context),
            report_id=settled["report_id"],
            log=work.logger(__name__),
            on_columns=work.has_columns,
        )
        return tell(
            self,
            context,
            result,
            partition_key=settled.get("partition_key"),
            report_id=settled["report_id"],
        )
