# SPDX-License-Identifier: Apache-2.0
"""Reports, tenants and windows, with each of the three tasks mapped over what the one before returned."""

from __future__ import annotations

from itertools import product

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, task

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor

DESTINATION = "{{ var.value.clarus_destination }}/steps/"

with DAG("fleet_in_steps", schedule=None, start_date=pendulum.datetime(2024, 1, 1)):

    @task
    def fleet():
        return [
            {"subdomain": tenant, "report_id": report, "variables": {"date_from": day, "account_id": [3, 14]}}
            for tenant, report, day in product(("acme", "globex"), (21, 22), ("2024-03-01", "2024-03-02"))
        ]

    members = fleet()

    generate = ClarusGenerateReportOperator.partial(
        task_id="generate",
        map_index_template="{{ task.subdomain }} {{ task.report_id }} {{ task.variables.date_from }}",
    ).expand_kwargs(members)

    documents = members.zip(generate.output)

    wait = ClarusDocumentSensor.partial(
        task_id="wait", deferrable=True, map_index_template="{{ task.subdomain }}: {{ task.document_id }}"
    ).expand_kwargs(documents.map(lambda pair: {"subdomain": pair[0]["subdomain"], "document_id": pair[1]}))

    download = ClarusDownloadDocumentOperator.partial(
        task_id="download", outlets=[Asset("x-clarus://steps/stock")]
    ).expand_kwargs(
        documents.map(
            lambda pair: {
                "subdomain": pair[0]["subdomain"],
                "document_id": pair[1],
                "destination": f"{DESTINATION}{pair[0]['subdomain']}/",
                "clarus_conn_id": "clarus_default",
            }
        )
    )

    wait >> download
