# SPDX-License-Identifier: Apache-2.0
"""Airflow copies, pickles and serializes tasks, also those that have run in the same process."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import context, event_of, restored

try:
    from airflow.serialization.serialized_objects import OperatorSerialization as Serialization
except ImportError:
    from airflow.serialization.serialized_objects import SerializedBaseOperator as Serialization

ARGUMENTS: dict[Any, dict[str, Any]] = {
    ClarusGenerateReportOperator: {"report_id": 7, "wait_for_completion": True},
    ClarusDocumentSensor: {"document_id": 1, "poke_interval": 10.0, "timeout": 60.0},
    ClarusDownloadDocumentOperator: {"document_id": 1},
    ClarusReportToObjectStorageOperator: {"report_id": 7, "metadata": {"team": "stock"}},
}
IN_EVERY_WAY: list[tuple[Any, dict[str, Any], float]] = [
    *[(operator_class, {}, 0.0) for operator_class in ARGUMENTS],
    (ClarusDownloadDocumentOperator, {}, 3600.0),
    *[
        (operator_class, arguments, 3600.0)
        for operator_class in ARGUMENTS
        if operator_class is not ClarusDownloadDocumentOperator
        for arguments in ({"timeout": 0.0}, {"deferrable": True}, {"deferrable": True, "timeout": 0.0})
    ],
]


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(("operator_class", "arguments", "seconds"), IN_EVERY_WAY)
def test_a_task_that_has_run_can_be_copied_pickled_and_serialized(
    clarus_default: Sandbox,
    tmp_path: Path,
    operator_class: Any,
    arguments: dict[str, Any],
    seconds: float,
) -> None:
    clarus_default.add_report(Report(7, seconds=seconds))
    clarus_default.add_documents(1, 7)
    given = ARGUMENTS[operator_class] | arguments
    if "destination" in operator_class.template_fields:
        given["destination"] = f"file://{tmp_path}/stock.csv"
    fresh, used = (operator_class(task_id="task", **given) for _ in range(2))
    try:
        used.execute(context())
    except TaskDeferred as deferred:
        assert arguments.get("deferrable")
        if not arguments.get("timeout", 1):
            with pytest.raises(ClarusError):
                used.execute_complete(context(), event_of(restored(deferred.trigger)))
    except ClarusError:
        assert seconds
    # Airflow 2.11 writes down a default that was copied: each is compared with a fresh task copied alike.
    for alike in (lambda task: task, copy.deepcopy, lambda task: pickle.loads(pickle.dumps(task)), copy.copy):
        copied, expected = (
            alike(used),
            json.dumps(Serialization.serialize_operator(alike(fresh)), sort_keys=True),
        )
        # What is known of the file when it has landed is shown, and nothing else stays.
        if "file_name" in copied.template_fields:
            copied.file_name = None
        assert json.dumps(Serialization.serialize_operator(copied), sort_keys=True) == expected
