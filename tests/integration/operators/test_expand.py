# SPDX-License-Identifier: Apache-2.0
"""Every argument that DESIGN calls templated is rendered, and can be mapped over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import context

VALUES = {
    "report_id": "{{ report }}",
    "document_id": "{{ document }}",
    "variables": {"account_id": ["{{ account }}", 14], "day": "{{ day }}"},
    "destination": "file://{{ folder }}/{{ day }}/",
    "subdomain": "{{ tenant }}",
    "clarus_conn_id": "{{ connection }}",
}


@pytest.fixture
def rendering(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A task's context with what the templates of ``VALUES`` ask for, and a sandbox that is meant by it."""
    with Sandbox([Report(7, tenant="globex", seconds=0)], tenants=["acme", "globex"]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_EU", sandbox.connection_uri)
        sandbox.add_documents(1, 7, tenant="globex")
        yield context(
            report=7,
            document=1,
            account=3,
            day="2024-03-31",
            folder=tmp_path,
            tenant="globex",
            connection="clarus_eu",
        )


def mapped(operator_class: Any, **over: Any) -> Any:
    """Map an operator over what it is given, and return its first task."""
    with DAG("mapping", schedule=None, start_date=pendulum.datetime(2024, 1, 1)):
        operator = operator_class.partial(task_id="task").expand(
            **{name: [value] for name, value in over.items()}
        )
    return operator.unmap(over)


@pytest.mark.parametrize(
    ("operator_class", "names", "result"),
    [
        (ClarusGenerateReportOperator, ("report_id", "variables"), 2),
        (ClarusDocumentSensor, ("document_id",), {"id": 1, "status": "available"}),
        (ClarusDownloadDocumentOperator, ("document_id", "destination"), {"document_id": 1}),
        (ClarusReportToObjectStorageOperator, ("report_id", "variables", "destination"), {"document_id": 2}),
    ],
)
def test_a_mapped_task_runs_with_its_rendered_arguments(
    rendering: Any, operator_class: Any, names: tuple[str, ...], result: Any
) -> None:
    arguments = {name: VALUES[name] for name in (*names, "subdomain", "clarus_conn_id")}
    task = mapped(operator_class, **arguments)
    task.render_template_fields(rendering)
    found = task.execute(rendering)
    if isinstance(result, dict):
        assert found == found | result
    else:
        assert found == result


def test_mapping_over_lists_of_arguments_keeps_each_set_together() -> None:
    with DAG("mapping", schedule=None, start_date=pendulum.datetime(2024, 1, 1)):
        operator = ClarusReportToObjectStorageOperator.partial(task_id="land", report_id=7).expand_kwargs(
            [{"subdomain": "acme", "destination": "file:///a/"}]
        )
    task = operator.unmap({"subdomain": "acme", "destination": "file:///a/"})
    assert (task.report_id, task.subdomain, task.destination) == (7, "acme", "file:///a/")
