# SPDX-License-Identifier: Apache-2.0
"""Remember what was learnt of a server's catalogue, for the next task too: each is a process of its own.

Kept is how the server lets itself be asked, and never what it answers: that is read anew each time. A file
that is lost, or makes no sense, costs a few requests.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from airflow_provider_clarus.api._way import PAGE_SIZE
from airflow_provider_clarus.api.reports import Report
from airflow_provider_clarus.auth.state_folder import private_folder, read_file, replace_file

log = logging.getLogger(__name__)

#: Rows per page where a server refuses that many: its limit on complexity counts the page that is asked for.
SMALL_PAGE_SIZE = 10
#: Seconds after which what was refused once is tried again: trouble that passes is not to cost others more.
DOUBTED = 60.0
#: Seconds after which what was refused then, too, is tried again.
BELIEVED = 900.0
#: Reports whose names are kept.
KEPT_REPORTS = 1000


@dataclass(frozen=True)
class Taken:
    """What a server takes, as far as anyone knows."""

    text: bool = True
    """The text of its query, below a report."""
    id_filter: bool = True
    page_size: int = PAGE_SIZE

    @property
    def everything(self) -> bool:
        """Whether one request tells all of a report of which only the id is known."""
        return self.text and self.id_filter


@dataclass(frozen=True)
class Names:
    """By what a report, and what it asks, are found with the documented filters."""

    report: str
    query: str | None


@dataclass
class _Kept:
    taken: Taken = Taken()
    learnt_at: float = 0.0
    """Seconds since the epoch."""
    is_sure: bool = False
    """Whether the same was learnt before."""
    names: dict[int, Names] = field(default_factory=dict)
    """By the ids of the reports, the newest last."""


class Memory:
    """What one user has learnt of one tenant's catalogue.

    :param server: what tells it from others: the server, the tenant, the user
    """

    def __init__(self, *server: str, clock: Callable[[], float] = time.time) -> None:
        digest = hashlib.blake2b(json.dumps(server).encode(), digest_size=16, person=b"clarus-reports")
        self._file = f"{digest.hexdigest()}.json"
        self._clock = clock

    @cached_property
    def _kept(self) -> _Kept:
        try:
            kept = json.loads(read_file(private_folder() / self._file))
            return _Kept(
                _taken(kept["taken"]),
                float(kept["learnt_at"]),
                kept["is_sure"] is True,
                _names(kept["reports"]),
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            return _Kept()

    @property
    def taken(self) -> Taken:
        """What the server takes; all of it, where what was refused may be tried again."""
        return self._kept.taken if self._is_believed else Taken()

    @property
    def _is_believed(self) -> bool:
        age = self._clock() - self._kept.learnt_at
        return 0 <= age < (BELIEVED if self._kept.is_sure else DOUBTED)

    def names(self, report_id: int) -> Names | None:
        """Return the names of a report that was found before."""
        return self._kept.names.get(report_id)

    def query_of(self, report_name: str) -> str | None:
        """Return the name of what a report of that name asked when it was last found."""
        known = (names for names in reversed(self._kept.names.values()) if names.report == report_name)
        return next((names.query for names in known), None)

    def learn(self, taken: Taken) -> None:
        """Learn what the server takes; what it refuses is believed for longer when it was refused before."""
        is_known = taken == self._kept.taken
        if is_known and (self._is_believed or taken == Taken()):
            return
        self._kept.taken, self._kept.learnt_at, self._kept.is_sure = taken, self._clock(), is_known
        self._write()

    def note(self, report: Report) -> None:
        """Keep a report's names, where they save a request."""
        names = Names(report.name, report.query_name)
        if not self.taken.everything and self.names(report.id) != names:
            self._kept.names.pop(report.id, None)
            self._kept.names[report.id] = names
            self._write()

    def _write(self) -> None:
        names = list(self._kept.names.items())[-KEPT_REPORTS:]
        kept = {
            "taken": asdict(self._kept.taken),
            "learnt_at": self._kept.learnt_at,
            "is_sure": self._kept.is_sure,
            "reports": {report_id: [known.report, known.query] for report_id, known in names},
        }
        try:
            replace_file(private_folder() / self._file, json.dumps(kept).encode())
        except OSError as error:
            log.info("What was learnt of the catalogue could not be stored for other processes: %s", error)


def _taken(kept: Mapping[str, Any]) -> Taken:
    text, id_filter, page_size = kept["text"], kept["id_filter"], kept["page_size"]
    if (type(text), type(id_filter)) != (bool, bool) or page_size not in (PAGE_SIZE, SMALL_PAGE_SIZE):
        raise ValueError(f"{kept} is not what was stored")
    return Taken(text, id_filter, page_size)


def _names(kept: Mapping[str, Any]) -> dict[int, Names]:
    found = {}
    for report_id, (report, query) in kept.items():
        if not (isinstance(report, str) and isinstance(query, str | None)):
            raise TypeError(f"{report} and {query} are no names")
        found[int(report_id)] = Names(report, query)
    return found
