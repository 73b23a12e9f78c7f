# SPDX-License-Identifier: Apache-2.0
"""Choose which of the documents that have finished a watcher is told of, and what it is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_clarus.api.feed import Listed
from airflow_provider_clarus.api.status import DocumentStatus


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents are wanted; ``None`` is no condition.

    :param category: as Clarus has it, such as ``report``, case aside
    :param file_name: a pattern with ``*``, ``?`` and ``[…]``, in which case counts
    :param file_type: a short name, ``csv``, or a MIME type, ``text/csv``, which mean the same
    :param failed: whether those that Clarus could not generate are wanted, too
    """

    category: str | None = None
    file_name: str | None = None
    file_type: str | None = None
    failed: bool = False

    def takes(self, document: Listed) -> bool:
        """Tell whether a document that has finished is wanted.

        A failed one has no file, and so neither name nor type: where it has none, those do not count.
        """
        if document.status is DocumentStatus.FAILED:
            if not self.failed:
                return False
            name = document.file_name is None or self._takes_name(document)
            kind = document.file_type is None or self._takes_type(document)
        else:
            name, kind = self._takes_name(document), self._takes_type(document)
        return name and kind and self._takes_category(document)

    def _takes_category(self, document: Listed) -> bool:
        return self.category is None or (document.category or "").casefold() == self.category.casefold()

    def _takes_name(self, document: Listed) -> bool:
        return self.file_name is None or fnmatchcase(document.file_name or "", self.file_name)

    def _takes_type(self, document: Listed) -> bool:
        return self.file_type is None or _short(document.file_type or "") == _short(self.file_type)


def payload(document: Listed, tenant: str) -> dict[str, Any]:
    """Return what an asset event tells of a document: plain JSON values."""
    return {
        "id": document.id,
        "name": document.file_name,
        "type": document.file_type,
        "status": document.status.value,
        "tenant": tenant,
    }


def _short(file_type: str) -> str:
    return file_type.partition(";")[0].strip().rpartition("/")[2].casefold()
