# SPDX-License-Identifier: Apache-2.0
"""Land a ClarusWMS report in object storage every morning at six, for the 24 hours before.

One task queues the report, one waits for its document in the triggerer, so that no worker is held, and one
downloads the file. Each run asks for its own window: a backfill or a late run gets the right days.

The connection is ``clarus_default``. Two Airflow Variables say the rest:

* ``clarus_report_id``: the number of the report, owned by the connection's API user and with the variables
  ``date_from`` and ``date_to``; 7, the sandbox's, when it is not set.
* ``clarus_destination``: an object storage URI, such as ``s3://aws_default@warehouse/clarus``;
  ``file:///tmp/clarus`` when it is not set.

To run it by hand, give a logical date: it decides the window.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor

with DAG(
    dag_id="clarus_daily_report",
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="Europe/London"),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["clarus"],
    doc_md=__doc__,
):
    generate = ClarusGenerateReportOperator(
        task_id="generate",
        report_id="{{ var.value.get('clarus_report_id', '7') }}",
        interval_variables=("date_from", "date_to"),
    )

    wait = ClarusDocumentSensor(
        task_id="wait",
        document_id=generate.output,
        deferrable=True,
        poke_interval=10,
        timeout=3600,
    )

    download = ClarusDownloadDocumentOperator(
        task_id="download",
        document_id=generate.output,
        destination="{{ var.value.get('clarus_destination', 'file:///tmp/clarus') }}"
        "/{{ data_interval_start | ds }}/",
    )

    generate >> wait >> download
