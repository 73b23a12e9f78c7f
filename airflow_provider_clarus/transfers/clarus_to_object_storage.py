# SPDX-License-Identifier: Apache-2.0
"""The operator that does it all in one task: generate, wait, land."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.models import Document
from airflow_provider_clarus.operators.document import (
    add_to_outlets,
    check_library,
    land_document,
    storage_path,
)
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ClarusReportToObjectStorageOperator(ClarusGenerateReportOperator):
    """Generate a report, wait for its document and land its file, in one task.

    Deferred, it costs one worker start before the wait and one after it. Returns ``{"uri", "size", "sha256",
    "file_name", "document_id"}``. A retry goes on with the document that the failed try has queued (on
    Airflow 3.3 and later).

    :param destination: an object storage URI with the Airflow connection in it (templated), such as
        ``s3://aws_default@bucket/stock/{{ ds }}.csv``; after a last ``/`` goes the document's file name
    :param overwrite: whether a file that is there may be replaced

    The other parameters are those of ``ClarusGenerateReportOperator``.
    """

    template_fields: Sequence[str] = (*ClarusGenerateReportOperator.template_fields, "destination")

    def __init__(self, *, destination: str, overwrite: bool = True, **kwargs: Any) -> None:
        super().__init__(**(kwargs | {"wait_for_completion": True}))
        self.destination = destination
        self.overwrite = overwrite

    def execute(self, context: Context) -> Any:
        """Queue the report, unless its file could not land; then wait and land it."""
        from airflow_provider_clarus.landing import destination_path

        destination = destination_path(self.destination, None, 0)
        check_library(destination)
        if not self.overwrite and destination == self.destination and storage_path(destination).exists():
            raise ClarusInputError(f"{destination} exists, and overwrite is False: nothing was generated.")
        return super().execute(context)

    def _finish(self, hook: ClarusHook, document: Document, context: Context) -> dict[str, Any]:
        result = land_document(hook, document.id, document, self.destination, self.overwrite, self.log)
        add_to_outlets(context, self.outlets, result | {"report_id": int(self.report_id)})
        return result
