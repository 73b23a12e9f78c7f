# SPDX-License-Identifier: Apache-2.0
"""Convert report variables (dates, moments, ids) to the list of strings that the API takes.

Times are sent as ISO 8601 with an offset, which the server's parser reads exactly. The naive form of the API
page's example is misread by some of its releases on days when the clocks change: it goes only to a connection
that asks for it, and only where it means one moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.variables.settle import refuse_none, shown

Value: TypeAlias = str | int | date | None  # a datetime is a date, too
Variables: TypeAlias = Mapping[str, Value | Sequence[Value]] | Sequence[Mapping[str, Any]] | None
VariableFormat: TypeAlias = Literal["iso", "precise", "naive"]

_UTC = ZoneInfo("UTC")
#: Python writes no longer integer, and no server reads this one.
_LARGEST = 10**4000


def to_api(
    variables: Variables,
    window: Mapping[str, datetime] | None = None,
    *,
    timezone: ZoneInfo = _UTC,
    variable_format: VariableFormat = "iso",
) -> list[dict[str, str]]:
    """Return ``variables`` and ``window`` in the form of ``POST /api/reports/{id}/generate``.

    :param variables: a mapping, in which a list repeats its name, or a list of ``{"name", "value"}``. A value
        is a ``str`` (sent as it is), an ``int``, a ``date`` (its first moment), an aware ``datetime`` in
        whole seconds, or ``None``: the value stored in the report stays.
    :param window: what :func:`~airflow_provider_clarus.variables.windows.interval_variables` answered; its
        names may not stand in ``variables`` too.
    :param timezone: the tenant's time zone.
    :param variable_format: ``iso`` is ``2024-03-31T00:00:00+00:00``, ``precise`` is
        ``2024-03-31T00:00:00.000000+00:00``, in UTC, ``naive`` is ``2024-03-31 00:00:00``.
    :raises ClarusInputError: for whatever would not certainly mean to the server what it means in the DAG.
    """
    window = window or {}
    given = list(_pairs(variables))
    for name, _ in given:
        if name in window:
            raise ClarusInputError(
                f"Variable {name!r} is in variables and in interval_variables; take it out of one of them."
            )
    return [
        {"name": name, "value": _text(name, value, timezone, variable_format)}
        for name, value in [*given, *window.items()]
        if value is not None
    ]


def _pairs(variables: Variables) -> Iterator[tuple[str, Any]]:
    """Yield name and value, once for each value of a list."""
    for name, value in _entries(variables):
        if not isinstance(name, str) or not name.strip():
            raise ClarusInputError(
                f"A variable's name is {shown(name)}; it must be a text that is not empty."
            )
        if not _is_list(value):
            yield name, value
        elif not value:
            # Left out, it would mean the stored value: every account, perhaps, where none was meant.
            raise ClarusInputError(
                f"Variable {name!r} is an empty list; give it a value, or None to leave the stored one."
            )
        else:
            for item in value:
                if item is None or _is_list(item):
                    raise ClarusInputError(
                        f"Variable {name!r} has {shown(item)} in its list, which may hold single values only."
                    )
                yield name, item


def _entries(variables: Variables) -> Iterator[tuple[Any, Any]]:
    if variables is None:
        return
    if isinstance(variables, Mapping):
        yield from variables.items()
        return
    if not _is_list(variables):
        raise ClarusInputError(
            f"variables is a {type(variables).__name__}; it must be a mapping or a list of name and value. "
            "If it is one template, set render_template_as_native_obj=True on the DAG."
        )
    for position, entry in enumerate(variables):
        if not isinstance(entry, Mapping) or set(entry) != {"name", "value"}:
            raise ClarusInputError(
                f"Entry {position} of variables is {shown(entry)}; it must be {{'name': …, 'value': …}}."
            )
        yield entry["name"], entry["value"]


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def _text(name: str, value: Any, zone: ZoneInfo, variable_format: VariableFormat) -> str:
    if isinstance(value, str):
        refuse_none(value, f"Variable {name!r}")
        return str.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return str(int(value))
    if not isinstance(value, date):
        raise ClarusInputError(
            f"Variable {name!r} is {shown(value)}; "
            "pass a str (written as the report expects it), an int, a date or an aware datetime."
        )
    try:
        if isinstance(value, datetime):
            moment = _checked(name, value, whole=variable_format != "precise")
        else:
            moment = _first_moment(name, value, zone)
        local = moment.astimezone(zone)
    except OverflowError as error:
        raise ClarusInputError(
            f"Variable {name!r} is {value!r}, which {zone.key}'s calendar cannot hold; pass a nearer date."
        ) from error
    if variable_format == "naive":
        if _is_ambiguous(local):
            raise ClarusInputError(
                f"Variable {name!r} is {local.isoformat()}, a time that comes twice in {zone.key}, because "
                "the clocks go back: the naive form cannot say which is meant. Set the connection's extra "
                "'variable_format' to 'iso'."
            )
        return local.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
    if variable_format == "precise":
        # Chronic reads no fraction before a negative offset.
        return local.astimezone(_UTC).isoformat(timespec="microseconds")
    if local.strftime("%z")[5:]:  # local mean time, before zones had whole minutes, is not in ISO 8601
        local = local.astimezone(_UTC)
    return local.isoformat(timespec="seconds")


def _checked(name: str, value: datetime, *, whole: bool) -> datetime:
    """Return ``value`` if it says one moment, in whole seconds if need be."""
    if value.utcoffset() is None:
        raise ClarusInputError(
            f"Variable {name!r} is {value.isoformat()}, without a time zone; say which one is meant, "
            "for example pendulum.instance(value, tz='Europe/London')."
        )
    if whole and value.microsecond:
        raise ClarusInputError(
            f"Variable {name!r} is {value.isoformat()}, but this connection sends whole seconds; round it as "
            "you mean it, for example value.replace(microsecond=0), or set the connection's extra "
            "'variable_format' to 'precise'."
        )
    _refuse_missing(name, value)
    return value


def _first_moment(name: str, day: date, zone: ZoneInfo) -> datetime:
    """Return the moment with which ``day`` begins.

    That is its midnight, the first one where the clocks go back to it, or the moment to which they go forward
    over it, as they do once a year in Cairo, Beirut and Havana.
    """
    first = datetime.combine(day, time(), zone).astimezone(_UTC).astimezone(zone)
    if first.date() != day:
        raise ClarusInputError(
            f"Variable {name!r} is {day.isoformat()}, a day that {zone.key} does not have, because its "
            f"calendar goes forward over it; pass one that exists, such as {first.date().isoformat()}."
        )
    return first


def _refuse_missing(name: str, moment: datetime) -> None:
    """Raise if the clocks of its own zone jump over ``moment``."""
    later = moment.astimezone(_UTC).astimezone(moment.tzinfo)
    if later.replace(tzinfo=None) != moment.replace(tzinfo=None):
        raise ClarusInputError(
            f"Variable {name!r} is {moment:%Y-%m-%d %H:%M:%S}, a time that {moment.tzinfo} does not have, "
            f"because the clocks go forward over it; pass one that exists, such as {later.isoformat()}."
        )


def _is_ambiguous(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
