# SPDX-License-Identifier: Apache-2.0
"""Store a token where the processes of one machine and user share it.

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
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from filelock import FileLock, Timeout

from airflow_provider_clarus.auth._patience import Patience
from airflow_provider_clarus.auth.state_folder import private_folder, read_file, replace_file

log = logging.getLogger(__name__)

#: Seconds for which a slot is kept that nobody uses. A rotated refresh token may be here and nowhere else,
#: and a quarterly report is to find it.
KEPT = 100 * 86400.0


class TokenSlot:
    """One token's file. Whoever has opened it is the only one."""

    def __init__(self, path: Path, cipher: Fernet) -> None:
        self._path = path
        self._cipher = cipher

    def read(self) -> dict[str, Any]:
        """Return what is stored, nothing when there is nothing that these credentials open."""
        try:
            content = json.loads(self._cipher.decrypt(read_file(self._path)))
            os.utime(self._path)
        except (OSError, InvalidToken, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write(self, content: dict[str, Any]) -> bool:
        """Store something instead of what was there, whole or not at all; tell whether that was possible."""
        sealed = self._cipher.encrypt(json.dumps(content).encode())
        try:
            replace_file(self._path, sealed)
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
    path = private_folder() / name
    lock = _lock_of(path)
    patience.wait(lambda seconds: _acquired(lock, seconds))
    try:
        yield TokenSlot(path, Fernet(base64.urlsafe_b64encode(key)))
    finally:
        lock.release()


def remove_old_slots() -> None:
    """Remove what nobody has used for :data:`KEPT`."""
    with suppress(OSError):
        folder = private_folder()
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
