# SPDX-License-Identifier: Apache-2.0
"""What OpenLineage is told, held to its spec."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

from airflow_provider_clarus.lineage.facets import lineage_of
from airflow_provider_clarus.stopping import Work
from tests.openlineage import as_written, check_event

VARIABLES = [
    {"name": "date_from", "value": "2024-03-31T00:00:00+00:00"},
    {"name": "account_id", "value": "3"},
    {"name": "account_id", "value": "14"},
]
LANDED = {
    "uri": "s3://aws_default@bucket/stock.csv",
    "size": 120,
    "sha256": "ab" * 32,
    "file_name": "stock.csv",
    "document_id": 9,
}
WORKS = {
    "nothing": Work(),
    "generated": Work(7, 9, "acme", variables=VARIABLES, window=["2024-03-31", "2024-04-01"]),
    "by name": Work(None, None, "acme", report_name="Stock"),
    "landed": Work(7, 9, "acme", variables=[], lands=True, landed=LANDED, columns=("sku", "")),
    "downloaded": Work(None, 9, "acme", lands=True, landed={**LANDED, "file_name": None}),
    "skipped": Work(None, 9, "acme", lands=True, landed={**LANDED, "sha256": None}),
    "skipped, of any tenant": Work(None, None, None, lands=True, landed={**LANDED, "sha256": None}),
}


def event_of(work: Work, *, is_complete: bool = True) -> dict[str, Any]:
    """Return the event that a transport writes for a task."""
    lineage = lineage_of(work, is_complete=is_complete)
    event = RunEvent(
        eventType=RunState.COMPLETE,
        eventTime=datetime.now(timezone.utc).isoformat(),
        run=Run(str(uuid4()), lineage.run_facets),
        job=Job("airflow", "dag.task"),
        inputs=lineage.inputs,
        outputs=lineage.outputs,
        producer="https://example.com/airflow",
    )
    return dict(as_written(event))


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
@pytest.mark.parametrize("is_complete", [True, False])
def test_whatever_is_known_makes_an_event_that_the_spec_allows(work: Work, is_complete: bool) -> None:
    check_event(event_of(work, is_complete=is_complete))


def test_the_check_finds_what_the_spec_does_not_allow() -> None:
    good = event_of(WORKS["landed"])
    for spoil in (
        lambda event: event["outputs"][0].pop("name"),
        lambda event: event["outputs"][0].update(unknown=1),
        lambda event: event["outputs"][0]["facets"]["schema"]["fields"][0].pop("name"),
        lambda event: event["outputs"][0]["facets"]["clarus_document"].update(size="120"),
        lambda event: event["outputs"][0]["facets"]["clarus_document"].pop("_producer"),
        lambda event: event["run"]["facets"]["clarus_run"].update(documentId="9"),
        lambda event: event.update(producer="nobody"),
        lambda event: event["run"].update(runId="1"),
    ):
        event = copy.deepcopy(good)
        spoil(event)
        with pytest.raises(jsonschema.ValidationError):
            check_event(event)


def test_a_landing_tells_of_everything() -> None:
    event = event_of(
        Work(**{**vars(WORKS["generated"]), "lands": True, "landed": LANDED, "columns": ("sku",)})
    )
    [source], [output] = event["inputs"], event["outputs"]
    assert (source["namespace"], source["name"]) == ("clarus://acme", "report/7")
    assert (output["namespace"], output["name"]) == ("s3://bucket", "stock.csv")
    assert [field["name"] for field in output["facets"]["schema"]["fields"]] == ["sku"]
    assert output["outputFacets"]["outputStatistics"]["size"] == 120
    facet = output["facets"]["clarus_document"]
    assert {name: facet[name] for name in ("documentId", "reportId", "size", "sha256", "tenant")} == {
        "documentId": 9,
        "reportId": 7,
        "size": 120,
        "sha256": "ab" * 32,
        "tenant": "acme",
    }
    run = event["run"]["facets"]["clarus_run"]
    assert run["variables"] == {"date_from": "2024-03-31T00:00:00+00:00", "account_id": ["3", "14"]}
    assert run["window"] == {"start": "2024-03-31", "end": "2024-04-01"}
    # The Airflow connection that opened the storage is nobody's business.
    assert "aws_default" not in str(event)


def test_a_generating_task_leads_to_the_document_that_another_lands() -> None:
    generated, downloaded = event_of(WORKS["generated"]), event_of(WORKS["downloaded"])
    names = [(one["namespace"], one["name"]) for one in (*generated["outputs"], *downloaded["inputs"])]
    assert names == [("clarus://acme", "document/9")] * 2
    assert [one["name"] for one in downloaded["outputs"]] == ["stock.csv"]


@pytest.mark.parametrize("name", ["skipped", "skipped, of any tenant"])
def test_an_object_that_was_there_is_no_output_and_no_reason_to_look_for_another(name: str) -> None:
    event = event_of(WORKS[name])
    assert event["inputs"]
    assert not event["outputs"]


def test_a_failed_task_has_made_nothing() -> None:
    event = event_of(WORKS["landed"], is_complete=False)
    assert [one["name"] for one in event["inputs"]] == ["report/7"]
    assert not event["outputs"]
    assert event["run"]["facets"]["clarus_run"]["documentId"] == 9
