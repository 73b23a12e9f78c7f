# SPDX-License-Identifier: Apache-2.0
"""How each storage takes an object so that it appears whole, in one step, or not at all."""

from __future__ import annotations

import fcntl
import glob
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from airflow_provider_clarus.exceptions import ClarusInputError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

#: Ends the name of a file in the making.
PARTIAL = ".clarus-partial"


class Writer(Protocol):
    """An object in the making, which nobody sees."""

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``."""

    def commit(self) -> None:
        """Publish the object, in the place of an older one."""

    def discard(self) -> None:
        """Leave the destination as it was; also after a ``commit`` that failed."""


def open_writer(path: ObjectStoragePath) -> Writer:
    """Begin an object at ``path``; its scheme is one of :data:`.names.SCHEMES`."""
    if path.protocol == "file":
        return FileWriter(path.path)
    if path.protocol in ("gs", "gcs"):
        from airflow_provider_clarus.landing._gcs import GCSWriter

        return GCSWriter(path.fs, path.path)
    from airflow_provider_clarus.landing._parts import AzureWriter, S3Writer

    return (S3Writer if path.protocol in ("s3", "s3a") else AzureWriter)(path.fs, path.path)


class FileWriter:
    """A file on this machine, or on what is mounted here: a temporary one beside it, then a rename."""

    def __init__(self, path: str) -> None:
        # A symbolic link stays one: what it points to is replaced.
        self._target = Path(os.path.realpath(path))
        if self._target.exists() and not self._target.is_file():
            raise ClarusInputError(f"{self._target} is no file; end the destination in / to land in a folder")
        # Bounded, because the target's own name may use all that a file system allows.
        self._stem = f".{self._target.name[:60]}."
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers()
        self._partial = self._target.with_name(f"{self._stem}{secrets.token_hex(4)}{PARTIAL}")
        self._file = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with suppress(OSError):
            # Held until this process ends, however it ends: what is not locked is a leftover.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, chunk: bytes) -> None:
        """Append to the temporary file."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._file, view) :]

    def commit(self) -> None:
        """Rename the temporary file, once it is on the disk."""
        os.fsync(self._file)
        os.replace(self._partial, self._target)
        os.close(self._file)

    def discard(self) -> None:
        """Remove the temporary file."""
        self._partial.unlink(missing_ok=True)
        os.close(self._file)

    def _remove_leftovers(self) -> None:
        for leftover in self._target.parent.glob(f"{glob.escape(self._stem)}*{PARTIAL}"):
            with suppress(OSError), leftover.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
