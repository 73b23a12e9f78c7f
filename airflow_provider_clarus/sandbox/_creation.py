# SPDX-License-Identifier: Apache-2.0
"""Check what ``POST /api/reports`` takes, by the API page."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException

REPORT_TYPES = ("single", "bar", "pie")


def new_report(body: Any) -> dict[str, Any]:
    """Return the attributes of a report that is to be made.

    :raises HTTPException: 422, for what is not as published
    """
    match body:
        case {"data": {"type": "reports", "attributes": dict(attributes)}}:
            pass
        case _:
            raise HTTPException(422, "The body must be a resource of the type reports.")
    _require(
        isinstance(attributes.get("name"), str) and 0 < len(attributes["name"]) <= 50, "Name is too long."
    )
    description = attributes.get("description") or ""
    _require(isinstance(description, str) and len(description) <= 500, "Description is too long.")
    _require(attributes.get("report_type") in REPORT_TYPES, "Report type is not included in the list.")
    _require(type(attributes.get("report_query_id")) is int, "Report query must exist.")
    path = attributes.get("source_path")
    _require(
        path is None or (isinstance(path, str) and path.startswith("data.")),
        "Source path must start with data.",
    )
    _texts(attributes.get("report_fields", []), {"name", "path"}, {"prefix", "suffix"})
    _texts(attributes.get("variables", []), {"name", "value"}, {"prompt", "operator"})
    return attributes


def _texts(entries: Any, required: set[str], optional: set[str]) -> None:
    _require(isinstance(entries, list), "Fields and variables must be lists.")
    for entry in entries:
        _require(
            isinstance(entry, dict) and required <= set(entry) <= required | optional, f"{entry!r} is odd."
        )
        _require(all(isinstance(text, str) for text in entry.values()), f"{entry!r} must be texts.")


def _require(condition: bool, words: str) -> None:
    if not condition:
        raise HTTPException(422, words)
