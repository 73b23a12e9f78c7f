# SPDX-License-Identifier: Apache-2.0
"""Every kind of credential and every kind of failure, for the test that looks for secrets afterwards."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

DESTINATION = "{{ var.value.clarus_destination }}/leaks/"

with DAG(
    "leaks",
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1),
    default_args={"retries": 1, "retry_delay": timedelta(seconds=1)},
):
    ClarusReportToObjectStorageOperator(
        task_id="land",
        report_id=7,
        variables={"account_id": [3, 14]},
        destination=DESTINATION,
        deferrable=True,
        poll_interval=2,
    )
    generate = ClarusGenerateReportOperator(task_id="generate", report_id=8, clarus_conn_id="clarus_user")
    wait = ClarusDocumentSensor(
        task_id="wait", document_id=generate.output, clarus_conn_id="clarus_user", deferrable=True
    )
    download = ClarusDownloadDocumentOperator(
        task_id="download",
        document_id=generate.output,
        clarus_conn_id="clarus_user",
        destination=DESTINATION,
    )
    generate >> wait >> download
    ClarusGenerateReportOperator(task_id="fixed", report_id=7, clarus_conn_id="clarus_fixed")

    ClarusGenerateReportOperator(task_id="wrong_secret", report_id=7, clarus_conn_id="clarus_wrong")
    ClarusGenerateReportOperator(task_id="not_the_owner", report_id=8)
    ClarusGenerateReportOperator(task_id="no_report", report_id=404)
    ClarusReportToObjectStorageOperator(
        task_id="failed", report_id=9, destination=DESTINATION, deferrable=True, poll_interval=2
    )
    for name in ("broken", "refused", "forbidden"):
        ClarusDownloadDocumentOperator(
            task_id=name, document_id=f"{{{{ dag_run.conf['{name}'] }}}}", destination=DESTINATION
        )
