# SPDX-License-Identifier: Apache-2.0
"""Apply the filters of GraphQL's lists: ``{"status": {"in": ["queued"]}, "id": {"gt": "5"}}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from graphql import GraphQLError

Node = dict[str, Any]


def matching(nodes: Iterable[Node], conditions: Mapping[str, Mapping[str, Any] | None]) -> Iterable[Node]:
    """Return the nodes that meet all conditions; ``null`` is no condition."""
    tests = [
        (name, _OPERATORS[operator], _comparable(name, operand))
        for name, operators in conditions.items()
        for operator, operand in (operators or {}).items()
        if operand is not None
    ]
    if not tests:
        return nodes
    return (
        node
        for node in nodes
        if all(test(_comparable(name, node[name]), operand) for name, test, operand in tests)
    )


def _comparable(name: str, value: Any) -> Any:
    """Return a value, or the values of a list, as what its kind is compared by."""
    if isinstance(value, list):
        return [_comparable(name, item) for item in value]
    if isinstance(value, str) and name.split("_")[-1] == "id":
        return int(value) if value.isdecimal() else -1
    if isinstance(value, str) and name.endswith("_at"):
        try:
            time = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            raise GraphQLError(f"{value!r} is no ISO 8601 datetime.") from None
        return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    return value


def _like(value: str | None, pattern: str, flags: int = 0) -> bool:
    """SQL's LIKE: ``%`` is any text, ``_`` any character."""
    parts = (".*" if char == "%" else "." if char == "_" else re.escape(char) for char in pattern)
    return value is not None and re.fullmatch("".join(parts), value, flags | re.DOTALL) is not None


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, operand: bool(value == operand),
    "in": lambda value, operand: value in operand,
    "gt": lambda value, operand: value > operand,
    "gteq": lambda value, operand: value >= operand,
    "lt": lambda value, operand: value < operand,
    "lteq": lambda value, operand: value <= operand,
    "filled": lambda value, operand: (value is not None) == operand,
    "from": lambda value, operand: value >= operand,
    "to": lambda value, operand: value <= operand,
    "between": lambda value, operand: value is not None and operand[0] <= value <= operand[-1],
    "like": _like,
    "ilike": lambda value, operand: _like(value, operand, re.IGNORECASE),
}
