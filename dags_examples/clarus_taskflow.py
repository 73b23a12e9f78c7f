# SPDX-License-Identifier: Apache-2.0
"""TaskFlow functions beside a classic operator: one decides what to ask for, one reads what has landed.

What a function returns goes into the operator like any argument, and the operator's ``output`` goes into the
next function; the dependencies follow from that. Inside a function, ``ClarusHook`` has the calls themselves.

The connection is ``clarus_default``. The Airflow Variable ``clarus_destination`` says where the files go;
``file:///tmp/clarus`` when it is not set.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator


@dag(
    schedule=CronDataIntervalTimetable("0 6 * * 1", timezone="Europe/London"),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["clarus"],
    doc_md=__doc__,
)
def clarus_taskflow():
    """Declare the tasks."""

    @task
    def working_days(data_interval_start):
        """Return the report's variables: Monday to Friday, whatever the schedule's interval is."""
        monday = data_interval_start.in_timezone("Europe/London").start_of("week")
        return {"date_from": monday.isoformat(), "date_to": monday.add(days=5, seconds=-1).isoformat()}

    landed = ClarusReportToObjectStorageOperator(
        task_id="land",
        report_id=7,
        variables=working_days(),
        destination="{{ var.value.get('clarus_destination', 'file:///tmp/clarus') }}"
        "/weekly/{{ data_interval_start | ds }}.csv",
        deferrable=True,
    ).output

    @task
    def summary(receipt):
        """Count the lines of the file, and ask Clarus what it knows of the document."""
        document = ClarusHook().get_document(receipt["document_id"])
        lines = ObjectStoragePath(receipt["uri"]).read_text().count("\n") - 1
        return f"{document.file_name}: {lines} lines, {receipt['size']} bytes"

    summary(landed)


clarus_taskflow()
