# SPDX-License-Identifier: Apache-2.0
"""Land each month's ClarusWMS report in S3: one task, which waits in the triggerer, and a window per run.

The window is the calendar month in London in which a run's data interval begins, to the second. The run is
due at six in the morning, since the vendor asks not to schedule reports between midnight and two, when clocks
change. A backfill gives past months the files that their own runs would have given, four reports at a time::

    airflow backfill create --dag-id clarus_monthly_report \
        --from-date 2023-01-01 --to-date 2023-12-31 --max-active-runs 4

(On Airflow 2: ``airflow dags backfill --start-date 2023-01-01 --end-date 2023-12-31 clarus_monthly_report``.)
When a report was changed in Clarus, the same command with ``--reprocess-behavior completed`` generates its
months anew; each file is replaced in one step, when the new one is whole. To run it by hand, give a logical
date: it decides the month.

The connections are ``clarus_default`` and ``aws_default``; the Airflow Variable ``clarus_bucket`` names the
bucket.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

with DAG(
    dag_id="clarus_monthly_report",
    schedule=CronDataIntervalTimetable("0 6 1 * *", timezone="Europe/London"),
    start_date=pendulum.datetime(2023, 1, 1, tz="Europe/London"),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["clarus"],
    doc_md=__doc__,
):
    # In UTC, as `ds` is, a month would begin an hour late from April to October.
    month = "data_interval_start.in_timezone('Europe/London')"

    ClarusReportToObjectStorageOperator(
        task_id="land",
        report_id=7,
        variables={
            "date_from": f"{{{{ {month}.start_of('month').isoformat() }}}}",
            "date_to": f"{{{{ {month}.end_of('month').isoformat(timespec='seconds') }}}}",
        },
        destination="s3://aws_default@{{ var.value.clarus_bucket }}/stock/"
        f"{{{{ {month}.format('YYYY-MM') }}}}.csv",
        deferrable=True,
    )
