# SPDX-License-Identifier: Apache-2.0
"""The fields that Airflow's log of JSON lines gets, as structlog merges them into each line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus import log_fields
from airflow_provider_clarus.exceptions import ClarusReportFailedError
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import context, run

contextvars = pytest.importorskip("structlog").contextvars
ALL = {"report_id": 7, "document_id": 1, "tenant": "acme"}


class Lines(logging.Handler):
    """Keeps each line's text, and the fields that it would get."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, dict[str, Any]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.fields[record.getMessage().partition(" ")[0]] = contextvars.get_contextvars()


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, logger = Lines(), logging.getLogger("airflow_provider_clarus")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    contextvars.clear_contextvars()
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def transfer(folder: Path, **arguments: Any) -> ClarusReportToObjectStorageOperator:
    return ClarusReportToObjectStorageOperator(
        task_id="land", report_id=7, destination=f"file://{folder}/a.csv", poll_interval=0.1, **arguments
    )


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_lines_before_in_and_after_the_wait_have_all_ids(
    clarus_default: Sandbox, tmp_path: Path, lines: Lines, deferrable: bool
) -> None:
    run(lambda: transfer(tmp_path, deferrable=deferrable))
    # "Report 7 … is queued", "Document 1 …: processing -> available", "Landed …"
    assert {name: lines.fields[name] for name in ("Report", "Document", "Landed")} == {
        "Report": ALL,
        "Document": ALL,
        "Landed": ALL,
    }
    assert not contextvars.get_contextvars()


def test_a_failed_task_leaves_no_field_to_the_next(
    clarus_default: Sandbox, tmp_path: Path, lines: Lines
) -> None:
    clarus_default.add_report(Report(7, seconds=0, outcome="failed"))
    with pytest.raises(ClarusReportFailedError):
        transfer(tmp_path, deferrable=False).execute(context())
    assert lines.fields["Document"] == ALL
    assert not contextvars.get_contextvars()


def test_what_is_not_known_is_no_field() -> None:
    with log_fields.bound(report_id=7, document_id=None, tenant="acme"):
        assert contextvars.get_contextvars() == {"report_id": 7, "tenant": "acme"}
