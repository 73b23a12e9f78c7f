# SPDX-License-Identifier: Apache-2.0
"""The operator that lands a document's file in object storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_clarus.api.models import finished
from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.landing.outlets import add_to_outlets
from airflow_provider_clarus.policy import Call
from airflow_provider_clarus.stopping import Stoppable
from airflow_provider_clarus.variables import settle

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath


class ClarusDownloadDocumentOperator(Stoppable, BaseOperator):
    """Land a document's file, and return ``{"uri", "size", "sha256", "file_name", "document_id"}``.

    The destination never shows a part of the file: it appears whole and verified, or not at all.

    :param document_id: the document (templated); it must be available
    :param destination: an object storage URI with the Airflow connection in it (templated), such as
        ``s3://aws_default@bucket/stock/{{ ds }}.csv``, or an ``ObjectStoragePath``; after a last ``/`` of a
        URI goes the document's file name
    :param overwrite: whether a file that is there may be replaced (templated)
    :param subdomain: the tenant (templated), instead of the connection's own
    :param clarus_conn_id: an Airflow connection of type ``clarus`` (templated)
    """

    template_fields: Sequence[str] = (
        "document_id",
        "destination",
        "overwrite",
        "subdomain",
        "clarus_conn_id",
    )
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        document_id: int | str,
        destination: str | ObjectStoragePath,
        overwrite: bool | str = True,
        subdomain: str | None = None,
        clarus_conn_id: str = ClarusHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**({"multiple_outputs": True} | kwargs))
        self.document_id = document_id
        self.destination = destination
        self.overwrite = overwrite
        self.subdomain = subdomain
        self.clarus_conn_id = clarus_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Land the file."""
        from airflow_provider_clarus.http.retries import patiently
        from airflow_provider_clarus.landing.destination import fetch_connection
        from airflow_provider_clarus.landing.document import land_document
        from airflow_provider_clarus.landing.names import destination_path

        document_id = settle.positive_id(self.document_id, "document_id")
        destination = settle.destination(self.destination)
        overwrite = settle.flag(self.overwrite, "overwrite")
        clarus_conn_id = settle.text(self.clarus_conn_id, "clarus_conn_id")
        fetch_connection(destination_path(destination, None, document_id))
        hook = ClarusHook(clarus_conn_id, settle.tenant(self.subdomain))
        tenant = hook.client.connection.tenant
        with self.working(document_id=document_id, tenant=tenant) as work:
            document = patiently(lambda: hook.get_document(document_id), Call.READ)
            # One that the read replica does not show is asked for all the same: the download call knows best.
            if document and not finished(document, document_id=document_id, tenant=tenant, missing_for=0):
                raise ClarusTransientError(
                    f"Document {document_id} in tenant {tenant!r} is {document.status.value!r}, not "
                    "available yet. Wait for it with a ClarusDocumentSensor before this task."
                )
            result = land_document(
                hook, document_id, document, destination, overwrite=overwrite, log=work.logger(__name__)
            )
            add_to_outlets(context, self.outlets, result)
            return result
