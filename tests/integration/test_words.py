# SPDX-License-Identifier: Apache-2.0
"""A task's failures and log lines name report, document and tenant, whatever failed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import context, run

ALL = ("report 7", "document 1", "tenant 'acme'")


def transfer(folder: Path, **arguments: Any) -> ClarusReportToObjectStorageOperator:
    return ClarusReportToObjectStorageOperator(
        task_id="land",
        report_id=7,
        destination=f"file://{folder}/stock.csv",
        **({"deferrable": False, "poll_interval": 0.1} | arguments),
    )


@pytest.mark.long
def test_a_download_that_fails(clarus_default: Sandbox, tmp_path: Path) -> None:
    clarus_default.inject(Fault("file", status=404, body="<Error/>"))
    with pytest.raises(ClarusError) as raised:
        transfer(tmp_path).execute(context())
    assert all(name in str(raised.value).lower() for name in ALL)
    error = raised.value
    assert (error.report_id, error.document_id, error.tenant) == (7, 1, "acme")


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_report_that_fails(clarus_default: Sandbox, tmp_path: Path, deferrable: bool) -> None:
    clarus_default.add_report(Report(7, seconds=0.1, outcome="failed"))
    with pytest.raises(ClarusError, match="clear the task that generated it") as raised:
        run(lambda: transfer(tmp_path, deferrable=deferrable))
    assert all(name in str(raised.value).lower() for name in ALL)


def test_a_storage_that_fails(
    clarus_default: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in_the_way").write_text("")
    with pytest.raises(OSError, match="in_the_way"):
        transfer(tmp_path / "in_the_way").execute(context())
    [told] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert all(name in told for name in ALL)


def test_what_landed(clarus_default: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        transfer(tmp_path).execute(context())
    [told] = [message for message in caplog.messages if message.startswith("Landed")]
    assert all(name in told for name in ALL)
