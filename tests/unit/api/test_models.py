# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_clarus.api.models import MISSING_GRACE, Document, finished, positive_id
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import (
    ClarusInputError,
    ClarusNotFoundError,
    ClarusReportFailedError,
)


def document(status: DocumentStatus) -> Document:
    return Document(12, status, "stock.csv", "csv")


def is_finished(found: Document | None, missing_for: float = 0.0) -> Document | None:
    return finished(found, document_id=12, tenant="acme", missing_for=missing_for)


def test_a_document_is_parsed_from_rest() -> None:
    resource = {
        "id": 12,
        "type": "documents",
        "attributes": {"status": "queued", "file_name": None, "file_type": None, "user_id": 1},
    }
    assert Document.from_rest(resource) == Document(12, DocumentStatus.QUEUED)


@pytest.mark.parametrize(
    "resource",
    [
        {"id": 12},
        {"id": "12", "attributes": None},
        {"id": 12, "attributes": []},
        {"id": 12, "attributes": {}},
        {"id": 12, "attributes": {"status": None, "file_name": 5, "file_type": []}},
    ],
)
def test_what_was_queued_is_known_by_its_id_alone(resource: dict[str, Any]) -> None:
    assert Document.from_rest(resource) == Document(12, DocumentStatus.QUEUED)


def test_a_document_is_parsed_from_graphql_whose_ids_are_strings() -> None:
    node = {"id": "12", "status": "available", "file_name": "stock.csv", "file_type": "csv"}
    assert Document.from_graphql(node) == document(DocumentStatus.AVAILABLE)


@pytest.mark.parametrize("field", ["file_name", "file_type"])
def test_what_is_no_text_is_no_documents_name_or_type(field: str) -> None:
    with pytest.raises(TypeError, match="texts"):
        Document.from_graphql({"id": "12", "status": "available", field: 5})


@pytest.mark.parametrize("status", DocumentStatus)
def test_a_document_survives_json(status: DocumentStatus) -> None:
    assert Document.from_dict(json.loads(json.dumps(document(status).as_dict()))) == document(status)


def test_only_an_available_document_is_finished() -> None:
    assert is_finished(document(DocumentStatus.AVAILABLE)) == document(DocumentStatus.AVAILABLE)


@pytest.mark.parametrize("status", [DocumentStatus.QUEUED, DocumentStatus.PROCESSING, DocumentStatus.UNKNOWN])
def test_other_statuses_mean_not_yet(status: DocumentStatus) -> None:
    assert is_finished(document(status)) is None


def test_a_failed_document_names_itself_its_tenant_and_the_remedy() -> None:
    with pytest.raises(ClarusReportFailedError, match=r"document 12 in tenant 'acme'.*Run the report"):
        is_finished(document(DocumentStatus.FAILED))


def test_a_document_out_of_sight_is_not_yet_and_then_gone() -> None:
    assert is_finished(None, missing_for=MISSING_GRACE) is None
    with pytest.raises(ClarusNotFoundError, match="Document 12 is not to be found in tenant 'acme'"):
        is_finished(None, missing_for=MISSING_GRACE + 1)


@pytest.mark.parametrize("value", [7, "7", " 7 "])
def test_an_id_may_be_an_integer_or_its_text(value: object) -> None:
    assert positive_id(value, "report_id") == 7


@pytest.mark.parametrize(
    "value", [0, "0", -1, "-1", "", None, True, 7.0, "7.5", "seven", "{{ x }}", "\u0667", "7_0", "9" * 5000]
)
def test_anything_else_is_no_id(value: object) -> None:
    with pytest.raises(ClarusInputError, match=r"report_id is .* must be a positive integer"):
        positive_id(value, "report_id")
