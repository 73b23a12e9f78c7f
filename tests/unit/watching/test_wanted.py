# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_clarus.api.feed import Listed
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.watching.wanted import Wanted, payload

STOCK = Listed(5, DocumentStatus.AVAILABLE, "stock-2024.csv", "csv", "report")
FAILED = Listed(6, DocumentStatus.FAILED, None, None, "report")


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        ({}, True),
        ({"category": "report"}, True),
        ({"category": "Report"}, True),
        ({"category": "label"}, False),
        ({"file_name": "stock-*"}, True),
        ({"file_name": "*.csv"}, True),
        ({"file_name": "stock-2024.csv"}, True),
        ({"file_name": "stock"}, False),
        ({"file_name": "Stock-*"}, False),
        ({"file_name": "stock-[0-9]*"}, True),
        ({"file_type": "csv"}, True),
        ({"file_type": "text/csv"}, True),
        ({"file_type": "text/CSV; charset=utf-8"}, True),
        ({"file_type": "pdf"}, False),
        ({"category": "report", "file_name": "stock-*", "file_type": "pdf"}, False),
        ({"failed": True}, True),
    ],
)
def test_a_document_is_wanted_that_meets_all_filters(filters: dict[str, Any], taken: bool) -> None:
    assert Wanted(**filters).takes(STOCK) is taken


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        ({}, False),
        ({"failed": True}, True),
        ({"failed": True, "category": "report"}, True),
        ({"failed": True, "category": "label"}, False),
        # It has no file: what is not known of it does not count.
        ({"failed": True, "file_name": "stock-*", "file_type": "csv"}, True),
    ],
)
def test_a_failed_one_is_wanted_when_it_is_asked_for(filters: dict[str, Any], taken: bool) -> None:
    assert Wanted(**filters).takes(FAILED) is taken


def test_a_document_without_name_type_or_category_meets_no_filter_for_them() -> None:
    nameless = Listed(7, DocumentStatus.AVAILABLE)
    assert Wanted().takes(nameless)
    assert not Wanted(category="report").takes(nameless)
    assert not Wanted(file_name="?*").takes(nameless)
    assert not Wanted(file_type="csv").takes(nameless)


def test_the_payload() -> None:
    assert payload(STOCK, "acme") == {
        "id": 5,
        "name": "stock-2024.csv",
        "type": "csv",
        "status": "available",
        "tenant": "acme",
    }
