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


class Writer(Protocol):
    """An object in the making, which nobody sees."""

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``."""

    def commit(self) -> None:
        """Publish the object, over an older one if there is one; the last call."""

    def discard(self) -> None:
        """Leave the destination as it was; the last call, also after a failed ``commit``."""


def open_writer(path: ObjectStoragePath) -> Writer:
    """Begin an object at ``path``."""
    return FileWriter(path.path)


class FileWriter:
    """A file on this machine, or on what is mounted here: a temporary one beside it, then a rename."""

    SUFFIX = ".clarus-partial"

    def __init__(self, path: str) -> None:
        # A symbolic link stays one: what it points to is replaced.
        self._target = Path(os.path.realpath(path))
        if self._target.exists() and not self._target.is_file():
            raise ClarusInputError(f"{self._target} is no file; end the destination in / to land in a folder")
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers()
        self._partial = self._target.with_name(f"{self._stem}{secrets.token_hex(4)}{self.SUFFIX}")
        self._file = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with suppress(OSError):
            # Held until the process ends, in whatever way: what is not locked is a leftover.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def _stem(self) -> str:
        # Bounded, because the target's own name may use all that a file system allows.
        return f".{self._target.name[:60]}."

    def write(self, chunk: bytes) -> None:
        """Append to the temporary file."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._file, view) :]

    def commit(self) -> None:
        """Rename the temporary file."""
        os.replace(self._partial, self._target)
        os.close(self._file)

    def discard(self) -> None:
        """Remove the temporary file."""
        with suppress(OSError):
            self._partial.unlink()
        with suppress(OSError):
            os.close(self._file)

    def _remove_leftovers(self) -> None:
        """Remove what earlier tries at this file, killed in the middle, left behind."""
        for leftover in self._target.parent.glob(f"{glob.escape(self._stem)}*{self.SUFFIX}"):
            with suppress(OSError), leftover.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
