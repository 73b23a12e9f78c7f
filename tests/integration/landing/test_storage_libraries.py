# SPDX-License-Identifier: Apache-2.0
"""What a transfer loads, and misses, of the libraries with which storages are opened."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from airflow_provider_clarus.exceptions import ClarusConfigError
from airflow_provider_clarus.landing import destination as landing_destination
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import context

FIRST_HALF = """
import sys
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import context
try:
    ClarusReportToObjectStorageOperator(
        task_id="land", report_id=7, destination="s3://aws_default@bucket/stock.csv", deferrable=True
    ).execute(context())
except TaskDeferred:
    print("deferred", *sorted({"boto3", "s3fs", "gcsfs", "adlfs"} & set(sys.modules)))
"""


def test_no_storage_is_loaded_before_the_wait(
    clarus_default: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    clarus_default.add_report(Report(7, seconds=60))
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FIRST_HALF],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ),
    ).stdout
    assert output.splitlines()[-1] == "deferred"


@pytest.mark.parametrize(
    ("destination", "library", "extra"),
    [
        ("s3://aws_default@bucket/stock.csv", "s3fs", "s3"),
        ("gs://bucket/", "gcsfs", "gcs"),
        ("abfss://wasb_default@container/stock.csv", "adlfs", "azure"),
    ],
)
def test_a_library_that_is_missing_is_told_before_anything_is_generated(
    clarus_default: Sandbox, monkeypatch: pytest.MonkeyPatch, destination: str, library: str, extra: str
) -> None:
    def without(name: str) -> Any:
        return None if name == library else find_spec(name)

    monkeypatch.setattr(landing_destination, "find_spec", without)
    operator = ClarusReportToObjectStorageOperator(task_id="land", report_id=7, destination=destination)
    with pytest.raises(ClarusConfigError) as caught:
        operator.execute(context())
    assert f"needs {library}: pip install 'airflow-provider-clarus[{extra}]'" in str(caught.value)
    assert clarus_default.count("generate") == 0
