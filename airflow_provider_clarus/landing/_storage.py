# SPDX-License-Identifier: Apache-2.0
"""Define what landing asks of a storage: one module for each, named here."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from airflow_provider_clarus.exceptions import ClarusInputError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath


@dataclass(frozen=True)
class ObjectOptions:
    """What an object carries beside its content.

    :param content_type: a MIME type, None where nobody knows
    :param metadata: names and values of its own
    :param extra_args: what the storage's own client takes, in that client's words
    :param if_absent: publish it only where no object is
    :param size: bytes, None where it is not known before the end
    """

    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    extra_args: Mapping[str, Any] = field(default_factory=dict)
    if_absent: bool = False
    size: int | None = None


@dataclass(frozen=True)
class Stored:
    """An object that is there, as its storage tells of it.

    :param size: bytes
    :param metadata: as in :class:`ObjectOptions`
    """

    size: int
    metadata: Mapping[str, str] = field(default_factory=dict)

    def carries(self, metadata: Mapping[str, str]) -> bool:
        """Tell whether it has all of ``metadata``, of which there are some; names have no case on S3."""
        has = {name.lower(): value.split() for name, value in self.metadata.items()}
        # What was sent as a header comes back without spaces around it, and some do not keep an empty one.
        return bool(metadata) and all(
            has.get(name.lower(), []) == value.split() for name, value in metadata.items()
        )


class ObjectExistsError(Exception):
    """There is an object already, and it may not be replaced."""

    #: As an error of Clarus has one: it is no failure in every task.
    kind = "exists"


class Writer(Protocol):
    """An object in the making, which nobody sees."""

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``."""

    def commit(self) -> None:
        """Publish the object in one step, and compare what the storage says of it with what was sent.

        :raises ObjectExistsError: there is one already, and ``if_absent`` is set
        :raises OSError: the storage has something else than was sent
        """

    def discard(self) -> None:
        """Leave the destination as it was; also after a ``commit`` that failed."""


class Storage(Protocol):
    """What a storage's module has."""

    #: Loggers of its library that tell of every request at INFO.
    CHATTY: tuple[str, ...]

    def check(self, key: str, options: ObjectOptions) -> None:
        """Refuse what cannot land, before anything is generated, and without a request.

        :raises ClarusInputError: with the name of what is wrong
        """

    def look(self, path: ObjectStoragePath) -> Stored | None:
        """Return the object at ``path`` with one request, ``None`` where there is none or nobody may tell."""

    def open_writer(self, path: ObjectStoragePath, options: ObjectOptions) -> Writer:
        """Begin an object at ``path``."""

    def console_url(self, bucket: str, key: str, connection: Any) -> str:
        """Return where a person finds the object, empty where there is no such place."""


class _Kind(NamedTuple):
    """A storage's module, the library that opens it, and the extra of this package that brings it."""

    module: str
    library: str = ""
    extra: str = ""


_S3, _GCS = _Kind("_s3", "s3fs", "s3"), _Kind("_gcs", "gcsfs", "gcs")
_AZURE = _Kind("_azure", "adlfs", "azure")
#: By the schemes of destinations; to add a storage is to write its module and to name it here.
KINDS = {
    "file": _Kind("_files"),
    "s3": _S3,
    "s3a": _S3,
    "gs": _GCS,
    "gcs": _GCS,
    "abfs": _AZURE,
    "abfss": _AZURE,
}


def storage_of(destination: str) -> Storage:
    """Return the module of a destination's storage; its library is loaded when it is used, and not before."""
    storage = cast("Storage", import_module(f"{__package__}.{KINDS[destination.partition(':')[0]].module}"))
    for name in storage.CHATTY:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET and not logger.isEnabledFor(logging.DEBUG):
            logger.setLevel(logging.WARNING)
    return storage


def check_names(options: ObjectOptions, *, allowed: frozenset[str], storage: str) -> None:
    """Refuse an extra argument whose name the storage does not know, or whose text no header can carry.

    :raises ClarusInputError: with the names that it knows
    """
    for name, value in options.extra_args.items():
        for text in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(text, str) and not text.isprintable():
                raise ClarusInputError(
                    f"extra_args {name} is {value!r}, with a character that cannot be sent."
                )
    if unknown := sorted(options.extra_args.keys() - allowed):
        raise ClarusInputError(
            f"extra_args has {', '.join(map(repr, unknown))}, which {storage} does not take here:"
            f" it takes {', '.join(sorted(allowed))}."
        )


def check_choices(options: ObjectOptions, choices: Mapping[str, Collection[str]]) -> None:
    """Refuse a value that the storage does not know: it would say so when the report has been generated.

    :param choices: by the names of extra arguments
    :raises ClarusInputError: with the values that it knows
    """
    for name in choices.keys() & options.extra_args.keys():
        if options.extra_args[name] not in choices[name]:
            known = ", ".join(choices[name])
            raise ClarusInputError(
                f"extra_args {name} is {options.extra_args[name]!r}; it is one of {known}."
            )


def check_metadata(metadata: Mapping[str, str], *, limit: int, storage: str) -> None:
    """Refuse metadata that a storage cannot keep beside those of the document.

    :param limit: bytes of all names and values
    :raises ClarusInputError: with what is wrong
    """
    for name, value in metadata.items():
        if not value.isprintable():
            raise ClarusInputError(
                f"metadata {name!r} is {value!r}: no line break or other control character."
            )
    if len({name.lower() for name in metadata}) < len(metadata):
        raise ClarusInputError("metadata has a name twice, in capitals and not: storages take them for one.")
    if sum(len(f"{name}{value}".encode()) for name, value in metadata.items()) > limit:
        raise ClarusInputError(f"metadata has over {limit} bytes, which is more than {storage} keeps.")
