# SPDX-License-Identifier: Apache-2.0
"""Tell what nobody knows: whether tries that broke off have queued a report (unknown outcome).

A doubt is what such a try has left: ``{"try", "at"}``, and ``"error"`` where it could still say why.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_clarus.exceptions import ClarusError, ClarusOutcomeUnknownError

if TYPE_CHECKING:
    from airflow_provider_clarus.api.client import ClarusClient

log = logging.getLogger(__name__)

#: What a task can want when nobody knows whether Clarus has queued its report.
ON_UNKNOWN_OUTCOME = ("retry", "fail")

_LOOK = "Look for its document in Clarus; clear the task that generates it, this one, to do so anew."


class OutcomeStaysUnknownError(ClarusOutcomeUnknownError, AirflowFailException):
    """The same, where the task wants no second document: a person decides, and Airflow retries nothing."""


@dataclass(frozen=True)
class Doubts:
    """The doubts of a task's earlier tries.

    :param kept: the oldest first
    :param report: as the task names it: by its id, or by its name
    :param fails: whether the task wants no second document
    """

    kept: Sequence[Mapping[str, Any]]
    client: ClarusClient
    report: int | str
    fails: bool

    def tell(self) -> None:
        """Say what is not known of the earlier tries.

        :raises OutcomeStaysUnknownError: the task is to go no further then
        """
        if not self.kept:
            return
        tenant = self.client.connection.tenant
        tries = "; ".join(
            f"try {doubt['try']} broke off at {_clock(doubt['at'])} {_how(doubt.get('error'))}"
            for doubt in self.kept
        )
        said = (
            f"{tries[0].upper()}{tries[1:]}, and knew no document: whether Clarus has queued report "
            f"{self.report!r} of tenant {tenant!r} is not known, and {len(self.kept) + 1} documents of it "
            f"may exist. {self._made_since(self.kept[0]['at'])}"
        )
        if self.fails:
            raise OutcomeStaysUnknownError(
                f"{said} on_unknown_outcome is 'fail', so it is not generated again. {_LOOK}",
                report_id=self.report if isinstance(self.report, int) else None,
                tenant=tenant,
            )
        log.warning("%s Generating again: the task has retries.", said)

    def told(self, error: ClarusOutcomeUnknownError, since: float) -> ClarusOutcomeUnknownError:
        """Return the error of a try that has just broken off, with what follows.

        :param since: when it asked, in seconds since the epoch
        """
        said = f"{error} {self._made_since(since)}"
        if self.fails:
            return OutcomeStaysUnknownError(
                f"{said} on_unknown_outcome is 'fail', so it is not generated again. {_LOOK}", **error.facts
            )
        return error.copy(f"{said} A retry generates it again, and says that there may be two documents.")

    def _made_since(self, since: float) -> str:
        from airflow_provider_clarus.api.recent import documents_since

        try:
            found = documents_since(self.client.once(), since)
        except ClarusError as error:
            return f"(What was made since then could not be listed: {error})"
        if not found:
            return "Clarus lists no document of a report that was made since then (yet)."
        ids = ", ".join(map(str, found))
        return f"Documents of reports that Clarus lists as made since then, by anybody: {ids}."


def short(error: ClarusError) -> str:
    """Return in a word why a try broke off."""
    return str(error.status or type(error.__cause__ or error).__name__)


def _how(error: str | None) -> str:
    return f"with {error}" if error else "without a word (it was killed, or its time was over)"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%H:%M:%S UTC")
