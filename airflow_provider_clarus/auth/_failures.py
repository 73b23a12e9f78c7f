# SPDX-License-Identifier: Apache-2.0
"""Share a failed token request with the others, who need not ask; believe none at once."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from airflow_provider_clarus.exceptions import ClarusError, ClarusPermanentError
from airflow_provider_clarus.policy import patience

log = logging.getLogger(__name__)

T = TypeVar("T")

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
    :param by: the thread for which it was met
    """

    error: Mapping[str, Any]
    at: float
    by: str

    @classmethod
    def of(cls, error: ClarusError, asker: str) -> Failure:
        """Return the failure that an error is, met just now."""
        return cls(error.as_dict(), time.time(), asker)

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

    @property
    def pause(self) -> float:
        """Seconds for which a server that has refused is left alone, whoever asks; none if it has not."""
        if self._error.may_pass:
            return 0.0
        return min(max(0.0, self.at + patience.TOKEN_PAUSE - time.time()), patience.TOKEN_PAUSE)

    def share(self, began: float, asker: str) -> None:
        """Raise the error for whoever has waited since ``began``, or comes just after.

        Not for the thread that met it, which has a pace of its own. Nor a refusal for who comes after: it may
        be final for whoever meets it, and the server well again.
        """
        now, error = time.time(), self._error
        asked = float(self.error.get("retry_after") or 0)
        left = self.at + min(max(PAUSE, asked), LONGEST_PAUSE) - now
        has_waited = began <= self.at <= now
        comes_after = error.may_pass and self.by != asker and self.at <= now and left > 0
        if has_waited or comes_after:
            error.retry_after = max(left, 0.0) if asked else None
            raise error

    @property
    def _error(self) -> ClarusError:
        return ClarusError.from_dict(self.error)


def surely(ask: Callable[[], T], failures: Iterable[Failure]) -> T:
    """Ask for a token; a refusal counts when it was given twice in a row, :data:`TOKEN_PAUSE` apart.

    Since nobody asks sooner than so many seconds after the last refusal, credentials that are wrong in any
    number of tasks are a few requests a minute, and lock nobody out.

    :param failures: those that are known
    """
    time.sleep(max((failure.pause for failure in failures), default=0.0))
    try:
        return ask()
    except ClarusPermanentError as error:
        log.warning("%s Asking again in %.0f s: it may pass.", error, patience.TOKEN_PAUSE)
    time.sleep(patience.TOKEN_PAUSE)
    return ask()


def this_thread() -> str:
    """Return what tells this thread from all others of this machine."""
    return f"{os.getpid()}-{threading.get_ident()}"
