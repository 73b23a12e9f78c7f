# SPDX-License-Identifier: Apache-2.0
"""Land each month's ClarusWMS report in S3: one task, which waits in the triggerer, and a window per run.

The data interval of a run is a calendar month in London, and so is the report's window, to the second. A
backfill gives past months the files that their own runs would have given, four reports at a time::

    airflow backfill create --dag-id clarus_monthly_report \
        --from-date 2023-01-01 --to-date 2023-12-31 --max-active-runs 4

(On Airflow 2: ``airflow dags backfill --start-date 2023-01-01 --end-date 2023-12-31 clarus_monthly_report``.)
When a report was changed in Clarus, the same command with ``--reprocess-behavior completed`` generates its
months anew; each file is replaced in one step, when the new one is whole.

The connections are ``clarus_default``, with ``"timezone": "Europe/London"`` in its extra, and
``aws_default``; the Airflow Variable ``clarus_bucket`` names the bucket.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

with DAG(
    dag_id="clarus_monthly_report",
    schedule=CronDataIntervalTimetable("0 0 1 * *", timezone="Europe/London"),
    start_date=pendulum.datetime(2023, 1, 1, tz="Europe/London"),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["clarus"],
    doc_md=__doc__,
):
    # In UTC, as `ds` is, May would begin on the 30th of April.
    month = "{{ data_interval_start.in_timezone('Europe/London').strftime('%Y-%m') }}"

    ClarusReportToObjectStorageOperator(
        task_id="land",
        report_id=7,
        interval_variables=("date_from", "date_to"),
        destination=f"s3://aws_default@{{{{ var.value.clarus_bucket }}}}/stock/{month}.csv",
        deferrable=True,
    )
