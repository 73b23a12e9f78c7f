# SPDX-License-Identifier: Apache-2.0
"""Reports by their names, mapped, with variables that are checked: one of them misspelt."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

DAY = {"date_from": pendulum.datetime(2024, 3, 5), "account_id": [3, 14]}

with DAG("by_name", schedule=None, start_date=pendulum.datetime(2024, 1, 1)):
    ClarusReportToObjectStorageOperator.partial(
        task_id="land",
        variables=DAY,
        destination="{{ var.value.clarus_destination }}/by_name/",
        deferrable=True,
    ).expand(report_name=["Stock by zone", "{{ dag_run.conf['other'] }}"])
    ClarusGenerateReportOperator.partial(task_id="misspelt", report_name="Stock by zone", retries=2).expand(
        variables=[{"date_form": pendulum.datetime(2024, 3, 5)}, {"account_id": "{{ run_id }}"}]
    )
    ClarusGenerateReportOperator(
        task_id="unchecked", report_name="Stock by zone", variables={"date_form": "x"}, check_variables=False
    )
