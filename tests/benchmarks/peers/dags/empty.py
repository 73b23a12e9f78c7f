# SPDX-License-Identifier: Apache-2.0
"""What a task costs that does nothing, in a file that loads nothing else."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG("empty", schedule=None):
    # Airflow starts no process for one that has nothing to say.
    EmptyOperator(task_id="empty", on_success_callback=lambda context: None)
