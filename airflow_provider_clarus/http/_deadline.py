# SPDX-License-Identifier: Apache-2.0
"""Bound a whole HTTP exchange by its timeout, however slowly the other side drips.

The timeout of a socket starts anew with every byte that arrives, so it bounds no answer, no headers, no TLS
handshake and no proxy's reply.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

from urllib3.connection import HTTPConnection

from airflow_provider_clarus.http._interim import FinalResponse
from airflow_provider_clarus.http.connections import pools_of

_of_thread = threading.local()


class Deadline:
    """Ends, after so many seconds, every connection that the thread has used since it was entered."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._lock = threading.Lock()
        self._descriptors: list[int] = []
        self._timer = threading.Timer(seconds, self.end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        _of_thread.deadline = self
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        _of_thread.deadline = None
        with self._lock:
            for descriptor in self._descriptors:
                os.close(descriptor)
            self._descriptors = []

    def watch(self, connected: socket.socket) -> None:
        """Let a connection end in time."""
        with self._lock:
            # By a descriptor of its own, since TLS puts another socket in the place of this one.
            self._descriptors.append(os.dup(connected.fileno()))
        if self.over:
            self.end()

    def end(self) -> None:
        """End them now."""
        with self._lock:
            self.over = True
            for descriptor in self._descriptors:
                with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connected:
                    connected.shutdown(socket.SHUT_RDWR)


def _watch(connected: socket.socket | None) -> None:
    deadline = getattr(_of_thread, "deadline", None)
    if deadline and connected:
        deadline.watch(connected)


class _Http(HTTPConnection):
    response_class = FinalResponse

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        _watch(connected)
        return connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        _watch(self.sock)
        super().request(*args, **kwargs)


#: Of connections that keep to their thread's deadline.
POOLS = pools_of(_Http)
