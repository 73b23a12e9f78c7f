# SPDX-License-Identifier: Apache-2.0
"""The operator that lands a document's file in object storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset, BaseOperator

from airflow_provider_clarus.exceptions import ClarusConfigError, ClarusTransientError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.models import Document, finished, positive_id

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath

#: The library that opens each storage, and the extra of this package that brings it.
LIBRARIES = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gcs"),
    "gcs": ("gcsfs", "gcs"),
    "abfs": ("adlfs", "azure"),
    "abfss": ("adlfs", "azure"),
}


class ClarusDownloadDocumentOperator(BaseOperator):
    """Land a document's file, and return ``{"uri", "size", "sha256", "file_name", "document_id"}``.

    The destination never shows a part of the file: it appears whole and verified, or not at all.

    :param document_id: the document (templated); it must be available
    :param destination: an object storage URI with the Airflow connection in it (templated), such as
        ``s3://aws_default@bucket/stock/{{ ds }}.csv``; after a last ``/`` goes the document's file name
    :param overwrite: whether a file that is there may be replaced
    :param subdomain: the tenant (templated), instead of the connection's own
    :param clarus_conn_id: an Airflow connection of type ``clarus`` (templated)
    """

    template_fields: Sequence[str] = ("document_id", "destination", "subdomain", "clarus_conn_id")
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        document_id: int | str,
        destination: str,
        overwrite: bool = True,
        subdomain: str | None = None,
        clarus_conn_id: str = ClarusHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.document_id = document_id
        self.destination = destination
        self.overwrite = overwrite
        self.subdomain = subdomain
        self.clarus_conn_id = clarus_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Land the file."""
        from airflow_provider_clarus.landing import destination_path

        document_id = positive_id(self.document_id, "document_id")
        destination_path(self.destination, None, document_id)
        hook = ClarusHook(self.clarus_conn_id, self.subdomain)
        document = hook.get_document(document_id)
        tenant = hook.client.connection.tenant
        # One that the read replica does not show is asked for all the same: the download call knows best.
        if document and not finished(document, document_id=document_id, tenant=tenant, missing_for=0):
            raise ClarusTransientError(
                f"Document {document_id} in tenant {tenant!r} is {document.status.value!r}, not available "
                "yet. Wait for it with a ClarusDocumentSensor before this task."
            )
        result = land_document(hook, document_id, document, self.destination, self.overwrite, self.log)
        add_to_outlets(context, self.outlets, result)
        return result


def land_document(
    hook: ClarusHook,
    document_id: int,
    document: Document | None,
    destination: str,
    overwrite: bool,
    log: Any,
) -> dict[str, Any]:
    """Land a document's file and return what the operators return of it."""
    from airflow_provider_clarus.landing import destination_path, land

    path = storage_path(destination_path(destination, document.file_name if document else None, document_id))
    connection = hook.client.connection
    landed = land(
        lambda: hook.get_download_url(document_id),
        path,
        overwrite=overwrite,
        log=log,
        verify=connection.verify,
        proxies=connection.proxies,
        timeout=connection.timeout,
    )
    return {
        "uri": landed.uri,
        "size": landed.size,
        "sha256": landed.sha256,
        "file_name": (document and document.file_name) or path.name,
        "document_id": document_id,
    }


def storage_path(destination: str) -> ObjectStoragePath:
    """Return a destination as a path of its storage.

    Airflow loads the libraries of all storages that are installed for this, which may take a second: call it
    when the path is needed, and not before.

    :raises ClarusConfigError: when the storage's library is not installed
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    check_library(destination)
    return ObjectStoragePath(destination)


def check_library(destination: str) -> None:
    """Raise when what opens a destination's storage is not installed; nothing is loaded to find out.

    :raises ClarusConfigError: with the command that installs it
    """
    library, extra = LIBRARIES.get(destination.partition("://")[0], ("", ""))
    if library and find_spec(library) is None:
        raise ClarusConfigError(
            f"destination {destination!r} needs {library}: pip install 'airflow-provider-clarus[{extra}]'"
        )


def add_to_outlets(context: Context, outlets: Sequence[Any], facts: Mapping[str, Any]) -> None:
    """Put what landed into the asset events of a task's declared outlets."""
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update(facts)
