# SPDX-License-Identifier: Apache-2.0
"""What Airflow's OpenLineage provider gathers of a task that has run, its hooks' lineage included."""

from __future__ import annotations

import copy
import gzip
import hashlib
import math
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.openlineage.extractors import OperatorLineage
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.utils.state import TaskInstanceState

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import Store, context, deferral, event_of, restored, task_instance
from tests.openlineage import as_written, check_facet

pytestmark = pytest.mark.usefixtures("hurry")

INTERVAL = {
    "data_interval_start": datetime(2024, 3, 30, tzinfo=timezone.utc),
    "data_interval_end": datetime(2024, 3, 31, tzinfo=timezone.utc),
}
WINDOW = {"date_from": "2024-03-30T00:00:00+00:00", "date_to": "2024-03-30T23:59:59+00:00"}


def transfer(destination: str, **arguments: Any) -> ClarusReportToObjectStorageOperator:
    defaults = {"report_id": 7, "poll_interval": 0.1, "timeout": 20, "deferrable": False}
    return ClarusReportToObjectStorageOperator(
        task_id="land", destination=destination, **(defaults | arguments)
    )


def gathered(operator: Any, state: TaskInstanceState = TaskInstanceState.SUCCESS) -> dict[str, Any]:
    """Return what the provider gathers, as it is written, every facet of it checked."""
    run = type("DagRun", (), {"run_id": "run"})()
    # Before 2.2, the provider takes no state, and asks the task instance.
    lineage = ExtractorManager().extract_metadata(run, operator, state, task_instance(state=state))
    assert isinstance(lineage, OperatorLineage)
    written = dict(as_written(lineage))
    for dataset in (*written["inputs"], *written["outputs"]):
        for name, facet in {**dataset.get("facets", {}), **dataset.get("outputFacets", {})}.items():
            check_facet(facet, name)
    for name, facet in written["run_facets"].items():
        check_facet(facet, name)
    return written


def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in datasets]


def deferred_and_resumed(make: Callable[[], Any], **values: Any) -> Any:
    """Return the operator that has gone on after a wait, in what might be another process."""
    deferred = deferral(make(), **values)
    operator = make()
    getattr(operator, deferred.method_name)(context(**values), event=event_of(restored(deferred.trigger)))
    return operator


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_landing_is_told_once_with_all_that_is_known(
    clarus_default: Sandbox, tmp_path: Path, collector: Any, deferrable: bool, compression: str | None
) -> None:
    def make() -> Any:
        return transfer(
            f"file://{tmp_path}/",
            variables={"account_id": [3, 14]},
            interval_variables=("date_from", "date_to"),
            compression=compression,
            deferrable=deferrable,
        )

    if deferrable:
        operator = deferred_and_resumed(make, **INTERVAL)
    else:
        operator = make()
        operator.execute(context(**INTERVAL))
    [landed] = tmp_path.iterdir()
    content = landed.read_bytes()
    # As a listener does: it may copy the operator first.
    told = gathered(copy.deepcopy(operator))
    assert names(told["inputs"]) == [("clarus://acme", "report/7")]
    assert names(told["outputs"]) == [("file", str(landed))]
    [output] = told["outputs"]
    document = output["facets"]["clarus_document"]
    assert (document["documentId"], document["size"]) == (1, len(content))
    assert document["sha256"] == hashlib.sha256(content).hexdigest()
    rows = (gzip.decompress(content) if compression else content).decode().splitlines()
    columns = [field["name"] for field in output["facets"]["schema"]["fields"]]
    assert columns == rows[0].split(",")
    run = told["run_facets"]["clarus_run"]
    assert run["variables"] == {"account_id": ["3", "14"], **WINDOW}
    assert run["window"] == dict(zip(("start", "end"), WINDOW.values(), strict=True))
    assert run["documentId"] == 1
    # It was there to be doubled.
    assert [info.asset.uri for info in collector.collected_assets.outputs] == [f"file://{landed}"]


@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
@pytest.mark.parametrize("report", [{"report_id": 7}, {"report_name": "Report 7"}], ids=["id", "name"])
def test_generating_leads_from_the_report_to_its_document(
    clarus_default: Sandbox, deferrable: bool, report: dict[str, Any]
) -> None:
    clarus_default.add_report(Report(7, name="Report 7", seconds=0.1))

    def make() -> Any:
        return ClarusGenerateReportOperator(
            task_id="generate", wait_for_completion=True, deferrable=deferrable, poll_interval=0.1, **report
        )

    if deferrable:
        operator = deferred_and_resumed(make)
    else:
        operator = make()
        operator.execute(context())
    told = gathered(operator)
    assert names(told["inputs"]) == [("clarus://acme", "report/7")]
    assert names(told["outputs"]) == [("clarus://acme", "document/1")]
    assert told["run_facets"]["clarus_run"].get("reportName") == report.get("report_name")


def test_a_download_goes_on_from_the_document(clarus_default: Sandbox, tmp_path: Path) -> None:
    clarus_default.add_report(Report(7, seconds=0))
    ClarusGenerateReportOperator(task_id="generate", report_id=7).execute(context())
    download = ClarusDownloadDocumentOperator(
        task_id="download", document_id=1, destination=f"file://{tmp_path}/stock.csv", outlets=[]
    )
    download.execute(context())
    told = gathered(download)
    assert names(told["inputs"]) == [("clarus://acme", "document/1")]
    assert names(told["outputs"]) == [("file", f"{tmp_path}/stock.csv")]
    assert told["outputs"][0]["facets"]["schema"]["fields"]


def failed(operator: Any, **values: Any) -> Any:
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, lineage tells what is known
        operator.execute(context(**values))
    return operator


def test_a_failure_tells_what_was_asked_for(clarus_default: Sandbox, tmp_path: Path) -> None:
    clarus_default.add_report(Report(7, seconds=0, outcome="failed"))
    told = gathered(failed(transfer(f"file://{tmp_path}/a.csv")), TaskInstanceState.FAILED)
    assert names(told["inputs"]) == [("clarus://acme", "report/7")]
    assert told["outputs"] == []
    assert told["run_facets"]["clarus_run"]["documentId"] == 1


def test_a_failure_after_a_deferral_does_too(clarus_default: Sandbox, tmp_path: Path) -> None:
    clarus_default.add_report(Report(7, seconds=0.1, outcome="failed"))
    deferred = deferral(transfer(f"file://{tmp_path}/a.csv", deferrable=True))
    # What its templates mean now is not what was asked for then.
    operator = transfer(f"file://{tmp_path}/a.csv", report_id="{{ unknown }}")
    with pytest.raises(Exception, match="failed"):
        operator.execute_complete(context(), event=event_of(restored(deferred.trigger)))
    told = gathered(operator, TaskInstanceState.FAILED)
    assert names(told["inputs"]) == [("clarus://acme", "report/7")]
    assert told["run_facets"]["clarus_run"]["documentId"] == 1


def test_a_report_that_no_one_finds_is_told_by_its_name(clarus_default: Sandbox, tmp_path: Path) -> None:
    operator = failed(transfer(f"file://{tmp_path}/a.csv", report_id=None, report_name="No such report"))
    told = gathered(operator, TaskInstanceState.FAILED)
    assert names(told["inputs"]) == [("clarus://acme", "report/No such report")]


def test_a_run_without_a_window_tells_of_its_report(clarus_default: Sandbox, tmp_path: Path) -> None:
    operator = failed(transfer(f"file://{tmp_path}/a.csv", interval_variables=("date_from", "date_to")))
    assert names(gathered(operator, TaskInstanceState.FAILED)["inputs"]) == [("clarus://acme", "report/7")]


def test_what_was_there_before_is_no_output(clarus_default: Sandbox, tmp_path: Path, collector: Any) -> None:
    (tmp_path / "a.csv").write_text("old")
    operator = transfer(f"file://{tmp_path}/a.csv", if_exists="skip")
    operator.execute(context())
    told = gathered(operator)
    assert names(told["inputs"]) == [("file", f"{tmp_path}/a.csv")]
    assert told["outputs"] == []


def test_what_a_killed_try_has_landed_is_told_by_its_retry(clarus_default: Sandbox, tmp_path: Path) -> None:
    clarus_default.add_report(Report(7, seconds=0))
    values = {"task_state_store": Store(), "ti": task_instance(max_tries=1)}
    killed = transfer(f"file://{tmp_path}/a.csv", if_exists="fail")
    killed.execute(context(**values))
    retry = transfer(f"file://{tmp_path}/a.csv", if_exists="fail", subdomain="acme")
    retry.execute(context(**values))
    told = gathered(retry)
    assert names(told["inputs"]) == [("clarus://acme", "report/7")]
    assert names(told["outputs"]) == [("file", f"{tmp_path}/a.csv")]
    assert clarus_default.count("generate") == 1


def test_a_secret_variable_is_masked_in_what_is_sent(clarus_default: Sandbox, tmp_path: Path) -> None:
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter

    clarus_default.add_report(Report(7, seconds=0))
    operator = transfer(f"file://{tmp_path}/a.csv", variables={"api_key": "hunter2"}, check_variables=False)
    operator.execute(context())
    lineage = operator.get_openlineage_facets_on_complete(task_instance())
    facet = OpenLineageAdapter()._redacter.redact(lineage.run_facets["clarus_run"], max_depth=20)
    assert "hunter2" not in str(as_written(facet))
    # The operator itself, which a retry in this process would go on with, is left as it was.
    assert operator.worked_on.variables[0]["value"] == "hunter2"


def test_nothing_is_told_and_nothing_fails_without_openlineage(
    clarus_default: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clarus_default.add_report(Report(7, seconds=0))
    operator = transfer(f"file://{tmp_path}/a.csv")
    assert operator.get_openlineage_facets_on_complete(None) is None
    operator.execute(context())
    for name in ("openlineage.client.event_v2", "airflow_provider_clarus.lineage.facets"):
        monkeypatch.setitem(sys.modules, name, None)
    assert operator.get_openlineage_facets_on_complete(None) is None
    assert operator.get_openlineage_facets_on_failure(None) is None
    assert "OpenLineage is told nothing" in caplog.text


def test_a_stopped_wait_tells_what_it_waited_for(clarus_default: Sandbox, tmp_path: Path) -> None:
    clarus_default.add_report(Report(7, seconds=math.inf))
    operator = failed(transfer(f"file://{tmp_path}/a.csv", timeout=0.2))
    told = gathered(operator, TaskInstanceState.FAILED)
    assert told["run_facets"]["clarus_run"]["documentId"] == 1
