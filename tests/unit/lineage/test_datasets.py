# SPDX-License-Identifier: Apache-2.0
"""The names of datasets, against those that OpenLineage's own naming helpers make."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_clarus.lineage import datasets

# The oldest client that the package takes names no datasets itself.
spec = pytest.importorskip("openlineage.client.naming.dataset", exc_type=ImportError)


@pytest.mark.parametrize(
    ("uri", "account", "named"),
    [
        ("s3://aws_default@bucket/stock/2024-01-01.csv", None, spec.S3("bucket", "stock/2024-01-01.csv")),
        ("s3a://a%20b@bucket/a@b.csv", None, spec.S3("bucket", "a@b.csv")),
        ("s3://bucket//lead.csv", None, spec.S3("bucket", "/lead.csv")),
        ("gs://google@bucket/stock.csv", None, spec.GCS("bucket", "stock.csv")),
        ("gcs://bucket/stock.csv", None, spec.GCS("bucket", "stock.csv")),
        ("abfs://azure@landing/a/b.csv", "acme", spec.ABFSS("landing", "acme", "a/b.csv")),
        ("abfss://landing/b.csv", "acme", spec.ABFSS("landing", "acme", "b.csv")),
        ("file:///srv/stock.csv", None, spec.LocalFileSystem("/srv/stock.csv")),
        ("file://host/srv/stock.csv", None, spec.RemoteFileSystem("host", "/srv/stock.csv")),
    ],
)
def test_an_object_is_named_as_openlineage_names_it(uri: str, account: str | None, named: Any) -> None:
    assert datasets.landed(uri, account) == (named.get_namespace(), named.get_name())


def test_an_account_that_nobody_knows_is_left_out() -> None:
    assert datasets.landed("abfs://azure@landing/b.csv") == ("abfss://landing", "b.csv")


def test_a_report_is_named_by_its_id_as_soon_as_that_is_known() -> None:
    assert datasets.report("acme", 7, "Stock") == ("clarus://acme", "report/7")
    assert datasets.report("acme", None, "Stock") == ("clarus://acme", "report/Stock")
    assert datasets.report(None, 7) is datasets.report("acme", None) is None
    assert datasets.document("acme", 9) == ("clarus://acme", "document/9")
