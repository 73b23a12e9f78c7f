# SPDX-License-Identifier: Apache-2.0
"""The same daily report in the three-task and the one-task form, for days that have passed."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

DAY = "{{ data_interval_start.in_timezone('Europe/London') | ds }}"
COMMON = {
    "schedule": CronDataIntervalTimetable("@daily", timezone="Europe/London"),
    "start_date": pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    # So that unpausing it makes no run for yesterday.
    "end_date": pendulum.datetime(2024, 6, 1, tz="Europe/London"),
    "catchup": False,
    "default_args": {
        "clarus_conn_id": "clarus_london",
        "retries": 2,
        "retry_delay": timedelta(seconds=5),
    },
}

with DAG("backfill_three_tasks", **COMMON):
    generate = ClarusGenerateReportOperator(
        task_id="generate", report_id=51, interval_variables=("date_from", "date_to")
    )
    wait = ClarusDocumentSensor(task_id="wait", document_id=generate.output, deferrable=True)
    download = ClarusDownloadDocumentOperator(
        task_id="download",
        document_id=generate.output,
        destination="{{ var.value.clarus_destination }}/backfill_three_tasks/" + DAY + ".csv",
    )
    generate >> wait >> download

with DAG("backfill_one_task", **COMMON):
    ClarusReportToObjectStorageOperator(
        task_id="land",
        report_id=51,
        interval_variables=("date_from", "date_to"),
        destination="{{ var.value.clarus_destination }}/backfill_one_task/" + DAY + ".csv",
        deferrable=True,
    )
