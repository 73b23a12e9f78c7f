# SPDX-License-Identifier: Apache-2.0
"""Imported by each Python of the cluster: note whom it looks up, or connects to, beside this machine."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

_NOTES = os.environ.get("CLUSTER_ADDRESSES", "")
_HERE = ("127.", "::1", "localhost", "0.0.0.0", socket.gethostname())


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host and not host.startswith(_HERE):
        with open(_NOTES, "a") as notes:
            notes.write(f"{host} ({event}, by {' '.join(sys.argv[:4])})\n")


if _NOTES:
    sys.addaudithook(_note)
