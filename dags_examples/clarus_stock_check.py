# SPDX-License-Identifier: Apache-2.0
"""Check each stock list as soon as it has landed: one DAG lands it, another is scheduled by that asset.

The landing task declares the asset as its outlet. Its asset event says which file landed (``uri``, ``size``,
``sha256``, ``document_id``, ``report_id``), so the checking DAG needs neither the path nor the connection of
Clarus. Several files may start one run: up to Airflow 3.3, what lands while a run is being made is in it, as
happens in a backfill. So each event is a mapped task of its own, and fails where its stock list is wrong,
without holding up the others. A run by hand, which no event started, checks what landed last.

The connection is ``clarus_default``. The Airflow Variable ``clarus_destination`` says where the files go;
``file:///tmp/clarus`` when it is not set. The check needs pandas.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, ObjectStoragePath, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

STOCK = Asset("x-clarus://acme/stock")

with DAG(
    dag_id="clarus_stock",
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
        "/stock/{{ data_interval_start | ds }}.csv",
        deferrable=True,
        outlets=[STOCK],
        # An event of a partition would not start a DAG whose schedule is the asset itself.
        partition_outlets=False,
    )

with DAG(
    dag_id="clarus_stock_check",
    schedule=[STOCK],
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    tags=["clarus"],
    doc_md=__doc__,
):

    @task(inlets=[STOCK])
    def landed(*, inlet_events, **context):
        """Return what each event says that started this run."""
        # Airflow 2 calls assets datasets.
        started_by = context.get("triggering_asset_events") or context.get("triggering_dataset_events") or {}
        events = [event for events in started_by.values() for event in events]
        return [event.extra for event in events or [inlet_events[STOCK][-1]]]

    @task(map_index_template="{{ task.op_kwargs['file']['uri'] }}")
    def check(file):
        """Read a file that has landed, and fail if it cannot be a stock list."""
        import pandas

        with ObjectStoragePath(file["uri"]).open("rb") as opened:
            stock = pandas.read_csv(opened)
        wrong = {
            "no lines at all": stock.empty,
            "a line that comes twice": stock["line"].duplicated().any(),
            "a negative quantity": (stock["quantity"] < 0).any(),
            "a line without a location": stock["location"].isna().any(),
        }
        if found := [what for what, is_so in wrong.items() if is_so]:
            raise ValueError(f"{file['uri']} has {' and '.join(found)}; document {file['document_id']}")
        return {"uri": file["uri"], "lines": len(stock), "quantity": float(stock["quantity"].sum())}

    check.expand(file=landed())
