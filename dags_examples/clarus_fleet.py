# SPDX-License-Identifier: Apache-2.0
"""Land many ClarusWMS reports of many tenants with two mapped tasks, over one connection.

Each mapped task is called by its tenant and report in the grid, not by a number. All of them share one token,
and all of a tenant wait in one poller: a hundred documents are one request. ``expand`` pairs each tenant with
each report; ``expand_kwargs`` takes a list of whatever differs, here a report that one tenant alone has.

The pool says how many reports Clarus generates at once. A waiting task has left its worker, so the pool must
count the deferred ones, too::

    airflow pools set clarus 8 "Reports at once" --include-deferred

A sandbox with these tenants and reports::

    python -m airflow_provider_clarus.sandbox --tenant acme --tenant globex --report 7 --report 8

The connection is ``clarus_default``; its API user must own the reports in each tenant. The Airflow Variable
``clarus_destination`` says where the files go; ``file:///tmp/clarus`` when it is not set.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

DESTINATION = (
    "{{ var.value.get('clarus_destination', 'file:///tmp/clarus') }}"
    "/{{ task.subdomain }}/{{ data_interval_start | ds }}/"
)

with DAG(
    dag_id="clarus_fleet",
    schedule=CronDataIntervalTimetable("0 5 * * *", timezone="Europe/London"),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "pool": "clarus"},
    tags=["clarus"],
    doc_md=__doc__,
):
    ClarusReportToObjectStorageOperator.partial(
        task_id="everywhere",
        map_index_template="{{ task.subdomain }}: report {{ task.report_id }}",
        interval_variables=("date_from", "date_to"),
        destination=DESTINATION + "report-{{ task.report_id }}.csv",
        deferrable=True,
    ).expand(subdomain=["acme", "globex"], report_id=[7, 8])

    ClarusReportToObjectStorageOperator.partial(
        task_id="by_account",
        map_index_template="{{ task.subdomain }}: accounts {{ task.variables['account_id'] | join(', ') }}",
        report_id=7,
        deferrable=True,
    ).expand_kwargs(
        [
            {
                "subdomain": tenant,
                "variables": {"account_id": accounts},
                "destination": f"{DESTINATION}accounts-{'-'.join(map(str, accounts))}.csv",
            }
            for tenant, accounts in (("acme", [3, 14]), ("globex", [15]))
        ]
    )
