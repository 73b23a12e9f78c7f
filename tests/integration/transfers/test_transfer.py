# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import csv
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_clarus.exceptions import ClarusInputError, ClarusReportFailedError
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import Store, context, deferral, event_of, restored, run


def transfer(destination: str, **arguments: Any) -> ClarusReportToObjectStorageOperator:
    defaults = {"report_id": 7, "poll_interval": 0.1, "timeout": 20}
    return ClarusReportToObjectStorageOperator(
        task_id="land", destination=destination, **(defaults | arguments)
    )


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferred"])
def test_one_task_generates_waits_and_lands(
    clarus_default: Sandbox, tmp_path: Path, deferrable: bool
) -> None:
    receipt = run(
        lambda: transfer(f"file://{tmp_path}/", variables={"account_id": [3, 14]}, deferrable=deferrable)
    )
    (landed,) = tmp_path.iterdir()
    assert receipt["uri"] == f"file://{landed}"
    assert receipt["document_id"] == 1
    assert receipt["file_name"] == landed.name == "report-7-1.csv"
    assert {row["account_id"] for row in csv.DictReader(landed.open())} == {"3;14"}
    assert (clarus_default.count("token"), clarus_default.count("generate")) == (1, 1)


def test_it_cannot_be_told_not_to_wait(tmp_path: Path) -> None:
    with pytest.raises((TypeError, AirflowException), match="wait_for_completion"):
        transfer(f"file://{tmp_path}/", wait_for_completion=False)


def test_a_file_that_must_stay_costs_no_report(clarus_default: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "stock.csv").write_text("old")
    with pytest.raises(ClarusInputError, match="if_exists is 'fail': nothing was generated"):
        transfer(f"file://{tmp_path}/stock.csv", if_exists="fail").execute(context())
    assert not clarus_default.requests


def test_a_destination_that_cannot_be_costs_no_report(clarus_default: Sandbox) -> None:
    with pytest.raises(ClarusInputError, match="'/reports/stock'"):
        transfer("/reports/stock").execute(context())
    assert not clarus_default.requests


@pytest.mark.usefixtures("hurry")
def test_a_failed_report_lands_nothing(clarus_default: Sandbox, tmp_path: Path) -> None:
    clarus_default.add_report(Report(7, seconds=0.2, outcome="failed"))
    with pytest.raises(ClarusReportFailedError):
        run(lambda: transfer(f"file://{tmp_path}/", deferrable=True))
    assert not list(tmp_path.iterdir())


def test_a_retry_after_a_failed_landing_generates_nothing(clarus_default: Sandbox, tmp_path: Path) -> None:
    store = Store()
    clarus_default.add_report(Report(7, seconds=0))
    clarus_default.inject(Fault("file", status=405, body="<Error/>"))
    destination = f"file://{tmp_path}/stock.csv"
    with pytest.raises(Exception, match="405"):
        transfer(destination, deferrable=False).execute(context(task_state_store=store))
    clarus_default.clear_faults()
    transfer(destination, deferrable=False).execute(context(task_state_store=store))
    assert (tmp_path / "stock.csv").exists()
    assert clarus_default.count("generate") == 1


def test_a_report_that_never_comes_ends_with_its_timeout(clarus_default: Sandbox, tmp_path: Path) -> None:
    clarus_default.add_report(Report(7, seconds=math.inf))
    with pytest.raises(Exception, match="Document 1 in tenant 'acme' was not available"):
        transfer(f"file://{tmp_path}/", timeout=0.2, deferrable=False).execute(context())


@pytest.mark.usefixtures("hurry")
def test_what_was_settled_before_the_wait_counts_after_it(
    clarus_default: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Templates are rendered anew when a task resumes; the connection may have been edited meanwhile."""
    deferred = deferral(transfer(f"file://{tmp_path}/before.csv", subdomain="acme", deferrable="yes"))
    event = event_of(restored(deferred.trigger))
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", "clarus://nobody")
    after = transfer(f"file://{tmp_path}/after.csv", subdomain="globex", clarus_conn_id="other", report_id=8)
    result = after.execute_complete(context(), event=event)
    assert (result["uri"], result["document_id"]) == (f"file://{tmp_path}/before.csv", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["before.csv"]
    assert {
        request.headers["x-clarus-subdomain"]
        for request in clarus_default.requests
        if "x-clarus-subdomain" in request.headers
    } == {"acme"}


@pytest.mark.usefixtures("hurry")
def test_a_wait_that_an_earlier_release_began_goes_on(clarus_default: Sandbox, tmp_path: Path) -> None:
    deferred = deferral(transfer(f"file://{tmp_path}/stock.csv", deferrable=True))
    event = event_of(restored(deferred.trigger))
    del event["settled"]
    result = transfer(f"file://{tmp_path}/stock.csv").execute_complete(context(), event=event)
    assert result["uri"] == f"file://{tmp_path}/stock.csv"


def test_operators_that_have_run_can_be_copied_and_pickled(clarus_default: Sandbox, tmp_path: Path) -> None:
    """As listeners and lineage do."""
    landing: dict[str, Any] = {"destination": f"file://{tmp_path}/", "if_exists": "skip"}
    for used in (
        ClarusGenerateReportOperator(
            task_id="generate", report_id=7, wait_for_completion=True, poll_interval=0.1
        ),
        ClarusReportToObjectStorageOperator(task_id="land", report_id=7, poll_interval=0.1, **landing),
        ClarusDownloadDocumentOperator(task_id="download", document_id=1, **landing),
        ClarusDownloadDocumentOperator(task_id="again", document_id=1, **landing),
    ):
        used.deferrable = False
        used.execute(context())
        assert copy.deepcopy(used).task_id == used.task_id
        assert pickle.loads(pickle.dumps(used)).task_id == used.task_id
