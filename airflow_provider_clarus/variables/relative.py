# SPDX-License-Identifier: Apache-2.0
"""Relative expressions, such as ``3 days ago``: recognized, and refused where they would be wrong.

The server reads them when it generates a report, counting from that moment. In a backfill, a catch-up, a
late or a cleared run that is not the moment that the run is for. They are not translated into dates here:
the server's dialect drops words that it does not know, so a translation would only pretend.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from airflow_provider_clarus.exceptions import ClarusInputError

_LATE = timedelta(days=1)

_KIND_OF_WORD = {
    word: kind
    for kind, words in {
        "moment": "today yesterday tomorrow tonight now",
        "ago": "ago hence",
        "which": "this last next",
        "edge": "start beginning end",
        "period": "second seconds sec secs minute minutes min mins hour hours hr hrs day days "
        "week weeks weekday weekdays weekend weekends fortnight fortnights month months quarter quarters "
        "year years morning afternoon evening night",
        "name": "monday tuesday wednesday thursday friday saturday sunday "
        "mon tue tues wed thu thur thurs fri sat sun "
        "january february march april may june july august september october november december "
        "jan feb mar apr jun jul aug sep sept oct nov dec",
        "number": "a an one two three four five six seven eight nine ten eleven twelve",
        "clock": "noon midnight am pm utc gmt",
        "of": "of",
        "in": "in",
        "filler": "the at on and from before after",
    }.items()
    for word in words.split()
}
_KIND_OF_FIGURES = {
    "absolute": re.compile(r"(19|20)\d\d"),
    "number": re.compile(r"\d+(st|nd|rd|th)?"),
    "clock": re.compile(r"\d{1,2}(:\d\d){1,2}(\.\d+)?(am|pm|z|[+-]\d\d:?\d\d)?|\d{1,2}(am|pm)"),
}
# What counts from now, in kinds of words. A weekday or a month alone may well be free text, and a year makes
# "start of january 2024" absolute.
_COUNTS_FROM_NOW = re.compile(
    r"\b(moment|number period ago|in number period|which (number )?(period|name)|name clock"
    r"|edge of (period|name)(?!.* absolute))\b"
)
# In a warehouse these are names of delivery services and of kinds of orders.
_SERVICES = ("next day", "last minute")


def is_relative(value: str) -> bool:
    """Tell whether the server would read ``value`` as a time that it counts from now.

    The whole of it must consist of the vocabulary of the vendor's API page and of the parser behind it: one
    other word makes it free text.
    """
    words = value.lower().replace(",", " ").split()
    if " ".join(words).startswith(_SERVICES):
        return False
    kinds = [_kind(word) for word in words]
    told = " ".join(kind for kind in kinds if kind != "filler")
    return "" not in kinds and _COUNTS_FROM_NOW.search(told) is not None


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
    allow: bool,
) -> list[str]:
    """Return a warning, to be logged, for each relative expression that a run in time may use.

    :param variables: what :func:`~airflow_provider_clarus.variables.values.to_api` answered.
    :param interval_start: ``data_interval_start`` of the run, ``None`` where it has none.
    :param interval_end: ``data_interval_end`` of the run, ``None`` where it has none.
    :param now: the moment from which the server will count, nearly enough.
    :param is_backfill: whether a backfill created the run.
    :param allow: the operator's ``allow_relative_variables``: nothing is refused, and nothing said.
    :raises ClarusInputError: when the interval ended more than a day ago, or when a backfill has none.
    """
    if interval_start is None or interval_end is None:
        refused = is_backfill
        interval = "this run has no data interval to compare that with"
        instead = "an absolute date, or give the run a logical date and use {{ data_interval_start | ts }}"
    else:
        ago = timedelta(seconds=int((now - interval_end).total_seconds()))
        refused = now - interval_end > _LATE
        interval = (
            f"the data interval of this run, {interval_start.isoformat()} to {interval_end.isoformat()}, "
            + (f"ended {ago} ago" if ago >= timedelta() else "has not ended yet")
        )
        instead = "an absolute template, such as {{ data_interval_start | ts }}, or interval_variables"
    told = [
        f"Variable {variable['name']!r} is {variable['value']!r}, which Clarus counts from the moment at "
        f"which it generates the report; {interval}. Use {instead}; "
        "allow_relative_variables=True lets it pass as it is."
        for variable in variables
        if not allow and is_relative(variable["value"])
    ]
    if told and refused:
        raise ClarusInputError("\n".join(told))
    return told
