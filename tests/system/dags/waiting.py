# SPDX-License-Identifier: Apache-2.0
"""As many deferred tasks as a run's ``conf`` says, of a sensor and of an operator that generates first."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor


@task
def members(**context):
    return context["dag_run"].conf["members"]


with DAG("waiting_for_documents", schedule=None, start_date=pendulum.datetime(2024, 1, 1)):
    ClarusDocumentSensor.partial(task_id="wait", deferrable=True, poke_interval=5, timeout=3600).expand(
        document_id=members()
    )

with DAG("waiting_for_reports", schedule=None, start_date=pendulum.datetime(2024, 1, 1)):
    ClarusGenerateReportOperator.partial(
        task_id="generate",
        report_id=61,
        wait_for_completion=True,
        deferrable=True,
        poll_interval=5,
        timeout=3600,
    ).expand(variables=members())
