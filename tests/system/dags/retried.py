# SPDX-License-Identifier: Apache-2.0
"""Tasks whose retries a policy decides about; without it, each would wait for an hour."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator

try:
    from airflow_provider_clarus.retry_policy import ClarusRetryPolicy
except ImportError:
    POLICY: dict[str, Any] = {}
else:
    POLICY = {"retry_policy": ClarusRetryPolicy()}

with DAG(
    "retried",
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1),
    default_args={"retries": 2, "retry_delay": timedelta(hours=1), **POLICY},
):

    @task
    def soon(*, ti):
        """Succeed when Airflow tries again."""
        if ti.try_number == 1:
            raise ClarusTransientError("Clarus answered 429", status=429, retry_after=5.0)

    soon()
    ClarusGenerateReportOperator(
        task_id="asked", report_id=7, variables={"note": "asked to wait"}, check_variables=False
    )
    ClarusGenerateReportOperator(task_id="refused", report_id=9999, check_variables=False)
