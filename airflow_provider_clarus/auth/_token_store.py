# SPDX-License-Identifier: Apache-2.0
"""A place where the processes of one machine and user share a token.

Every Airflow task is a process of its own. Without this, ten thousand tasks are ten thousand token requests.
A stored token is encrypted under the credentials that obtained it, so the file tells nothing to whoever has
not got them already.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs
from cryptography.fernet import Fernet, InvalidToken
from filelock import FileLock, Timeout

from airflow_provider_clarus.auth._patience import Patience

log = logging.getLogger(__name__)

#: Seconds for which a slot is kept that nobody uses. A rotated refresh token may be here and nowhere else,
#: and a quarterly report is to find it.
KEPT = 100 * 86400.0

_NAME = "airflow-provider-clarus"
_told_of: set[str] = set()


class TokenSlot:
    """One token's file. Whoever has opened it is the only one."""

    def __init__(self, path: Path, cipher: Fernet) -> None:
        self._path = path
        self._cipher = cipher

    def read(self) -> dict[str, Any]:
        """Return what is stored, nothing when there is nothing that these credentials open."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                content = json.loads(self._cipher.decrypt(file.read()))
            os.utime(self._path)
        except (OSError, InvalidToken, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write(self, content: dict[str, Any]) -> bool:
        """Store something instead of what was there, whole or not at all; tell whether that was possible."""
        sealed = self._cipher.encrypt(json.dumps(content).encode())
        try:
            descriptor, name = tempfile.mkstemp(dir=self._path.parent)
            try:
                with open(descriptor, "wb") as file:
                    file.write(sealed)
                    file.flush()
                    # After a power cut a rotated refresh token must be the new one.
                    os.fsync(file.fileno())
                os.replace(name, self._path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            log.info("A token could not be stored for other processes: %s", error)
            return False
        return True


@contextmanager
def open_slot(*credentials: str, patience: Patience) -> Iterator[TokenSlot]:
    """Open the slot that belongs to ``credentials``; other threads and processes wait until it is closed.

    :raises OSError: when this machine has no private folder to offer
    :raises ImpatientError: when another has it for longer than ``patience``
    """
    material = json.dumps(credentials).encode()
    name = hashlib.blake2b(material, digest_size=16, person=b"clarus-name").hexdigest()
    key = hashlib.blake2b(material, digest_size=32, person=b"clarus-key").digest()
    path = _private_folder() / name
    lock = _lock_of(path)
    patience.wait(lambda seconds: _acquired(lock, seconds))
    try:
        yield TokenSlot(path, Fernet(base64.urlsafe_b64encode(key)))
    finally:
        lock.release()


def remove_old_slots() -> None:
    """Remove what nobody has used for :data:`KEPT`."""
    with suppress(OSError):
        folder = _private_folder()
        for name in {entry.name.removesuffix(".lock") for entry in os.scandir(folder)}:
            path = folder / name
            if _is_old(path):
                lock = _lock_of(path)
                if _acquired(lock, 0):
                    path.unlink(missing_ok=True)
                    Path(lock.lock_file).unlink(missing_ok=True)
                    lock.release()


def _is_old(path: Path) -> bool:
    """Tell by the slot's own age; by that of its lock, where nothing was ever stored."""
    for found in (path, Path(_lock_of(path).lock_file)):
        with suppress(FileNotFoundError):
            return time.time() - found.lstat().st_mtime > KEPT
    return False


def _lock_of(path: Path) -> FileLock:
    return FileLock(f"{path}.lock", mode=0o600)


def _acquired(lock: FileLock, seconds: float) -> bool:
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        return False
    except (NotImplementedError, RuntimeError) as error:
        # This file system knows no locks.
        raise OSError(str(error)) from error
    return True


def _private_folder() -> Path:
    """Return the user's own folder for what outlives a process; no cleaner of temporary files empties it."""
    try:
        return _made_private(platformdirs.user_state_path(_NAME, appauthor=False))
    except OSError as error:
        folder = _made_private(Path(tempfile.gettempdir()) / f"{_NAME}-{os.getuid()}")
        if str(error) not in _told_of:
            _told_of.add(str(error))
            log.warning(
                "Tokens are kept in %s, which may be emptied at any time, since the user's state folder is "
                "of no use: %s. XDG_STATE_HOME can name another.",
                folder,
                error,
            )
        return folder


def _made_private(folder: Path) -> Path:
    if not folder.is_absolute():
        raise FileNotFoundError(f"there is no home folder: {folder}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a private folder of this user")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} cannot be written to")
    return folder
