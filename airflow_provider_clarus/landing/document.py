# SPDX-License-Identifier: Apache-2.0
"""Land a document of Clarus: what the downloading operator and the transfer do alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus import metrics
from airflow_provider_clarus.connection.connection import is_loopback
from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.http.retries import patiently
from airflow_provider_clarus.landing._pages import Announced
from airflow_provider_clarus.landing._storage import ObjectExistsError, ObjectOptions, storage_of
from airflow_provider_clarus.landing.land import Landed, land
from airflow_provider_clarus.landing.landing import DOCUMENT, REPORT, TENANT, Landing
from airflow_provider_clarus.policy.answers import Call

if TYPE_CHECKING:
    from airflow_provider_clarus.api.models import Document
    from airflow_provider_clarus.hooks.clarus import ClarusHook
    from airflow_provider_clarus.receipts import Receipts

#: Seconds before each time that a name is asked for which is not known.
NAME_PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


def land_document(
    hook: ClarusHook,
    document_id: int,
    document: Document | None,
    landing: Landing,
    *,
    receipts: Receipts,
    report_id: int | None = None,
    log: Any,
    on_columns: Callable[[tuple[str, ...]], None] = lambda columns: None,
) -> dict[str, Any]:
    """Land a document's file and return ``{"uri", "size", "sha256", "file_name", "document_id"}``.

    Where an object is already, and ``if_exists`` is ``skip``, the result tells of that one.

    :param document: what is known of it; its file name completes a destination that ends in ``/``
    :param receipts: of the task, whose earlier try may have landed it
    :param report_id: the report that the document is of, where that is known
    :param on_columns: is called with the columns of what has landed
    :raises ClarusInputError: an object is there, and ``if_exists`` is ``fail``
    :raises ClarusError: as :func:`~airflow_provider_clarus.landing.land.land`
    """
    if landing.destination.endswith("/"):
        document = _named(hook, document_id, document, log)
    announced = Announced(document.file_name, document.file_type) if document else Announced()
    path = landing.path(announced, document_id)
    connection = hook.client.connection
    facts = {DOCUMENT: str(document_id), TENANT: connection.tenant}
    if report_id:
        facts[REPORT] = str(report_id)
    options = landing.object_options(announced, facts)

    def result(landed: Landed) -> dict[str, Any]:
        return {
            "uri": landed.uri,
            "size": landed.size,
            "sha256": landed.sha256,
            "file_name": (document and document.file_name) or path.name,
            "document_id": document_id,
        }

    def write_down(landed: Landed) -> None:
        if options.if_absent:
            receipts.write(result(landed), options.metadata)

    def attempt(options: ObjectOptions) -> Landed:
        with metrics.timed(metrics.LAND, tenant=connection.tenant):
            return land(
                lambda: patiently(lambda: hook.get_download_url(document_id), Call.DOWNLOAD),
                path,
                options=options,
                compress=landing.packs(announced),
                before_publish=write_down,
                accept_same=receipts.is_blind,
                log=log,
                verify=connection.storage_verify,
                proxies=connection.proxies,
                timeout=connection.timeout,
                allow_http=connection.allow_http,
                loopback=is_loopback(connection.base_url),
                announced=announced,
                on_retry=partial(metrics.count, metrics.LAND_RETRIES, tenant=connection.tenant),
            )

    landed = None
    with suppress(ObjectExistsError):
        landed = attempt(options)
    if not landed:
        found = storage_of(path.protocol).look(path)
        there = landing.left_alone(
            path,
            found,
            receipts,
            lambda own: own == document_id,
            log,
            f"document {document_id} did not land",
            # The files were compared.
            is_damaged=receipts.is_blind and found is not None and found.carries(options.metadata),
        )
        if there:
            return there
        landed = attempt(replace(options, if_absent=False))
    metrics.count(metrics.LAND_SIZE, landed.size, tenant=connection.tenant)
    on_columns(landed.columns)
    return result(landed)


def _named(hook: ClarusHook, document_id: int, document: Document | None, log: Any) -> Document | None:
    """Return a document with its file name, asking for it again where it is not known yet.

    The read replica may not show the document yet, or whoever waited for it was not told its name.
    """
    for pause in NAME_PAUSES:
        if (document and document.file_name) or not hook.client.has_id_filter:
            break
        time.sleep(pause)
        try:
            document = hook.get_document(document_id) or document
        except ClarusError as error:
            log.warning("%s The name of document %d is asked for again.", error, document_id)
    if not (document and document.file_name):
        log.warning("Clarus has told no name of document %d: it lands under its number.", document_id)
    return document
