# SPDX-License-Identifier: Apache-2.0
"""Triggers made of what no trigger can read, beside a healthy sensor, and what a DAG may compute."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias, BaseOperator, task, task_group

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.triggers.document import ClarusDocumentTrigger
from airflow_provider_clarus.triggers.event import document_of

START = pendulum.datetime(2024, 1, 1)
KEPT = [
    {},
    {"document_id": 1},
    {"document_id": {"a": [1]}, "poll_interval": [5], "deadline": None},
    {"document_id": 1, "clarus_conn_id": 5.5, "poll_interval": "soon", "since": True, "deadline": "x"},
    {"document_id": 1, "settled": "{", "nobody": "knows", "clarus_conn_id": "clarus_default"},
    {"document_id": -5, "poll_interval": -1, "settled": [1]},
]


class Kept(ClarusDocumentTrigger):
    """The trigger with whatever the database may have of it."""

    def __init__(self, kept):
        super().__init__()
        self.kept = kept

    def serialize(self):
        return "airflow_provider_clarus.triggers.document.ClarusDocumentTrigger", self.kept


class Poison(BaseOperator):
    """Defer with a trigger that cannot be read."""

    def __init__(self, *, kept, **kwargs):
        super().__init__(**kwargs)
        self.kept = kept

    def execute(self, context):
        self.defer(trigger=Kept(self.kept), method_name="execute_complete")

    def execute_complete(self, context, event=None):
        return document_of(event).id


with DAG("poison", schedule=None, start_date=START):
    for number, kept in enumerate(KEPT):
        Poison(task_id=f"poison_{number}", kept=kept, retries=0)

with DAG("healthy", schedule=None, start_date=START):
    ClarusDocumentSensor(
        task_id="wait", document_id="{{ dag_run.conf['document'] }}", deferrable=True, poke_interval="5"
    )

with DAG("computed", schedule=None, start_date=START):

    @task
    def hour():
        return "3600"

    @task_group
    def group(interval):
        ClarusGenerateReportOperator(
            task_id="generate",
            report_id=7,
            wait_for_completion=True,
            deferrable=True,
            poll_interval=interval,
            timeout=hour(),
        )

    group.expand(interval=[5, "6"])

with DAG("landed", schedule=None, start_date=START):
    sensor = ClarusDocumentSensor(
        task_id="wait", document_id="{{ dag_run.conf['document'] }}", poke_interval=1
    )
    ClarusDownloadDocumentOperator(
        task_id="land",
        document_id=sensor.output["id"],
        destination="{{ dag_run.conf['folder'] }}/{{ ti.xcom_pull('wait', key='file_name') }}",
        outlets=[Asset("file:///stock.csv"), AssetAlias("stock")],
    )
