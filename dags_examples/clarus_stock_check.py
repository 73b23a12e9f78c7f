# SPDX-License-Identifier: Apache-2.0
"""Check each stock list as soon as it has landed: one DAG lands it, another is scheduled by that asset.

The landing task declares the asset as its outlet. Its asset event says which file landed (``uri``, ``size``,
``sha256``, ``document_id``, ``report_id``), so the checking DAG needs neither the path nor the connection of
Clarus; and it fails where the stock list is wrong, without holding up what else is made of it.

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
    def check(*, inlet_events):
        """Read the file that landed last, and fail if it cannot be a stock list."""
        import pandas

        landed = inlet_events[STOCK][-1].extra
        with ObjectStoragePath(landed["uri"]).open("rb") as file:
            stock = pandas.read_csv(file)
        wrong = {
            "no lines at all": stock.empty,
            "a line that comes twice": stock["line"].duplicated().any(),
            "a negative quantity": (stock["quantity"] < 0).any(),
            "a line without a location": stock["location"].isna().any(),
        }
        if found := [what for what, is_so in wrong.items() if is_so]:
            raise ValueError(f"{landed['uri']} has {' and '.join(found)}; document {landed['document_id']}")
        return {"uri": landed["uri"], "lines": len(stock), "quantity": float(stock["quantity"].sum())}

    check()
