# SPDX-License-Identifier: Apache-2.0
"""Programs that only npm has: installed once, with their versions, and kept."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

CACHE = Path.home() / ".cache" / "airflow-provider-clarus"


class UnavailableError(Exception):
    """This machine cannot have it."""


def program(name: str) -> str:
    """Return the path of node, or of npm.

    :raises UnavailableError: when it is not installed
    """
    found = shutil.which(name)
    if not found:
        raise UnavailableError(f"{name} is not installed")
    return found


def installed(package: str) -> Path:
    """Return the folder into which a package is installed, such as ``oidc-provider@9.13.3``.

    :raises UnavailableError: when npm cannot install it
    """
    folder = CACHE / package.lstrip("@").replace("/", "-").replace("@", "-")
    CACHE.mkdir(parents=True, exist_ok=True)
    # Test processes run side by side, and two that install into one folder spoil it.
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            command = [program("npm"), "install", "--silent", "--prefix", str(folder), package]
            try:
                subprocess.run(command, check=True, timeout=300, capture_output=True)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                raise UnavailableError(f"npm could not install {package}: {error}") from None
            (folder / "complete").touch()
    return folder
