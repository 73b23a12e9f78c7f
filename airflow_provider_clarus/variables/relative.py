# SPDX-License-Identifier: Apache-2.0
"""Recognize relative expressions, such as ``3 days ago``, and refuse them where they would be wrong.

The server reads them when it generates a report, counting from that moment. In a backfill, a catch-up, a
late or a cleared run that is not the moment that the run is for. They are not translated into dates here:
the server's dialect drops words that it does not know, so a translation would only pretend.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from airflow_provider_clarus.exceptions import ClarusInputError

_LATE = timedelta(days=1)

_MONTHS = (
    "january february march april may june july august september october november december "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
_KIND_OF_WORD = {
    word: kind
    for kind, words in {
        "moment": "today yesterday tomorrow",
        "now": "now tonight",
        "ago": "ago hence",
        "which": "this last next previous past",
        "edge": "start beginning end",
        "period": "second seconds sec secs minute minutes min mins hour hours hr hrs day days "
        "week weeks weekday weekdays weekend weekends fortnight fortnights month months quarter quarters "
        "year years morning afternoon evening night spring summer autumn fall winter",
        "weekday": "monday tuesday wednesday thursday friday saturday sunday "
        "mon tue tues wed thu thur thurs fri sat sun",
        "month": _MONTHS,
        "number": "a an one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
        "hundred thousand first third fourth fifth sixth seventh eighth ninth tenth",
        "clock": "noon midnight",
        # It tells nothing by itself: "Saturday AM" is what a delivery service is called.
        "half": "am pm",
        "of": "of",
        "in": "in",
        "filler": "the at on and from before after since until till by as for to between "
        "utc gmt z bst ist cet cest eet eest est edt cst cdt mst mdt pst pdt",
    }.items()
    for word in words.split()
}
_KIND_OF_FIGURES = {
    "absolute": re.compile(r"(19|20)\d\d"),
    "number": re.compile(r"\d+(st|nd|rd|th)?|(twen|thir|for|fif)ty-[a-z]+"),
    "clock": re.compile(r"\d{1,2}([:.]\d\d){1,2}(\.\d+)?(am|pm|z|[+-]\d\d:?\d\d)?|\d{1,2}(am|pm)"),
}
# What counts from now, in kinds of words. A weekday or a month alone may well be free text, and a year makes
# "start of january 2024" and "31 december 2024" absolute.
_STRONG = (
    r"moment|(number )+period ago|in (number )+period|which (number )*(period|weekday|month)|weekday clock"
    r"|edge of (period|weekday|month)(?!.* absolute)|(number month|month number)(?!.* absolute)"
)
_COUNTS_FROM_NOW = re.compile(rf"\b({_STRONG}|now)\b")
_MAY_COUNT_FROM_NOW = re.compile(rf"\b({_STRONG})\b")
# In a warehouse these are names of delivery services and of kinds of orders.
_SERVICE = re.compile(r"(?i:next day|last minute)\b.*|In \d+ [A-Z]\w*")

_NAMED_MONTH = rf"({_MONTHS.replace(' ', '|')})"
_ABSOLUTE = re.compile(
    rf"(\d{{4}}[-/]\d{{1,2}}[-/]\d{{1,2}}|\d{{8}}"
    rf"|\d{{1,2}}(st|nd|rd|th)? {_NAMED_MONTH},? \d{{4}}|{_NAMED_MONTH} \d{{1,2}}(st|nd|rd|th)?,? \d{{4}})"
    r"((t|,? | at )\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[ap]m)?( ?(z|utc|gmt|[+-]\d\d:?\d\d))?)?",
    re.IGNORECASE,
)


def is_absolute(value: str) -> bool:
    """Tell whether ``value`` certainly says one day or moment by itself: a date with its year, and a time."""
    return _ABSOLUTE.fullmatch(" ".join(value.split())) is not None


def is_relative(value: str) -> bool:
    """Tell whether the server would read ``value`` as a time that it counts from now.

    The whole of it consists of the vocabulary of the vendor's API page and of the parser behind it.
    """
    kinds = _kinds(value)
    return "" not in kinds and _COUNTS_FROM_NOW.search(_told(kinds)) is not None


def may_be_relative(value: str) -> bool:
    """Tell whether ``value`` counts from now where the server drops the words of it that it does not know.

    Free text may look like that, such as ``Today Ltd``.
    """
    return _MAY_COUNT_FROM_NOW.search(_told(_kinds(value))) is not None


def _kinds(value: str) -> list[str]:
    """Return the kind of each word, empty for a strange one."""
    if _SERVICE.fullmatch(" ".join(value.split())):
        return [""]
    words = (word.strip(".,;:!?()\"'`") for word in value.lower().replace(",", " ").split())
    return [_kind(word) for word in words if word]


def _told(kinds: Iterable[str]) -> str:
    return " ".join(kind for kind in kinds if kind not in ("", "filler"))


def _kind(word: str) -> str:
    figures = (kind for kind, pattern in _KIND_OF_FIGURES.items() if pattern.fullmatch(word))
    return _KIND_OF_WORD.get(word) or next(figures, "")


def check_relative(
    variables: Iterable[Mapping[str, str]],
    *,
    interval_start: datetime | None,
    interval_end: datetime | None,
    now: datetime,
    is_backfill: bool,
    allow: bool | Collection[str],
    types: Mapping[str, str] | None = None,
) -> list[str]:
    """Return a warning, to be logged, for each relative expression that a run may use.

    Where the report's types are known, its Date variables are judged, and strictly: what is not certainly
    absolute is relative. Where they are not, all words must be of the vocabulary for an expression to be
    refused; one among strange words is warned of in a late run.

    :param variables: what :func:`~airflow_provider_clarus.variables.values.to_api` answered.
    :param interval_start: ``data_interval_start`` of the run, ``None`` where it has none.
    :param interval_end: ``data_interval_end`` of the run, ``None`` where it has none.
    :param now: the moment from which the server will count, nearly enough.
    :param is_backfill: whether a backfill created the run.
    :param allow: the operator's ``allow_relative_variables``: nothing is refused, and nothing said, of these
        names, or of any.
    :param types: ``Date`` and others by the names that the report declares, ``None`` where nobody knows.
    :raises ClarusInputError: when the interval ended more than a day ago, or when a backfill has none.
    """
    if interval_start is None or interval_end is None:
        late = is_backfill
        interval = "this run has no data interval to compare that with"
        instead = "an absolute date, or give the run a logical date and use {{ data_interval_start | ts }}"
    else:
        ago = timedelta(seconds=int((now - interval_end).total_seconds()))
        late = now - interval_end > _LATE
        interval = (
            f"the data interval of this run, {interval_start.isoformat()} to {interval_end.isoformat()}, "
            + (f"ended {ago} ago" if ago >= timedelta() else "has not ended yet")
        )
        instead = "an absolute template, such as {{ data_interval_start | ts }}, or interval_variables"

    def told(variable: Mapping[str, str], counts: str) -> str:
        name = variable["name"]
        return (
            f"Variable {name!r} is {variable['value']!r}, which Clarus {counts} from the moment at which it "
            f"generates the report; {interval}. Use {instead}; allow_relative_variables=[{name!r}] lets it "
            "pass as it is."
        )

    certain, doubtful = [], []
    for variable in variables:
        name, value = variable["name"], variable["value"]
        if allow is True or (allow and name in allow):
            continue
        if types is not None and name in types:
            if types[name] == "Date" and not is_absolute(value):
                certain.append(told(variable, "counts"))
        elif is_relative(value):
            certain.append(told(variable, "counts"))
        elif late and may_be_relative(value):
            doubtful.append(told(variable, "may count"))
    if certain and late:
        raise ClarusInputError("\n".join(certain))
    return certain + doubtful
