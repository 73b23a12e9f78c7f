# SPDX-License-Identifier: Apache-2.0
"""Documents landed by mapped tasks, whose first try fails; with a connection that names no endpoint."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator


class FailsOnce(ClarusDownloadDocumentOperator):
    def execute(self, context):
        landed = super().execute(context)
        if context["ti"].try_number == 1:
            raise RuntimeError("after it has landed")
        return landed


with DAG("linked", schedule=None, start_date=pendulum.datetime(2024, 1, 1)):

    @task
    def documents(**context):
        return context["dag_run"].conf["documents"]

    FailsOnce.partial(
        task_id="land",
        destination="s3://aws_plain@landing/linked/",
        retries=1,
        retry_delay=timedelta(seconds=1),
    ).expand(document_id=documents())
