# SPDX-License-Identifier: Apache-2.0
"""Tell when a refusal is final, and for how long a missing document, or "not now", is waited out.

A :class:`Trouble` keeps a *series* of errors, and tells what it means: one for each connection, and one for
each document asked for alone::

    trouble = Trouble(Call.READ)
    try:
        document = client.get_document(7)
    except ClarusError as error:
        if trouble.failed(error, time.monotonic()).is_final:
            raise trouble.final() from error
    else:
        trouble.worked()

Rules. One answer proves nothing about a read: a refusal is final when it stays, in a row and after the last
success (:data:`PATIENCE`). What says only "not now" is never final, however often it is said: deadlines end
a wait, outages do not. A writing call is not asked twice, so there one answer decides, if Clarus itself has
given it; the token for it is asked for twice (:data:`TOKEN_PAUSE`). Nothing here has a network or a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from airflow_provider_clarus.exceptions import (
    ClarusConfigError,
    ClarusError,
    ClarusInputError,
    ClarusNotFoundError,
    ClarusPermanentError,
    ClarusReportFailedError,
)
from airflow_provider_clarus.policy.answers import READS, TABLE, Call, Refuses, Row, is_untrusted


class Verdict(str, Enum):
    """What to do next."""

    GO_ON = "go on"
    ASK_DIFFERENTLY = "ask differently"
    DOCUMENT_FAILED = "this document has failed"
    CONNECTION_FAILED = "this connection has failed"

    @property
    def is_final(self) -> bool:
        """Whether the wait is over: asking again cannot help."""
        return self in (Verdict.DOCUMENT_FAILED, Verdict.CONNECTION_FAILED)


@dataclass(frozen=True)
class Patience:
    """How often in a row, and over how many seconds, something is refused before that is final."""

    looks: int
    seconds: float


#: Of reads. A deploy or a firewall's rule is over within a minute, a change of credentials within two.
PATIENCE = {
    Refuses.QUESTION: Patience(3, 120.0),
    Refuses.SUBJECT: Patience(3, 60.0),
    Refuses.CONNECTION: Patience(3, 120.0),
}
#: Of what is not asked twice, and of what no server was asked about.
AT_ONCE = Patience(1, 0.0)
#: Seconds after which a token that was refused is asked for once more, and only then counts as refused: what
#: it is for may not be asked twice, but asking for it is as safe as a read. Not for as long as one is asked,
#: since a person who has mistyped a secret waits for the answer.
TOKEN_PAUSE = 5.0
#: Seconds for which a document may stay out of sight before it counts as gone. Reads come from a replica
#: (API page "GraphQL"), which has not seen a document that was queued a moment ago.
MISSING_GRACE = 120.0
#: Looks in a row that must have missed it by then: two that are far apart tell nothing of the time between.
MISSING_LOOKS = 3


def _refused(call: Call, error: ClarusError, ever_worked: bool) -> tuple[Refuses, Patience | None]:
    # What an answer was read for, and does not have, is no refusal: by its status a 404 of Clarus is one.
    is_finding = isinstance(error, ClarusNotFoundError) and error.status is None
    if is_finding or isinstance(error, ClarusInputError | ClarusReportFailedError):
        return Refuses.SUBJECT, AT_ONCE
    if not isinstance(error, ClarusPermanentError) or _may_pass(error, ever_worked):
        return Refuses.NOTHING, None
    rows = (row for row in TABLE if call in row.calls and row.error is type(error))
    row = next(rows, None)
    if row is None:
        return Refuses.CONNECTION, PATIENCE[Refuses.CONNECTION] if call in READS else AT_ONCE
    return row.refuses, patience_for(row, call)


def patience_for(row: Row, call: Call) -> Patience | None:
    """Return what it takes to make an answer of a kind final; ``None``: it never is."""
    if row.refuses is Refuses.NOTHING:
        return None
    return PATIENCE[row.refuses] if call in READS else AT_ONCE


def _may_pass(error: ClarusError, ever_worked: bool) -> bool:
    return ever_worked and isinstance(error, ClarusConfigError) and is_untrusted(error)


@dataclass(slots=True)
class Trouble:
    """What has gone wrong, in a row, with one question since it was last answered.

    Keep one for a connection, and one for each document that is asked for by itself. Times are seconds of
    any clock, always the same; one that goes back makes a row younger, never older.

    :param call: what is asked for: :attr:`Call.READ` of a wait, :attr:`Call.DOWNLOAD` of landing
    :param ever_worked: whether anything was ever answered: then a certificate's error may pass
    """

    call: Call
    ever_worked: bool = False
    looks: int = 0
    since: float = 0.0
    until: float = 0.0
    last: ClarusError | None = None

    def worked(self) -> None:
        """Take note of an answer, whatever it says: all that was refused before counts no more."""
        self.ever_worked = True
        self.looks, self.last = 0, None

    def failed(self, error: ClarusError, now: float) -> Verdict:
        """Take note of an error, and return what to do about it."""
        self.last = error
        refuses, patience = _refused(self.call, error, self.ever_worked)
        if patience is None:
            # "Not now" between two refusals: what Clarus has to say is still to come.
            self.looks = 0
            return Verdict.GO_ON
        if not self.looks or now < self.since:
            self.since = now
        self.looks, self.until = self.looks + 1, now
        if self.looks >= patience.looks and now - self.since >= patience.seconds:
            return Verdict.DOCUMENT_FAILED if refuses is Refuses.SUBJECT else Verdict.CONNECTION_FAILED
        return Verdict.ASK_DIFFERENTLY if refuses is Refuses.QUESTION else Verdict.GO_ON

    def final(self) -> ClarusError:
        """Return the last error again, for one waiter, saying how often and for how long it was met."""
        assert self.last is not None  # noqa: S101 - for the type: it has failed
        if self.looks <= 1:
            return self.last.copy()
        before = "since it last worked" if self.ever_worked else "and nothing else"
        return self.last.copy(
            f"{self.last} That was the answer {self.looks} times in a row, for "
            f"{self.until - self.since:.0f} s, {before}."
        )
