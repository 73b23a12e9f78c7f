# SPDX-License-Identifier: Apache-2.0
"""Settle what a task wants to land: where, over what, and with what beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from mimetypes import guess_type
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.landing._own import DamagedError, own_result
from airflow_provider_clarus.landing._pages import Announced, is_media_type
from airflow_provider_clarus.landing._storage import ObjectOptions, Stored, storage_of
from airflow_provider_clarus.landing.destination import check_library, fetch_connection, storage_path
from airflow_provider_clarus.landing.names import destination_path
from airflow_provider_clarus.variables import settle

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_clarus.receipts import Receipts

log = logging.getLogger(__name__)

#: The arguments of a task that lands a file, all of them templated, and ``file_name``, which is known when it
#: has run.
TEMPLATE_FIELDS = (
    "destination",
    "if_exists",
    "content_type",
    "metadata",
    "extra_args",
    "compression",
    "file_name",
)

#: What becomes of an object that is there already.
IF_EXISTS = ("replace", "fail", "skip")
COMPRESSIONS = ("gzip",)
#: The metadata that tells from which document an object came. Names of letters alone, which are the same in
#: all storages and pass every proxy.
DOCUMENT, REPORT, TENANT = "clarusdocument", "clarusreport", "clarustenant"
#: As long as they get: what a user adds must have room beside them, which is told before it is known.
_LONGEST_FACTS = {DOCUMENT: "9" * 19, REPORT: "9" * 19, TENANT: "t" * 63}


@dataclass(frozen=True)
class Landing:
    """The arguments of a task that lands a file, settled: plain values, and JSON.

    :param destination: a URI; one that ends in ``/`` is completed with the document's file name
    :param if_exists: ``replace`` what is there, ``fail``, or ``skip`` and return what is there
    :param content_type: a MIME type, instead of the document's own
    :param metadata: names and values, beside those of the document
    :param extra_args: what the storage's own client takes
    :param compression: ``gzip``, or None to land the file as it is
    """

    destination: str
    if_exists: str = "replace"
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    extra_args: Mapping[str, Any] = field(default_factory=dict)
    compression: str | None = None

    @classmethod
    def settle(
        cls,
        destination: Any,
        *,
        if_exists: Any = "replace",
        content_type: Any = None,
        metadata: Any = None,
        extra_args: Any = None,
        compression: Any = None,
    ) -> Landing:
        """Return what the arguments of an operator mean; nothing is sent, and no connection is fetched.

        :raises ClarusInputError: when one of them means nothing
        :raises ClarusConfigError: when the storage's library is not installed
        """
        landing = cls(
            settle.destination(destination),
            settle.choice(if_exists, "if_exists", IF_EXISTS),
            None if content_type is None else _media_type(content_type),
            settle.texts(metadata, "metadata"),
            settle.mapping(extra_args, "extra_args"),
            None if compression is None else settle.choice(compression, "compression", COMPRESSIONS),
        )
        path = destination_path(landing.destination, None, 0)
        check_library(path)
        key = path.partition("://")[2].partition("/")[2]
        storage_of(path).check(key, landing.object_options(Announced(), _LONGEST_FACTS))
        return landing

    @classmethod
    def of(cls, task: Any) -> Landing:
        """Return what the arguments of an operator mean.

        :raises ClarusError: as :meth:`settle`
        """
        return cls.settle(**{field.name: getattr(task, field.name) for field in fields(cls)})

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values, for a trigger's event."""
        return asdict(self)

    def check_connection(self) -> None:
        """Fetch the destination's Airflow connection, to see that it is there.

        :raises ClarusTransientError: when it is not, just now or at all
        """
        fetch_connection(destination_path(self.destination, None, 0))

    def path(self, announced: Announced, document_id: int) -> ObjectStoragePath:
        """Return where a document's file lands, opened with the destination's connection."""
        name = announced.file_name
        if self.packs(announced):
            name = f"{name or f'document-{document_id}'}.gz"
        return storage_path(destination_path(self.destination, name, document_id))

    def packs(self, announced: Announced) -> bool:
        """Tell whether the file is packed while it lands; one that is packed already is not."""
        return bool(self.compression) and not announced.is_gzip

    def object_options(self, announced: Announced, facts: Mapping[str, str]) -> ObjectOptions:
        """Return what the object of a document carries.

        :param facts: the metadata that comes from the document
        """
        known = "application/gzip" if self.packs(announced) else announced.media_type
        said = {name.lower() for name in self.metadata}
        return ObjectOptions(
            content_type=self.content_type or known,
            metadata={**{k: v for k, v in facts.items() if k not in said}, **self.metadata},
            extra_args=self.extra_args,
            if_absent=self.if_exists != "replace",
        )

    def already_there(self, receipts: Receipts, is_wanted: Callable[[int], bool]) -> dict[str, Any] | None:
        """Look before anything is generated, and return the result of a task that has nothing to do.

        One request; none where the destination's name, or ``if_exists``, does not ask for it.

        :param receipts: of the task, whose earlier try may have landed it
        :param is_wanted: whether the document that it has landed is the one that this try is to land
        :raises ClarusInputError: an object is there, and ``if_exists`` is ``fail``
        """
        if self.if_exists == "replace" or self.destination.endswith("/"):
            return None
        path = storage_path(self.destination)
        found = storage_of(self.destination).look(path)
        if found is None:
            return None
        if receipts.is_blind and (self.if_exists == "fail" or is_wanted(_document_of(found) or 0)):
            # Whether it is this task's own, and whole, is known when its file is.
            return None
        return self.left_alone(path, found, receipts, is_wanted, log, "nothing was generated")

    def left_alone(
        self,
        path: ObjectStoragePath,
        found: Stored | None,
        receipts: Receipts,
        is_wanted: Callable[[int], bool],
        log: Any,
        so: str,
        is_damaged: bool = False,
    ) -> dict[str, Any] | None:
        """Return the result where an object is there already; None where it is to be replaced all the same.

        That is what an earlier try of this task has published, and its storage has not kept.

        :param found: None where the storage may not tell of it
        :param so: what has not happened, for whoever reads the log
        :param is_damaged: whether it is known already that the storage has not kept it
        :raises ClarusInputError: ``if_exists`` is ``fail``
        """
        try:
            if found and (own := own_result(path, found, receipts, is_wanted, log)):
                return own
        except DamagedError:
            is_damaged = True
        if self.if_exists == "skip" and is_damaged:
            log.warning(
                "%s is what an earlier try of this task has landed, and its storage has other bytes than were"
                " sent: it lands anew",
                path,
            )
            return None
        if self.if_exists == "skip":
            log.info("%s exists already, and if_exists is 'skip': %s", path, so)
            return _result_of(path, found)
        raise ClarusInputError(f"{path} exists already, and if_exists is {self.if_exists!r}: {so}.")


def _result_of(path: ObjectStoragePath, found: Stored | None) -> dict[str, Any]:
    """Return what a landing returns, for an object that is there already; its digest is not known."""
    return {
        "uri": str(path),
        "size": found.size if found else None,
        "sha256": None,
        "file_name": path.name,
        "document_id": _document_of(found) if found else None,
    }


def _document_of(found: Stored) -> int | None:
    metadata = {name.lower(): value for name, value in found.metadata.items()}
    document = metadata.get(DOCUMENT, "")
    return int(document) if document.isdecimal() else None


def _media_type(value: Any) -> str:
    found = settle.text(value, "content_type")
    if "/" not in found and (guess := guess_type(f"a.{found}")[0]):
        raise settle.refused("content_type", value, f"a MIME type, such as {guess}")
    if not is_media_type(found):
        raise settle.refused("content_type", value, "a MIME type, such as text/csv")
    return found


class LandedObjectLinks:
    """``operator_extra_links`` of the tasks that land, made when Airflow asks, and not by every import."""

    def __get__(self, operator: Any, operator_class: Any) -> tuple[Any, ...]:
        """Return the links."""
        from airflow_provider_clarus.landing.link import LandedObjectLink

        return (LandedObjectLink(),)
