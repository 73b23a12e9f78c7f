# SPDX-License-Identifier: Apache-2.0
"""As many reports as a run's ``conf`` says, each landed by one task, or by three."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

BUCKET = "s3://aws_default@{{ var.value.bucket }}"
ARGUMENTS = {
    # The README's advice: retries outlast an outage.
    "default_args": {
        "retries": 12,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(seconds=40),
    },
    "start_date": pendulum.datetime(2024, 1, 1),
    "schedule": None,
}
WAIT = {"deferrable": True, "timeout": 1800}


@task
def numbers(**context):
    return context["dag_run"].conf["reports"]


with DAG("one_task", **ARGUMENTS):

    @task
    def arguments(reports):
        return [
            {
                "report_id": number,
                "destination": f"{BUCKET}/one/{number}.csv",
                "variables": {"n": number},
                "if_exists": "fail" if number % 2 else "replace",
            }
            for number in reports
        ]

    ClarusReportToObjectStorageOperator.partial(task_id="land", poll_interval=5, **WAIT).expand_kwargs(
        arguments(numbers())
    )

with DAG("three_tasks", **ARGUMENTS):
    generate = ClarusGenerateReportOperator.partial(task_id="generate").expand(report_id=numbers())
    wait = ClarusDocumentSensor.partial(task_id="wait", poke_interval=5, **WAIT).expand(
        document_id=generate.output
    )

    @task(trigger_rule="all_done")
    def documents(found):
        return [document["id"] for document in found if document]

    ClarusDownloadDocumentOperator.partial(task_id="land", destination=f"{BUCKET}/three/").expand(
        document_id=documents(wait.output)
    )
