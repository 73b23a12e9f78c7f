# SPDX-License-Identifier: Apache-2.0
"""Tell what one answer means (a 409, a 503, none at all) by one table, for everybody who asks Clarus.

Nothing here has a network or a clock. One answer becomes a :class:`Row` of :data:`TABLE` (:func:`row_of`),
and the row an error of one class. What a *series* of such errors means is told by
:mod:`~airflow_provider_clarus.policy.patience`.
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
    ClarusNotFoundError,
    ClarusRejectedError,
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
    TEMPORARY = "a token endpoint's error that is its own, not the client's (RFC 6749, 4.1.2.1; 8628, 3.5)"
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
    Row((Call.TOKEN,), "4xx", (Said.TEMPORARY,), *_LATER),
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


def row_of_token(status: int, answer: Mapping[str, Any]) -> Row:
    """Return what the answer of a token endpoint means that is no token.

    Some say with a success that it is none.
    """
    if answer.get("error") in _TEMPORARY:
        said = Said.TEMPORARY
    else:
        said = Said.OWN if is_own_error(Call.TOKEN, status, answer) else Said.FOREIGN
    return row_of(Call.TOKEN, status if status >= 300 else 400, said)


_TEMPORARY = ("server_error", "temporarily_unavailable", "slow_down")


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
