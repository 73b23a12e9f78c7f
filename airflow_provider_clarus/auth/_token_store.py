# SPDX-License-Identifier: Apache-2.0
"""A place where the processes of one machine and user share a token.

Every Airflow task is a process of its own. Without this, ten thousand tasks are ten thousand token requests.
A stored token is encrypted under the credentials that obtained it, so the file tells nothing to whoever has
not got them already.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.fernet import Fernet, InvalidToken

log = logging.getLogger(__name__)


class TokenSlot:
    """One token's file, locked for as long as it is open."""

    def __init__(self, file: BinaryIO, cipher: Fernet) -> None:
        self._file = file
        self._cipher = cipher

    def read(self) -> dict[str, Any] | None:
        """Return the stored token, ``None`` when there is none that these credentials open."""
        self._file.seek(0)
        try:
            token: dict[str, Any] = json.loads(self._cipher.decrypt(self._file.read()))
        except (InvalidToken, ValueError):
            return None
        return token

    def write(self, token: dict[str, Any]) -> None:
        """Store a token instead of the one before."""
        sealed = self._cipher.encrypt(json.dumps(token).encode())
        try:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(sealed)
        except OSError as error:
            # What was written of it opens with no key, so that the next process gets a token of its own.
            log.info("A token could not be stored for other processes: %s", error)


@contextmanager
def open_slot(*credentials: str) -> Iterator[TokenSlot]:
    """Open the slot that belongs to ``credentials``; other processes wait until it is closed.

    :raises OSError: when this machine has no private folder to offer
    """
    material = json.dumps(credentials).encode()
    name = hashlib.blake2b(material, digest_size=16, person=b"clarus-name").hexdigest()
    key = hashlib.blake2b(material, digest_size=32, person=b"clarus-key").digest()
    descriptor = os.open(
        _private_folder() / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    with open(descriptor, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield TokenSlot(file, Fernet(base64.urlsafe_b64encode(key)))


def _private_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"airflow-provider-clarus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a private folder of this user")
    return folder
