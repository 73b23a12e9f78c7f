# SPDX-License-Identifier: Apache-2.0
"""A report in one task, and in three; the documents are available at once."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

with DAG("tasks", schedule=None):
    generate = ClarusGenerateReportOperator(task_id="generate", report_id=7)
    wait = ClarusDocumentSensor(task_id="wait", document_id=generate.output, deferrable=False)
    (
        wait
        >> ClarusDownloadDocumentOperator(
            task_id="download", document_id=generate.output, destination="{{ var.value.folder }}/three.csv"
        )
        >> ClarusReportToObjectStorageOperator(
            task_id="all_in_one",
            report_id=7,
            destination="{{ var.value.folder }}/one.csv",
            deferrable=False,
        )
    )
