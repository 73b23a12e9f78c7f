# SPDX-License-Identifier: Apache-2.0
"""Check variables against what a report's query declares: names, and what each type takes.

Clarus is not known to refuse a name that a report does not declare: it may ignore it, and answer with the
window that is stored in the report. So it is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.variables.relative import is_absolute, is_relative

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIGURES = re.compile(
    r"([0-9]{4})[-/]?([0-9]{1,2})[-/]?([0-9]{1,2})(?:[tT ,]+(?:at )?([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?)?"
)
#: The types whose values are judged.
JUDGED = ("Integer", "Date", "String")
#: Names that a message suggests.
SUGGESTIONS = 3
#: Names that a message lists.
LISTED = 30


def check_declared(
    variables: Sequence[Mapping[str, str]], declared: Mapping[str, str], report: str
) -> list[str]:
    """Return what is worth a warning in variables that a report takes.

    :param variables: what :func:`~airflow_provider_clarus.variables.values.to_api` answered
    :param declared: ``Integer``, ``Date``, ``String`` or another type, by the names of the variables. Of
        another type only the name is checked.
    :param report: for the messages, such as ``report 7 in tenant 'acme'``
    :raises ClarusInputError: with all that is wrong
    """
    wrong, warnings = [], []
    for variable in variables:
        name, value = variable["name"], variable["value"]
        if name not in declared:
            known = ", ".join(f"{other} ({kind})" for other, kind in list(declared.items())[:LISTED])
            wrong.append(
                f"Variable {name!r} is not declared by {report}: {nearest(name, declared)} "
                f"It declares {known or 'none'}."
            )
        elif declared[name] == "Integer" and not re.fullmatch("[0-9]+", value):
            wrong.append(f"Variable {name!r} is {value!r}, but {report} declares an Integer: digits only.")
        elif declared[name] == "Date" and not (_is_in_the_calendar(value) or is_relative(value)):
            wrong.append(
                f"Variable {name!r} is {value!r}, but {report} declares a Date: pass a date, a datetime, "
                "a text such as 2024-01-31T00:00:00+00:00, or an expression such as 3 days ago."
            )
        elif declared[name] == "Date" and _DAY.fullmatch(value):
            warnings.append(
                f"Variable {name!r} is {value!r}, which Clarus reads as its noon; pass a date for its "
                f"midnight, or {value}T00:00:00 and an offset."
            )
    if wrong:
        raise ClarusInputError(
            "\n".join([*wrong, "Nothing was sent. check_variables=False sends it unchecked."])
        )
    return warnings


def _is_in_the_calendar(value: str) -> bool:
    """Tell whether ``value`` is a day, or a moment, that there is."""
    figures = _FIGURES.match(value.strip())
    try:
        if figures:
            datetime(*(int(figure or 0) for figure in figures.groups()))  # type: ignore[arg-type]
    except ValueError:
        return False
    return is_absolute(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests the names that may be meant.

    :param known: all names that there are
    """
    names = list(dict.fromkeys(known))
    for difference, plain in _DIFFERENCES.items():
        same = [repr(other) for other in names if plain(other) == plain(name)]
        if same:
            return f"did you mean {' or '.join(same[:SUGGESTIONS])}, which differs by {difference}?"
    folded = {other.casefold(): other for other in names}
    wanted = name.casefold().strip()
    close = get_close_matches(wanted, folded, SUGGESTIONS)
    close = [
        repr(folded[other]) for other in close or [other for other in folded if wanted and wanted in other]
    ]
    if close:
        return f"did you mean {' or '.join(close[:SUGGESTIONS])}?"
    return "no other is like it." if names else "there is none at all."


_DIFFERENCES: dict[str, Callable[[str], str]] = {
    "case": str.casefold,
    "spaces": lambda name: "".join(name.split()),
    "case and spaces": lambda name: "".join(name.casefold().split()),
}
