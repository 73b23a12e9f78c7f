# SPDX-License-Identifier: Apache-2.0
"""Documents found without a filter for ids: nobody is passed over, however many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from airflow_provider_clarus.api import _by_status
from airflow_provider_clarus.api._by_status import FAILED, FEW_FILES, MOST_FILES, ByStatus
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import (
    ClarusError,
    ClarusForbiddenError,
    ClarusNotFoundError,
    ClarusRejectedError,
    ClarusTransientError,
)

AVAILABLE, UNKNOWN, PROCESSING = (
    DocumentStatus.AVAILABLE,
    DocumentStatus.UNKNOWN,
    DocumentStatus.PROCESSING,
)


class Clarus:
    """What a server says: of files it has some, and refuses some."""

    def __init__(self, *files: int, unfinished: tuple[int, ...] = (), failed: tuple[int, ...] = ()) -> None:
        self.files, self.unfinished, self.failed = set(files), unfinished, failed
        self.refused: set[int] = set()
        self.broken: set[int] = set()
        self.list_error: ClarusError | None = None
        self.asked: list[int] = []
        self.now = 1000.0
        self.documents = ByStatus(self._pages, self._url, lambda: self.now)

    def _pages(self, wanted: Mapping[str, Any]) -> Iterator[Document]:
        if self.list_error:
            raise self.list_error
        ids, status = (self.failed, "failed") if wanted == FAILED else (self.unfinished, "processing")
        return (Document(number, DocumentStatus(status)) for number in ids)

    def _url(self, document_id: int) -> str:
        self.asked.append(document_id)
        if document_id in self.refused:
            raise ClarusForbiddenError("No.", status=403)
        if document_id in self.broken:
            raise ClarusTransientError("503")
        if document_id not in self.files:
            raise ClarusNotFoundError("None.", status=404)
        return "https://files.example/"

    def look(self, *ids: int) -> dict[int, DocumentStatus]:
        return {number: document.status for number, document in self.documents.find(ids).items()}


def test_those_beyond_the_first_hundred_are_not_yet_and_have_their_turn() -> None:
    ids = range(1, 2 * MOST_FILES + 51)
    clarus = Clarus(*ids)
    waiting, looks = list(ids), 0
    while waiting:
        found = clarus.look(*waiting)
        assert found.keys() == set(waiting)
        waiting = [number for number in waiting if found[number] is not AVAILABLE]
        looks += 1
    assert looks == 3
    assert clarus.asked == list(ids)


def test_what_is_unfinished_is_not_asked_for_by_its_file() -> None:
    clarus = Clarus(1, unfinished=(2, 3), failed=(4,))
    assert clarus.look(1, 2, 4, 5) == {1: AVAILABLE, 2: PROCESSING, 4: DocumentStatus.FAILED}
    assert clarus.asked == [1, 4, 5]


def test_a_file_that_is_refused_for_a_minute_has_finished() -> None:
    clarus = Clarus()
    clarus.refused = {7}
    seen = []
    for seconds in (0, 59, 1):
        clarus.now += seconds
        seen.append(clarus.look(7))
    assert seen == [{7: UNKNOWN}, {7: UNKNOWN}, {7: AVAILABLE}]


def test_so_many_refusals_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_by_status, "REMEMBERED", 2)
    clarus = Clarus()
    clarus.refused = {7, 8, 9}
    for ids in ((7, 8, 9), (8, 9)):
        clarus.look(*ids)
        clarus.now += 30
    # The first of three was forgotten, and begins anew.
    assert clarus.look(8, 9) == {8: AVAILABLE, 9: AVAILABLE}
    assert clarus.look(7) == {7: UNKNOWN}
    assert len(clarus.documents._refusals) == 2


def test_a_refusal_that_another_answer_came_between_is_no_series() -> None:
    clarus = Clarus()
    for answer in ("refused", "refused", "unfinished", "refused", "refused"):
        clarus.refused, clarus.unfinished = ({7}, ()) if answer == "refused" else (set(), (7,))
        found = clarus.look(7)
        assert found == {7: UNKNOWN if answer == "refused" else PROCESSING}
        clarus.now += 40


def test_trouble_at_one_file_loses_nothing_of_the_others() -> None:
    clarus = Clarus(1, 3)
    clarus.broken = {2}
    assert clarus.look(1, 2, 3) == {1: AVAILABLE, 2: UNKNOWN, 3: UNKNOWN}
    assert clarus.asked == [1, 2]


def test_where_no_list_can_be_read_all_have_their_turn_a_few_at_a_time() -> None:
    clarus = Clarus()
    clarus.list_error = ClarusRejectedError("No such field.")
    ids = range(1, 3 * FEW_FILES + 1)
    for _ in range(4):
        with pytest.raises(ClarusRejectedError):
            clarus.look(*ids)
    assert clarus.asked == [*ids, *ids[:FEW_FILES]]
    clarus.files = {FEW_FILES + 1}
    found = clarus.look(*ids)
    assert found[FEW_FILES + 1] is AVAILABLE
    # Nothing says of a document without a file whether it is in the making.
    assert found[1] is UNKNOWN
