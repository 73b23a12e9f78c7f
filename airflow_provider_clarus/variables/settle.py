# SPDX-License-Identifier: Apache-2.0
"""Settle each argument of a DAG once, as the plain value that it means, or raise an error.

An operator calls these first, before anything is sent. An argument may be a plain value, a template's text,
what a native template made, an XCom, or a mapped value; what nobody has resolved is refused by its name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from numbers import Integral, Real
from os import PathLike
from typing import Any

from airflow_provider_clarus.exceptions import ClarusInputError

#: What counts as true and as false, in an argument as in the connection.
FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

#: Seconds: nobody is asked more often, whatever a DAG says.
SHORTEST_INTERVAL = 1.0
#: Seconds: the longest time that an argument can mean, which is a leap year.
LONGEST = 366 * 86400.0

_LONGEST_SHOWN = 200
# A word of its own: after `@` or `/`, in `day=None`, or in `stock-None.csv`.
_NONE_AS_WORD = re.compile(r"(?<![^\W_])None(?![^\W_])")
_NONE_REMEDY = (
    " A template makes this text of a value that is missing: give it a default, such as "
    "{{ params.x or 'all' }}; or pass the value itself, as an XComArg, or with "
    "render_template_as_native_obj=True on the DAG."
)


def seconds(value: Any, name: str, *, at_most: float = LONGEST) -> float:
    """Return a time in seconds, given as a number, as a number's text or as a ``timedelta``.

    :param at_most: the most seconds that make sense
    :raises ClarusInputError: when it is none of them, negative, not finite, or more than that
    """
    found = math.nan
    if isinstance(value, timedelta):
        found = value.total_seconds()
    elif isinstance(value, Real | str) and not isinstance(value, bool):
        try:
            found = float(_plain(value))
        except (ValueError, OverflowError):
            found = math.nan
    if not 0 <= found <= at_most:
        raise refused(name, value, f"seconds, from 0 to {at_most:.0f}: a number, its text, or a timedelta")
    return found


def interval(value: Any, name: str) -> float:
    """Return the seconds between two looks, which are at least :data:`SHORTEST_INTERVAL`.

    :raises ClarusInputError: as :func:`seconds`
    """
    return max(SHORTEST_INTERVAL, seconds(value, name))


def flag(value: Any, name: str) -> bool:
    """Return a ``bool``, given as one or as one of the words that the connection takes.

    :raises ClarusInputError: for whatever else; that it is not empty does not make it true
    """
    word = _plain(value).strip().lower() if isinstance(value, int | str) else ""
    if word not in FLAGS:
        raise refused(name, value, f"True or False, or one of the words {', '.join(FLAGS)}")
    return FLAGS[word]


def flag_or_names(value: Any, name: str) -> bool | frozenset[str]:
    """Return a flag that can be raised for some names alone, given as a flag or as a list of them.

    :raises ClarusInputError: for whatever else
    """
    if not isinstance(value, Collection) or isinstance(value, str | bytes | Mapping):
        return flag(value, name)
    if not all(isinstance(item, str) and item.strip() for item in value):
        raise refused(name, value, "True or False, or a list of names")
    return frozenset(_plain(item) for item in value)


def choice(value: Any, name: str, choices: Collection[str]) -> str:
    """Return one of ``choices``.

    :raises ClarusInputError: when it is none of them
    """
    found = _plain(value).strip() if isinstance(value, str) else ""
    if found not in choices:
        raise refused(name, value, f"one of {', '.join(map(repr, choices))}")
    return found


def text(value: Any, name: str) -> str:
    """Return a name, such as a connection's id, without the spaces around it.

    :raises ClarusInputError: when it is empty, or the text ``None``, or neither text nor (as native templates
        make it of figures) an ``int``
    """
    is_number = isinstance(value, Integral) and not isinstance(value, bool)
    found = _plain(value).strip() if isinstance(value, str) or is_number else ""
    if found in ("", "None"):
        raise refused(name, value, "a text that is not empty")
    return found


def tenant(value: Any, name: str = "subdomain") -> str | None:
    """Return the tenant that is asked, ``None`` for the connection's own.

    :raises ClarusInputError: when it renders empty: it would silently mean another tenant than the one meant
    """
    if value is None:
        return None
    try:
        return text(value, name)
    except ClarusInputError as error:
        raise ClarusInputError(
            f"{error} Pass None to mean the connection's own tenant, or leave it out."
        ) from None


def positive_id(value: Any, name: str) -> int:
    """Return a report's or document's id as an integer.

    :raises ClarusInputError: when it is none
    """
    found = _plain(value).strip() if isinstance(value, Integral | str) else ""
    # Clarus counts in 64 bits, as Airflow's processes do.
    if not re.fullmatch("[1-9][0-9]{0,18}", found) or int(found) >= 2**63:
        raise refused(name, value, "a positive integer, as Clarus shows it")
    return int(found)


def report(report_id: Any, report_name: Any) -> int | str:
    """Return the report as a task names it: its id, or its whole name.

    :raises ClarusInputError: when it is named in none of the two ways, or in both
    """
    if (report_id is None) is (report_name is None):
        given = "both" if report_id is not None else "neither"
        raise ClarusInputError(f"Of report_id and report_name, {given} is given; pass one of them.")
    if report_name is None:
        return positive_id(report_id, "report_id")
    # As native templates make it of figures.
    is_number = isinstance(report_name, Integral) and not isinstance(report_name, bool)
    found = _plain(report_name) if isinstance(report_name, str) or is_number else ""
    if found.strip() in ("", "None"):
        raise refused("report_name", report_name, "a report's whole name")
    return found


def destination(value: Any, name: str = "destination") -> str:
    """Return a destination's URI, given as a text or as an ``ObjectStoragePath``.

    :raises ClarusInputError: when it is neither, or has the text ``None`` in it as a word
    """
    if isinstance(value, str):
        found = _plain(value)
    # By name: to import the class would load the libraries of all storages.
    elif any(base.__name__ == "ObjectStoragePath" for base in type(value).__mro__):
        found = str(value)
        found = found if "://" in found else f"file://{found}"
        if options := dict(value.storage_options).keys() - {"conn_id"}:
            raise refused(name, value, f"without {', '.join(sorted(options))}: enter them in its connection")
    elif isinstance(value, PathLike):
        raise refused(name, value, "a URI or an ObjectStoragePath: a file's is file:///folder/name")
    else:
        raise refused(
            name, value, "a URI, such as s3://aws_default@bucket/stock.csv, or an ObjectStoragePath"
        )
    if not found.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in found):
        raise refused(name, value, "a text that UTF-8 can hold")
    if _NONE_AS_WORD.search(found):
        raise ClarusInputError(f"{name} is {found!r}, with None in it.{_NONE_REMEDY}")
    return found


def mapping(value: Any, name: str) -> dict[str, Any]:
    """Return names and values; an empty dictionary when none is passed.

    :raises ClarusInputError: when it is no mapping, or has a name that is no text, or what JSON cannot hold
    """
    if value is None:
        return {}
    expected = "a mapping of names to values"
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise refused(name, value, expected)
    try:
        written = json.dumps(dict(value), default=_json, allow_nan=False, ensure_ascii=False)
        return dict(json.loads(written.encode()))
    except (TypeError, ValueError, RecursionError):
        raise refused(name, value, f"{expected}, each of which JSON can hold") from None


def texts(value: Any, name: str) -> dict[str, str]:
    """Return names and texts, without those that are ``None``, which is not passed.

    :raises ClarusInputError: as :func:`mapping`, when a text is ``None``, or a value has no plain text
    """
    found = {}
    for key, item in mapping(value, name).items():
        if isinstance(item, dict | list):
            raise refused(f"{name}[{key!r}]", item, "a text, a number, a flag or a date")
        if item is not None:
            found[key] = _plain(item)
            refuse_none(found[key], f"{name}[{key!r}]")
    return found


def two_names(value: Any, name: str) -> tuple[str, str]:
    """Return two names that are not the same, in the order in which they are given.

    :raises ClarusInputError: for whatever else; a set, for one, has no order
    """
    given = list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else []
    names = [_plain(given_name) for given_name in given if isinstance(given_name, str) and given_name.strip()]
    if len(given) == len(names) == len(set(names)) == 2:
        for found in names:
            refuse_none(found, name)
        return names[0], names[1]
    raise refused(name, value, "two names in their order, such as ('date_from', 'date_to')")


def refuse_none(value: str, name: str) -> None:
    """Raise if a text that would be sent is ``None``.

    :raises ClarusInputError: with what to do instead
    """
    if value.strip() == "None":
        raise ClarusInputError(f"{name} is the text 'None'.{_NONE_REMEDY}")


def refused(name: str, value: Any, expected: str) -> ClarusInputError:
    """Return the error that says what an argument is, and what it must be."""
    return ClarusInputError(f"{name} is {shown(value)}; it must be {expected}.{_hint(value)}")


def shown(value: Any) -> str:
    """Return how an error shows a value, whatever it is: shortened, and with its type."""
    try:
        text = repr(value)
    except Exception:
        text = ""
    kind = "" if value is None or isinstance(value, str | Real) else f", a {type(value).__name__}"
    return f"{text[:_LONGEST_SHOWN] or 'what cannot be shown'}{kind}"


def _plain(value: Any) -> str:
    """Return a value's text: that of an enumeration's member is what it holds, and not its name.

    Python writes no integer of thousands of digits, which means nothing here: its text is empty.
    """
    try:
        return str.__str__(value) if isinstance(value, str) else str(value)
    except ValueError:
        return ""


def _json(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    raise TypeError


def _hint(value: Any) -> str:
    if isinstance(value, str):
        if value.strip() == "None":
            return _NONE_REMEDY
        return " It is a template that nobody has rendered." if "{{" in value else ""
    if callable(getattr(value, "resolve", None)) and not isinstance(value, PathLike):
        return " Airflow has not resolved it: hand it over as the argument itself, in no other object."
    return ""
