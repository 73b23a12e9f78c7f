# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from typing import Any

import pytest
from airflow.providers.common.compat import sdk

from airflow_provider_clarus.lineage.traced import Traced
from airflow_provider_clarus.stopping import Work

from .conftest import Destination
from .origin import Answer, Origin


def test_the_object_is_reported_once_and_nothing_else(destination: Destination, collector: Any) -> None:
    with Origin(os.urandom(20 * 1024 * 1024)) as origin:
        destination.land(lambda: origin.url)
    lineage = collector.collected_assets
    assert lineage.inputs == []
    assert [(info.asset.uri, info.count) for info in lineage.outputs] == [(sdk.Asset(destination.uri).uri, 1)]


def test_a_failed_landing_reports_nothing(destination: Destination, collector: Any) -> None:
    # Another one each time, under an ETag that is the MD5 of neither.
    damaged = [Answer(200, body, {"ETag": f'"{"0" * 32}"'}) for body in (b"damaged", b"damagde")]
    with Origin(b"", *damaged) as origin, pytest.raises(Exception, match="MD5"):
        destination.land(lambda: origin.url)
    assert not collector.has_collected


def test_openlineage_names_the_object_after_its_storage(destination: Destination) -> None:
    with Origin(b"sku,qty\n") as origin:
        landed = destination.land(lambda: origin.url)
    task = Traced()
    result = {"document_id": 9, "file_name": "report.csv"}
    task.worked_on = Work(lands=True, landed={**vars(landed), **result}, columns=landed.columns)
    [output] = task.get_openlineage_facets_on_complete(None).outputs
    scheme, _, rest = destination.uri.partition("://")
    bucket, _, key = rest.partition("@")[2].partition("/")
    expected = {
        "file": ("file", "/" + rest.partition("/")[2]),
        "s3": (f"s3://{bucket}", key),
        "gs": (f"gs://{bucket}", key),
        "abfs": (f"abfss://{bucket}@devstoreaccount1.dfs.core.windows.net", key),
    }
    assert (output.namespace, output.name) == expected[scheme]
    assert [field.name for field in output.facets["schema"].fields] == ["sku", "qty"]
