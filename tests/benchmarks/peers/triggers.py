# SPDX-License-Identifier: Apache-2.0
"""The triggers that wait, as their own operators make them: this provider's, and those of four others."""

from __future__ import annotations

import time
from typing import Any

from tests.benchmarks.waiting import INTERVAL, Way, shared

AN_HOUR = 3600.0
"""Seconds."""


def dbt_cloud(document_id: int, tenant: str) -> Any:
    """Return dbt Cloud's: a session, and so a TLS handshake, for each look."""
    from airflow.providers.dbt.cloud.triggers.dbt import DbtCloudRunJobTrigger

    return DbtCloudRunJobTrigger("dbt_cloud_default", document_id, time.time() + AN_HOUR, INTERVAL, 1)


def databricks(document_id: int, tenant: str) -> Any:
    """Return Databricks': a session for each trigger."""
    from airflow.providers.databricks.triggers.databricks import DatabricksExecutionTrigger

    return DatabricksExecutionTrigger(document_id, "databricks_default", polling_period_seconds=int(INTERVAL))


def http(document_id: int, tenant: str) -> Any:
    """Return the HTTP sensor's: a session for each look."""
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    return HttpSensorTrigger(f"pages/{document_id}", "http_default", poke_interval=INTERVAL)


def anthropic(document_id: int, tenant: str) -> Any:
    """Return Anthropic's, for a batch: a client for each trigger, called in a thread."""
    from airflow.providers.anthropic.triggers.batch import AnthropicBatchTrigger

    return AnthropicBatchTrigger("anthropic_default", str(document_id), INTERVAL, time.time() + AN_HOUR)


#: By the distribution that each is in.
TRIGGERS: dict[str, Way] = {
    "airflow-provider-clarus": shared,
    "apache-airflow-providers-dbt-cloud": dbt_cloud,
    "apache-airflow-providers-databricks": databricks,
    "apache-airflow-providers-http": http,
    "apache-airflow-providers-anthropic": anthropic,
}
