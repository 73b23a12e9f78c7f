# SPDX-License-Identifier: Apache-2.0
"""The two operators that generate, with retries; each run names a report that is its own."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from airflow_provider_clarus.triggers import deferral

# So that a test need not wait for long until a triggerer is given up.
deferral.GRACE = 3.0

RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=5)}
REPORT = "{{ dag_run.conf['report'] }}"
DEFERRABLE = "{{ dag_run.conf.get('deferrable', True) }}"
TIMEOUT = "{{ dag_run.conf.get('timeout', 3600) }}"

with DAG("durable_generate", schedule=None, start_date=pendulum.datetime(2024, 1, 1), default_args=RETRIES):
    ClarusGenerateReportOperator(
        task_id="generate",
        report_id=REPORT,
        wait_for_completion=True,
        deferrable=DEFERRABLE,
        poll_interval=2,
        timeout=TIMEOUT,
    )

with DAG("durable_land", schedule=None, start_date=pendulum.datetime(2024, 1, 1), default_args=RETRIES):
    ClarusReportToObjectStorageOperator(
        task_id="land",
        report_id=REPORT,
        destination="{{ var.value.clarus_destination }}/durable/" + REPORT + "/stock.csv",
        deferrable=DEFERRABLE,
        poll_interval=2,
        timeout=TIMEOUT,
    )

with DAG("durable_limited", schedule=None, start_date=pendulum.datetime(2024, 1, 1), default_args=RETRIES):
    ClarusGenerateReportOperator(
        task_id="generate",
        report_id=REPORT,
        wait_for_completion=True,
        deferrable=True,
        poll_interval=2,
        execution_timeout=timedelta(seconds=25),
    )
