# SPDX-License-Identifier: Apache-2.0
"""Write a file on this machine, or on what is mounted here: a temporary one, then a rename or a link."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import secrets
import socket
import stat
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.landing._storage import ObjectExistsError, ObjectOptions, Stored

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

CHATTY = ()
#: Ends the name of a file in the making.
PARTIAL = ".clarus-partial"
#: Bytes (Linux, macOS).
LONGEST_NAME = 255
#: Seconds after which another machine's file in the making is a leftover: its locks may not show here.
ABANDONED = 3600.0
#: How often a file in the making is begun until it is locked, or lands without a lock.
BEGINNINGS = 20


def check(key: str, options: ObjectOptions) -> None:
    """Refuse extra arguments, since a file carries nothing; and what is no file."""
    if options.extra_args:
        raise ClarusInputError("extra_args are for object storage: a file carries nothing but its content.")
    if any(len(part.encode()) > LONGEST_NAME for part in key.split("/")):
        raise ClarusInputError(f"/{key[:200]}… has a name of over {LONGEST_NAME} bytes, which no file has")
    target = Path(os.path.realpath(f"/{key}"))
    if target.exists() and not target.is_file():
        raise ClarusInputError(f"{target} is no file; end the destination in / to land in a folder")


def look(path: ObjectStoragePath) -> Stored | None:
    """Return the file at ``path``."""
    try:
        return Stored(os.stat(path.path).st_size)
    except FileNotFoundError:
        return None


def open_writer(path: ObjectStoragePath, options: ObjectOptions) -> FileWriter:
    """Begin a file."""
    check(path.path.lstrip("/"), options)
    return FileWriter(path.path, if_absent=options.if_absent)


def console_url(bucket: str, key: str, connection: Any) -> str:
    """Return nothing: no browser opens a worker's files."""
    return ""


class FileWriter:
    """A temporary file beside its target."""

    def __init__(self, path: str, *, if_absent: bool = False) -> None:
        # A symbolic link stays one: what it points to is replaced.
        self._target = Path(os.path.realpath(path))
        self._if_absent = if_absent
        self._size = 0
        self._target.parent.mkdir(parents=True, exist_ok=True)
        # Bounded, because the target's own name may use all that a file system allows.
        name = self._target.name.encode()
        begin = name[:60].decode(errors="ignore")
        self._stem = f".{begin}.{hashlib.sha256(name).hexdigest()[:16]}."
        machine = _machine()
        self._remove_leftovers(machine)
        self._file = self._create(machine)

    def _create(self, machine: str) -> int:
        left = BEGINNINGS
        while True:
            left -= 1
            self._partial = self._target.with_name(f"{self._stem}{machine}.{secrets.token_hex(4)}{PARTIAL}")
            file = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            is_ours = False
            try:
                # Some file systems say of every lock that it is held.
                is_ours = self._lock(file) or not left
                if is_ours:
                    return file
            finally:
                if not is_ours:
                    # Another task that lands here took it for a leftover, before it was locked.
                    os.close(file)
                    self._partial.unlink(missing_ok=True)

    def _lock(self, file: int) -> bool:
        """Hold the file until this process ends, however it ends: what is not locked is a leftover."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # No locks here.
            return True
        return self._partial.exists()

    def write(self, chunk: bytes) -> None:
        """Append to the temporary file."""
        view = memoryview(chunk)
        self._size += len(view)
        while view:
            view = view[os.write(self._file, view) :]

    def commit(self) -> None:
        """Give the temporary file its name, once it is on the disk."""
        os.fsync(self._file)
        if (size := os.fstat(self._file).st_size) != self._size:
            raise OSError(f"{self._partial} has {size} bytes, and {self._size} were written")
        if self._if_absent:
            self._link()
        else:
            with suppress(FileNotFoundError):
                os.fchmod(self._file, stat.S_IMODE(self._target.stat().st_mode))
            os.replace(self._partial, self._target)
        os.close(self._file)

    def discard(self) -> None:
        """Remove the temporary file."""
        self._partial.unlink(missing_ok=True)
        os.close(self._file)

    def _link(self) -> None:
        try:
            os.link(self._partial, self._target)
        except FileExistsError:
            raise ObjectExistsError from None
        except PermissionError as error:
            raise ClarusInputError(
                f"{self._target.parent} has no hard links, without which if_exists cannot be kept"
                f" when two tasks land at once ({error}): use if_exists='replace' there"
            ) from error
        self._partial.unlink()

    def _remove_leftovers(self, machine: str) -> None:
        for leftover in self._target.parent.glob(f"{glob.escape(self._stem)}*{PARTIAL}"):
            # NFS locks nothing that was not opened for writing; what belongs to another user cannot be.
            mode = "r+b" if os.access(leftover, os.W_OK) else "rb"
            with suppress(OSError), leftover.open(mode) as file:
                here = leftover.name.startswith(f"{self._stem}{machine}.")
                if not here and os.fstat(file.fileno()).st_mtime > time.time() - ABANDONED:
                    continue
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()


def _machine() -> str:
    return hashlib.sha256(f"{socket.gethostname()} {uuid.getnode()}".encode()).hexdigest()[:8]
