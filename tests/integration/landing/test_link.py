# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_provider_clarus.get_provider_info import get_provider_info
from airflow_provider_clarus.landing import link as module
from airflow_provider_clarus.landing.link import LandedObjectLink, console_url
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.stopping import Work
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

ACCOUNT = {"conn_type": "wasb", "host": "https://stock.blob.core.windows.net/"}


@pytest.mark.parametrize(
    ("connection", "uri", "url"),
    [
        (
            {"conn_type": "aws"},
            "s3://link@reports/a/b c.csv",
            "https://console.aws.amazon.com/s3/object/reports?prefix=a%2Fb%20c.csv",
        ),
        (None, "s3://reports/a.csv", "https://console.aws.amazon.com/s3/object/reports?prefix=a.csv"),
        ({"conn_type": "aws", "extra": {"endpoint_url": "http://minio"}}, "s3://link@reports/a.csv", ""),
        (
            {"conn_type": "google_cloud_platform"},
            "gs://link@reports/a/b.csv",
            "https://console.cloud.google.com/storage/browser/_details/reports/a/b.csv",
        ),
        (ACCOUNT, "abfs://link@reports/a/b.csv", "https://stock.blob.core.windows.net/reports/a/b.csv"),
        (
            {"conn_type": "wasb", "login": "stock"},
            "abfs://link@r/b",
            "https://stock.blob.core.windows.net/r/b",
        ),
        (None, "s3://missing@reports/a.csv", ""),
        (None, "file:///data/a.csv", ""),
    ],
)
def test_an_object_has_a_page_in_its_console(
    monkeypatch: pytest.MonkeyPatch, connection: object, uri: str, url: str
) -> None:
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_LINK", json.dumps(connection))
    assert console_url(uri) == url


@pytest.mark.parametrize(
    "operator_class", [ClarusDownloadDocumentOperator, ClarusReportToObjectStorageOperator]
)
def test_tasks_that_land_have_the_link_mapped_or_not(operator_class: type) -> None:
    (link,) = operator_class.operator_extra_links  # type: ignore[attr-defined]
    assert link.name == "Landed object"
    path = f"{LandedObjectLink.__module__}.{LandedObjectLink.__qualname__}"
    assert path in get_provider_info()["extra-links"]


def test_a_task_that_has_landed_nothing_is_asked_for_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow asks each time that a task ends or defers, and logs an error where there is no result yet."""
    task = ClarusDownloadDocumentOperator(task_id="land", document_id=1, destination="s3://reports/")
    asked: list[object] = []
    monkeypatch.setattr(module, "_returned", lambda ti_key: asked.append(ti_key) or {"uri": "s3://reports/b"})
    link = LandedObjectLink()

    task.worked_on = Work(document_id=1, lands=True)
    assert link.get_link(task, ti_key="run") == ""
    task.worked_on.landed = {"uri": "s3://reports/a"}
    assert link.get_link(task, ti_key="run").endswith("/reports?prefix=a")
    assert not asked

    # Airflow 2.11 asks where its pages are made, of a task that has not run there.
    task.worked_on = None
    assert link.get_link(task, ti_key="run").endswith("/reports?prefix=b")
    assert asked == ["run"]
