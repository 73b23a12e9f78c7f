# SPDX-License-Identifier: Apache-2.0
"""Share a failed token request with the others, who need not find out for themselves."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_clarus.exceptions import ClarusError

#: Seconds for which nobody else asks again, where the server does not ask for more: so many clients are one.
PAUSE = 1.0
#: Seconds: a server that asks for a longer pause is asked all the same.
LONGEST_PAUSE = 60.0

_KEY = "failure"


@dataclass(frozen=True)
class Failure:
    """An error of a token request.

    :param error: as :meth:`ClarusError.as_dict` tells it
    :param at: seconds of the wall clock, which all processes share
    :param by: the thread that met it
    """

    error: Mapping[str, Any]
    at: float
    by: str

    @classmethod
    def of(cls, error: ClarusError) -> Failure:
        """Return the failure that an error of this thread is."""
        return cls(error.as_dict(), time.time(), _this_thread())

    @classmethod
    def found_in(cls, content: Mapping[str, Any]) -> Failure | None:
        """Return the failure that a slot tells of."""
        try:
            return cls(**content[_KEY])
        except (KeyError, TypeError):
            return None

    def as_dict(self) -> dict[str, Any]:
        """Return what a slot tells of it."""
        return {_KEY: asdict(self)}

    def share(self, began: float) -> None:
        """Raise the error for whoever has waited since ``began``, or comes just after.

        Not for the thread that met it, which has a pace of its own.
        """
        now = time.time()
        asked = float(self.error.get("retry_after") or 0)
        left = self.at + min(max(PAUSE, asked), LONGEST_PAUSE) - now
        has_waited = began <= self.at <= now
        comes_after = self.by != _this_thread() and self.at <= now and left > 0
        if has_waited or comes_after:
            error = ClarusError.from_dict(self.error)
            error.retry_after = max(left, 0.0) if asked else None
            raise error


def _this_thread() -> str:
    return f"{os.getpid()}-{threading.get_ident()}"
