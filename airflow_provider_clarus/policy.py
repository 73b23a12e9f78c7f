# SPDX-License-Identifier: Apache-2.0
"""Tell what an answer means, and when it is final: one table, for everybody who asks Clarus something.

Nothing here has a network or a clock. One answer becomes a :class:`Row` of :data:`TABLE` (:func:`row_of`),
and the row an error of one class. What a *series* of such errors means is told by :func:`judge`, and
:class:`Trouble` keeps the series: one for each connection, and one for each document asked for alone::

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
given it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusConfigError,
    ClarusError,
    ClarusForbiddenError,
    ClarusInputError,
    ClarusNotFoundError,
    ClarusPermanentError,
    ClarusRejectedError,
    ClarusReportFailedError,
    ClarusTransientError,
)


class Call(str, Enum):
    """What Clarus is asked for."""

    TOKEN = "get a token"  # noqa: S105 - no secret
    READ = "read by GraphQL"
    DOWNLOAD = "ask for a document's file"
    GENERATE = "generate a report"
    OTHER = "call another path"


class Said(str, Enum):
    """What kind of answer it is, apart from its status."""

    OWN = "an error in the API's documented form"
    FOREIGN = "another body: a proxy's, a firewall's, none"
    INVALID = "GraphQL `errors` that find the query invalid"
    ERRORS = "other GraphQL `errors`"
    NONSENSE = "a success that is not JSON, or not of the documented form"
    NOTHING = "no answer"
    UNTRUSTED = "a certificate that is not trusted, before anything ever worked"
    EXPIRED = "the same, after something has worked"


class Refuses(str, Enum):
    """What an answer is a refusal of."""

    NOTHING = "nothing: later"
    QUESTION = "this way of asking"
    SUBJECT = "this document or report"
    CONNECTION = "this connection"


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
#: Seconds for which a document may stay out of sight before it counts as gone. Reads come from a replica
#: (API page "GraphQL"), which has not seen a document that was queued a moment ago.
MISSING_GRACE = 120.0

READS = (Call.READ, Call.DOWNLOAD)
_REST = (Call.DOWNLOAD, Call.GENERATE, Call.OTHER)
_ALL = tuple(Call)

_CREDENTIALS = "Check the connection's credentials; signing in as the API user ends its tokens."
_CA = "If the server is right, give its CA bundle in extra verify, or in storage_verify if it is a file's."


@dataclass(frozen=True)
class Row:
    """One kind of answer, and what it means.

    :param calls: what was asked for
    :param statuses: HTTP statuses, such as ``"401 4xx"``; empty where it does not matter
    :param error: the class that a caller of the client meets
    :param may_have_acted: whether the server may have done what it was asked, all the same
    :param remedy: what a person can do
    """

    calls: tuple[Call, ...]
    statuses: str
    said: tuple[Said, ...]
    refuses: Refuses
    error: type[ClarusError]
    may_have_acted: bool = False
    remedy: str = ""

    def fits(self, call: Call, status: int | None, said: Said) -> bool:
        """Tell whether an answer is of this kind."""
        return call in self.calls and said in self.said and _is_among(status, self.statuses)

    def patience(self, call: Call) -> Patience | None:
        """Return what it takes to make this final; ``None``: it never is."""
        if self.refuses is Refuses.NOTHING:
            return None
        return PATIENCE[self.refuses] if call in READS or call is Call.TOKEN else AT_ONCE


def _is_among(status: int | None, statuses: str) -> bool:
    if not statuses or status is None:
        return not statuses
    kind = f"{min(status // 100, 5)}xx"
    return str(status) in statuses.split() or kind in statuses.split()


_ANY_BODY = (Said.OWN, Said.FOREIGN, Said.INVALID, Said.ERRORS)
_LATER = (Refuses.NOTHING, ClarusTransientError)

#: The first row that fits is the one. A rate limit is a 429, with or without ``Retry-After``.
TABLE = (
    Row(_ALL, "429 409 421 423 425", _ANY_BODY, *_LATER),
    Row(_ALL, "301 302 307 308", _ANY_BODY, *_LATER),
    Row(_ALL, "408 499 3xx 5xx", _ANY_BODY, *_LATER, may_have_acted=True),
    Row(_ALL, "4xx", (Said.FOREIGN, Said.ERRORS), *_LATER),
    Row(_ALL, "", (Said.NOTHING, Said.NONSENSE), *_LATER, may_have_acted=True),
    Row(_ALL, "", (Said.EXPIRED,), *_LATER),
    Row(_ALL, "", (Said.UNTRUSTED,), Refuses.CONNECTION, ClarusConfigError, remedy=_CA),
    Row((Call.READ,), "200", (Said.ERRORS,), *_LATER, may_have_acted=True),
    Row((Call.READ,), "200 4xx", (Said.INVALID,), Refuses.QUESTION, ClarusRejectedError),
    Row(
        (Call.TOKEN,),
        "4xx",
        (Said.OWN,),
        Refuses.CONNECTION,
        ClarusAuthError,
        remedy="Check the connection's login (client ID), password (client secret) and scope.",
    ),
    Row((Call.READ, *_REST), "401", (Said.OWN,), Refuses.CONNECTION, ClarusAuthError, remedy=_CREDENTIALS),
    Row(
        (Call.READ,),
        "403",
        (Said.OWN,),
        Refuses.CONNECTION,
        ClarusForbiddenError,
        remedy="The API user may not read this: check its permissions in Clarus, and the tenant.",
    ),
    Row(
        (Call.READ,),
        "404",
        (Said.OWN,),
        Refuses.CONNECTION,
        ClarusNotFoundError,
        remedy="Check the connection's tenant and host.",
    ),
    Row((Call.READ,), "4xx", (Said.OWN,), Refuses.QUESTION, ClarusRejectedError),
    Row(
        (Call.DOWNLOAD,),
        "403",
        (Said.OWN,),
        Refuses.SUBJECT,
        ClarusForbiddenError,
        remedy="Use the credentials of the document's owner, or give the API user the permission "
        "DocumentsDownload.",
    ),
    Row(
        (Call.DOWNLOAD,),
        "404",
        (Said.OWN,),
        Refuses.SUBJECT,
        ClarusNotFoundError,
        remedy="Check the document's id and the tenant; or it was deleted in Clarus.",
    ),
    Row(
        (Call.GENERATE,),
        "403",
        (Said.OWN,),
        Refuses.SUBJECT,
        ClarusForbiddenError,
        remedy="Only a report's owner may generate it; use the owner's credentials.",
    ),
    Row(
        (Call.GENERATE,),
        "404",
        (Said.OWN,),
        Refuses.SUBJECT,
        ClarusNotFoundError,
        remedy="Check the report's id and the tenant.",
    ),
    Row(
        (Call.OTHER,),
        "403",
        (Said.OWN,),
        Refuses.SUBJECT,
        ClarusForbiddenError,
        remedy="The API user may not do this.",
    ),
    Row(
        (Call.OTHER,),
        "404",
        (Said.OWN,),
        Refuses.SUBJECT,
        ClarusNotFoundError,
        remedy="Check the path and the tenant.",
    ),
    Row(_REST, "4xx", (Said.OWN, Said.INVALID), Refuses.SUBJECT, ClarusRejectedError),
    Row(_ALL, "", tuple(Said), *_LATER, may_have_acted=True),
)


def row_of(call: Call, status: int | None, said: Said) -> Row:
    """Return what one answer means."""
    return next(row for row in TABLE if row.fits(call, status, said))


def judge(call: Call, error: ClarusError, *, looks: int, seconds: float, ever_worked: bool) -> Verdict:
    """Return what follows from an error, and from how often it was met.

    :param looks: how often in a row this question was refused, this time included
    :param seconds: since the first time in that row
    :param ever_worked: whether anything was ever answered on this connection
    """
    refuses, patience = _refused(call, error, ever_worked)
    if patience is None:
        return Verdict.GO_ON
    if looks >= patience.looks and seconds >= patience.seconds:
        return Verdict.DOCUMENT_FAILED if refuses is Refuses.SUBJECT else Verdict.CONNECTION_FAILED
    return Verdict.ASK_DIFFERENTLY if refuses is Refuses.QUESTION else Verdict.GO_ON


def _refused(call: Call, error: ClarusError, ever_worked: bool) -> tuple[Refuses, Patience | None]:
    if isinstance(error, ClarusInputError | ClarusReportFailedError):
        return Refuses.SUBJECT, AT_ONCE
    if not isinstance(error, ClarusPermanentError) or _may_pass(error, ever_worked):
        return Refuses.NOTHING, None
    rows = (row for row in TABLE if call in row.calls and row.error is type(error))
    row = next(rows, None)
    if row is None:
        return Refuses.CONNECTION, PATIENCE[Refuses.CONNECTION] if call in READS else AT_ONCE
    return row.refuses, row.patience(call)


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
        if _refused(self.call, error, self.ever_worked)[1] is None:
            # "Not now" between two refusals: what Clarus has to say is still to come.
            self.looks = 0
            return Verdict.GO_ON
        if not self.looks or now < self.since:
            self.since = now
        self.looks, self.until = self.looks + 1, now
        return judge(
            self.call, error, looks=self.looks, seconds=now - self.since, ever_worked=self.ever_worked
        )

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


def is_own_error(call: Call, status: int, answer: Any) -> bool:
    """Tell whether a parsed body is an error as the API documents it (API page "Errors").

    ``{"errors": [{"code", "symbol", "details", …}]}``; a 401 is ``{"error": "…"}``, and so is whatever the
    token endpoint refuses (RFC 6749, 5.2).
    """
    if not isinstance(answer, Mapping):
        return False
    errors = answer.get("errors")
    if isinstance(errors, list) and errors:
        return all(isinstance(error, Mapping) and error.keys() & _DOCUMENTED for error in errors)
    return (status == 401 or call is Call.TOKEN) and isinstance(answer.get("error"), str)


_DOCUMENTED = {"code", "symbol", "details"}


def is_invalid_query(answer: Any) -> bool:
    """Tell whether GraphQL ``errors`` find the query invalid, before anything was executed.

    Such errors point into the query (``locations``), there is no ``data``, and no ``path`` into it (GraphQL
    specification, 7.1.2); graphql-ruby adds a path into the query, which begins with its operation.
    """
    if not isinstance(answer, Mapping) or answer.get("data") is not None:
        return False
    errors = answer.get("errors")
    return isinstance(errors, list) and bool(errors) and all(map(_points_into_the_query, errors))


def _points_into_the_query(error: Any) -> bool:
    if not isinstance(error, Mapping) or not error.get("locations"):
        return False
    path = error.get("path")
    return not path or (
        isinstance(path, list) and bool(re.match(r"(query|mutation|fragment)\b", str(path[0])))
    )


def is_untrusted(error: BaseException) -> bool:
    """Tell whether a certificate is at the bottom of an error; known by its class, not by its words."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that led to it; some libraries hand the cause on as an argument."""
    seen: set[int] = set()
    found = [error]
    while found:
        cause = found.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        found += [item for item in inner if isinstance(item, BaseException)]
