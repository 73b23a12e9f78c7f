# SPDX-License-Identifier: Apache-2.0
"""Land a document's file in object storage: the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_clarus.api.models import finished
from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.landing import landing
from airflow_provider_clarus.landing.landing import LandedObjectLinks, Landing
from airflow_provider_clarus.landing.outlets import tell
from airflow_provider_clarus.lineage.traced import Traced
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.receipts import Receipts
from airflow_provider_clarus.stopping import Stoppable
from airflow_provider_clarus.variables import settle

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath


class ClarusDownloadDocumentOperator(Stoppable, Traced, BaseOperator):
    """Land a document's file, and return ``{"uri", "size", "sha256", "file_name", "document_id"}``.

    The destination never shows a part of the file: it appears whole and verified, or not at all.

    :param document_id: the document (templated); it must be available
    :param destination: an object storage URI with the Airflow connection in it (templated), such as
        ``s3://aws_default@bucket/stock/{{ ds }}.csv``, or an ``ObjectStoragePath``; after a last ``/`` of a
        URI goes the document's file name
    :param if_exists: ``replace`` a file that is there, ``fail``, or ``skip`` and return what is there
        (templated)
    :param content_type: a MIME type, instead of the document's own (templated)
    :param metadata: names and values that the object gets, beside those of the document (templated)
    :param extra_args: what the storage's own client takes: S3 as boto3's ``ExtraArgs``, Google as its JSON
        API, Azure as ``upload_blob`` (templated)
    :param compression: ``gzip``, to pack the file while it lands (templated)
    :param subdomain: the tenant (templated), instead of the connection's own
    :param clarus_conn_id: an Airflow connection of type ``clarus`` (templated)
    """

    template_fields: Sequence[str] = ("document_id", *landing.TEMPLATE_FIELDS, "subdomain", "clarus_conn_id")
    template_fields_renderers = {"metadata": "json", "extra_args": "json"}  # noqa: RUF012 - Airflow's convention
    ui_color = "#e6f1f2"
    operator_extra_links = LandedObjectLinks()
    #: So that ``file_name`` is shown, which is known when the task has run.
    overwrite_rtif_after_execution = True

    def __init__(
        self,
        *,
        document_id: int | str,
        destination: str | ObjectStoragePath,
        if_exists: str = "replace",
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        extra_args: Mapping[str, Any] | None = None,
        compression: str | None = None,
        subdomain: str | None = None,
        clarus_conn_id: str = ClarusHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**({"multiple_outputs": True} | kwargs))
        self.document_id = document_id
        self.destination = destination
        self.if_exists = if_exists
        self.content_type = content_type
        self.metadata = metadata
        self.extra_args = extra_args
        self.compression = compression
        self.file_name: str | None = None
        self.subdomain = subdomain
        self.clarus_conn_id = clarus_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Land the file."""
        from airflow_provider_clarus.http.retries import patiently
        from airflow_provider_clarus.landing.document import land_document

        document_id = settle.positive_id(self.document_id, "document_id")
        place = Landing.of(self)
        clarus_conn_id = settle.text(self.clarus_conn_id, "clarus_conn_id")
        subdomain = settle.tenant(self.subdomain)
        receipts = Receipts(context)
        with self.working(document_id=document_id, tenant=subdomain, lands=True) as work:
            place.check_connection()
            if there := place.already_there(receipts, lambda own: own == document_id):
                work.landed = there
                return tell(self, context, there)
            hook = ClarusHook(clarus_conn_id, subdomain)
            tenant = hook.client.connection.tenant
            work.asks(tenant)
            document = patiently(lambda: hook.get_document(document_id), Call.READ)
            # One that the read replica does not show is asked for all the same: the download call knows best.
            if document and not finished(document, document_id=document_id, tenant=tenant, missing_for=0):
                raise ClarusTransientError(
                    f"Document {document_id} in tenant {tenant!r} is {document.status.value!r}, not "
                    "available yet. Wait for it with a ClarusDocumentSensor before this task."
                )
            work.landed = result = land_document(
                hook,
                document_id,
                document,
                place,
                receipts=receipts,
                log=work.logger(__name__),
                on_columns=work.has_columns,
            )
            return tell(self, context, result)
