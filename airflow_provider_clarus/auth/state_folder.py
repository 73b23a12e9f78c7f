# SPDX-License-Identifier: Apache-2.0
"""Keep what outlives a process in the user's own folder, in files that are there whole or not at all."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import platformdirs

log = logging.getLogger(__name__)

_NAME = "airflow-provider-clarus"
_told_of: set[str] = set()


def private_folder() -> Path:
    """Return the folder; no cleaner of temporary files empties it.

    :raises OSError: when this machine has none to offer that is the user's alone
    """
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


def read_file(path: Path) -> bytes:
    """Return what is in a file of the folder; links are not followed.

    :raises OSError: when it cannot be read
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        return file.read()


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in the place of what was there.

    :raises OSError: when that was not possible; what was there is there still
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            # After a power cut a rotated refresh token must be the new one.
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


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
