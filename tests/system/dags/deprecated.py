# SPDX-License-Identifier: Apache-2.0
"""A task that warns as if code of this package had used what will be taken away."""

from __future__ import annotations

import warnings

import pendulum
from airflow.exceptions import AirflowProviderDeprecationWarning
from airflow.providers.common.compat.sdk import DAG, task

with DAG("deprecated", schedule=None, start_date=pendulum.datetime(2024, 1, 1)):

    @task
    def warn() -> None:
        from airflow_provider_clarus.operators import report

        for category in (
            DeprecationWarning,
            PendingDeprecationWarning,
            FutureWarning,
            AirflowProviderDeprecationWarning,
        ):
            warnings.warn_explicit("said by the canary", category, report.__file__, 1, module=report.__name__)

    warn()
