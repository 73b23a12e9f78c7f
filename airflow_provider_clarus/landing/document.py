# SPDX-License-Identifier: Apache-2.0
"""Land a document of Clarus: what the downloading operator and the transfer do alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.connection.connection import is_loopback
from airflow_provider_clarus.landing._pages import Announced
from airflow_provider_clarus.landing.destination import storage_path
from airflow_provider_clarus.landing.land import land
from airflow_provider_clarus.landing.names import destination_path

if TYPE_CHECKING:
    from airflow_provider_clarus.api.models import Document
    from airflow_provider_clarus.hooks.clarus import ClarusHook


def land_document(
    hook: ClarusHook,
    document_id: int,
    document: Document | None,
    destination: str,
    *,
    overwrite: bool,
    log: Any,
) -> dict[str, Any]:
    """Land a document's file and return ``{"uri", "size", "sha256", "file_name", "document_id"}``.

    :param document: what is known of it; its file name completes a destination that ends in ``/``
    :param overwrite: whether a file that is there may be replaced
    :raises ClarusError: as :func:`~airflow_provider_clarus.landing.land.land`
    """
    path = storage_path(destination_path(destination, document.file_name if document else None, document_id))
    connection = hook.client.connection
    landed = land(
        lambda: hook.get_download_url(document_id),
        path,
        overwrite=overwrite,
        log=log,
        verify=connection.storage_verify,
        proxies=connection.proxies,
        timeout=connection.timeout,
        allow_http=connection.allow_http,
        loopback=is_loopback(connection.base_url),
        announced=Announced(document.file_name, document.file_type) if document else None,
    )
    return {
        "uri": landed.uri,
        "size": landed.size,
        "sha256": landed.sha256,
        "file_name": (document and document.file_name) or path.name,
        "document_id": document_id,
    }
