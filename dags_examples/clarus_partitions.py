# SPDX-License-Identifier: Apache-2.0
"""Land a stock list by day, and let what is made of it run once for each day: partitions of an asset.

The landing task knows its window, so from Airflow 3.3 on its asset event is of the partition that begins
with the window. The other DAG is scheduled by partitions: one run for each day, whose ``partition_key`` is
the day, however many days land at once. One command makes up for a month, and both DAGs run for each day::

    airflow backfill create --dag-id clarus_stock_by_day \
        --from-date 2024-03-01 --to-date 2024-04-01 --max-active-runs 8

(The dates are midnights in UTC, and the last of March begins here at six, so it is before April's midnight.)

Before Airflow 3.3 the other DAG is scheduled by the asset as a whole, and a run may be for several days.

The connection is ``clarus_default``. The Airflow Variable ``clarus_destination`` says where the files go;
``file:///tmp/clarus`` when it is not set.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, ObjectStoragePath, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

STOCK = Asset("x-clarus://acme/stock-by-day")

try:
    from airflow import sdk
except ImportError:  # Airflow 2
    sdk = None

# Keys that a task gives came with this timetable, in Airflow 3.3.
if hasattr(sdk, "PartitionedAtRuntime"):
    BY_DAY = sdk.PartitionedAssetTimetable(
        assets=STOCK, default_partition_mapper=sdk.StartOfDayMapper(timezone="Europe/London")
    )
else:
    BY_DAY = [STOCK]

with DAG(
    dag_id="clarus_stock_by_day",
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="Europe/London"),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["clarus"],
    doc_md=__doc__,
):
    ClarusReportToObjectStorageOperator(
        task_id="land",
        report_id=7,
        interval_variables=("date_from", "date_to"),
        destination="{{ var.value.get('clarus_destination', 'file:///tmp/clarus') }}"
        "/stock-by-day/{{ data_interval_start | ds }}.csv",
        deferrable=True,
        outlets=[STOCK],
    )

with DAG(
    dag_id="clarus_stock_of_a_day",
    schedule=BY_DAY,
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    tags=["clarus"],
    doc_md=__doc__,
):

    @task
    def count(*, dag_run, **context):
        """Count the lines of each file that started this run: of one, unless a day has landed twice."""
        # Airflow 2 calls assets datasets.
        started_by = context.get("triggering_asset_events") or context.get("triggering_dataset_events") or {}
        uris = sorted({event.extra["uri"] for events in started_by.values() for event in events})
        lines = {uri: ObjectStoragePath(uri).read_text().count("\n") - 1 for uri in uris}
        return {"day": getattr(dag_run, "partition_key", None), "lines": lines}

    count()
