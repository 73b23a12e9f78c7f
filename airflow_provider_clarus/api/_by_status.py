# SPDX-License-Identifier: Apache-2.0
"""Find documents without a filter for ids: by the lists of their statuses, and by their files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import (
    ClarusError,
    ClarusForbiddenError,
    ClarusNotFoundError,
    ClarusRejectedError,
    ClarusTransientError,
)
from airflow_provider_clarus.http.responses import REFUSALS
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.policy.patience import Trouble

log = logging.getLogger(__name__)

#: *Documented*, unlike a filter for ids.
UNFINISHED = {"category": {"eq": "report"}, "status": {"in": ["queued", "processing"]}}
FAILED = {"category": {"eq": "report"}, "status": {"in": ["failed"]}}
#: Files that are asked for in one look.
MOST_FILES = 100
#: Files that are asked for where no list can be read.
FEW_FILES = 20
#: Documents whose files were refused, and are remembered.
REMEMBERED = 1000


class ByStatus:
    """Finds a tenant's documents.

    :param pages: yields all documents that meet a filter
    :param get_download_url: raises for a document that has no file
    """

    def __init__(
        self,
        pages: Callable[[Mapping[str, Any]], Iterator[Document]],
        get_download_url: Callable[[int], str],
        clock: Callable[[], float],
    ) -> None:
        self._pages = pages
        self._get_download_url = get_download_url
        self._clock = clock
        self._refusals: dict[int, Trouble] = {}
        self._asked_last = 0

    def find(self, ids: Sequence[int]) -> dict[int, Document]:
        """Return those of the documents that there are, by id.

        :raises ClarusError: when nothing was to be found out
        """
        try:
            found = self._among(ids, UNFINISHED)
        except REFUSALS as error:
            # One document can spoil the list for all the others.
            return self._by_a_few_files(ids, error)
        for document_id in found:
            self._refusals.pop(document_id, None)
        missing = [document_id for document_id in ids if document_id not in found]
        # Whoever waits for those that are not asked for looks again.
        found |= _unknown(missing)
        refused = self._by_files(missing[:MOST_FILES], found)
        # Read last, and only for those that nothing else tells of: the failed reports of a tenant add up.
        lost = refused.keys() | (set(ids) - found.keys())
        if not lost:
            return found
        try:
            return found | refused | self._among(lost, FAILED)
        except ClarusError as error:
            return _so_far(_unknown(lost) | found, error)

    def _by_files(self, ids: Iterable[int], found: dict[int, Document]) -> dict[int, Document]:
        """Enter those whose files there are, take out those that have none, and return those refused."""
        refused: dict[int, Document] = {}
        for document_id in ids:
            try:
                self._get_download_url(document_id)
            except ClarusForbiddenError as error:
                refused[document_id] = self._refused(document_id, error)
                continue
            except (ClarusNotFoundError, ClarusRejectedError):
                del found[document_id]
            except ClarusTransientError as error:
                # A call that breaks off must not lose thousands of answers.
                log.warning("%s", error)
                break
            else:
                found[document_id] = Document(document_id, DocumentStatus.AVAILABLE)
            self._refusals.pop(document_id, None)
        return refused

    def _by_a_few_files(self, ids: Sequence[int], error: ClarusError) -> dict[int, Document]:
        """Ask for the files of some, in turn; those that have none yet may still be in the making."""
        turn = [one for one in ids if one > self._asked_last] + [
            one for one in ids if one <= self._asked_last
        ]
        few = turn[:FEW_FILES]
        self._asked_last = few[-1]
        found = _unknown(few)
        refused = self._by_files(few, found)
        return _so_far(_unknown(ids) | found | refused, error)

    def _refused(self, document_id: int, error: ClarusError) -> Document:
        """Return what a document is whose file is refused: that it has finished is believed when it stays so.

        Well or not; whoever wants the file will be told what is missing.
        """
        refusals = self._refusals.pop(document_id, None) or Trouble(Call.DOWNLOAD, ever_worked=True)
        self._refusals[document_id] = refusals
        if len(self._refusals) > REMEMBERED:
            self._refusals.pop(next(iter(self._refusals)), None)
        is_final = refusals.failed(error, self._clock()).is_final
        return Document(document_id, DocumentStatus.AVAILABLE if is_final else DocumentStatus.UNKNOWN)

    def _among(self, ids: Iterable[int], wanted: Mapping[str, Any]) -> dict[int, Document]:
        wanted_ids = set(ids)
        return {document.id: document for document in self._pages(wanted) if document.id in wanted_ids}


def _unknown(ids: Iterable[int]) -> dict[int, Document]:
    return {document_id: Document(document_id, DocumentStatus.UNKNOWN) for document_id in ids}


def _so_far(found: dict[int, Document], error: ClarusError) -> dict[int, Document]:
    """Return what was found, if that is of use to anybody, though not all could be asked."""
    if not any(document.status is DocumentStatus.AVAILABLE for document in found.values()):
        raise error
    log.warning("%s", error)
    return found
