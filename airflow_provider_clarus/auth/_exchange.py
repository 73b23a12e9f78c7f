# SPDX-License-Identifier: Apache-2.0
"""Carry a token request to its end, whoever stops waiting for it: what it brings may exist nowhere else.

A server that rotates refresh tokens has ended the old one by the time that it answers. Were the answer cut
off with one task's wait, everybody on the connection would be refused until a person signs in.
"""

from __future__ import annotations

import atexit
import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from airflow_provider_clarus.auth._patience import Patience
from airflow_provider_clarus.exceptions import ClarusError

T = TypeVar("T")

#: Seconds for which the end of the process waits for an answer that must not be lost. Airflow kills a task
#: five seconds after it has told it to stop, and a triggerer's process ten.
AT_THE_END = 4.0


class Exchange(Generic[T]):
    """Calls a function once, in a thread of its own, for all who wait for what comes of it.

    No limit of theirs bounds it. Nobody waits for the thread when the process ends, unless it is asked for.

    :param get: what it calls; it must come to an end by itself
    :param waits_at_the_end: whether the process ends :data:`AT_THE_END` later, if need be
    :raises RuntimeError: when no thread can be started
    """

    def __init__(self, get: Callable[[], T], *, waits_at_the_end: bool) -> None:
        self._get = get
        self._waits_at_the_end = waits_at_the_end
        self._over = threading.Event()
        self._result: T
        self._error: BaseException | None = None
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=[self._run], name="clarus-token", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end."""
        return self._over.is_set()

    def outcome(self, patience: Patience) -> T:
        """Wait for what it brings, and return that; an error is raised to each who waits, as a copy.

        :raises ImpatientError: when it is not over in time
        """
        patience.wait(self._over.wait)
        if isinstance(self._error, ClarusError):
            raise self._error.copy() from self._error
        if self._error:
            raise self._error
        return self._result

    def _run(self) -> None:
        if self._waits_at_the_end:
            # Not a thread that is joined: one that hangs would keep the process for as long as it hangs. And
            # registered by each anew, since a task's process forgets what was registered before its fork.
            atexit.register(self._over.wait, AT_THE_END)
        try:
            self._result = self._get()
        except BaseException as error:
            self._error = error
        self._over.set()
        atexit.unregister(self._over.wait)
