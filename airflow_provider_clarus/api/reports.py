# SPDX-License-Identifier: Apache-2.0
"""Parse reports and their queries as the lists show them, and build a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_clarus.api._declarations import declared_variables
from airflow_provider_clarus.exceptions import ClarusInputError, ClarusTransientError
from airflow_provider_clarus.http.responses import documented_shape
from airflow_provider_clarus.variables.settle import positive_id

REPORT_TYPES = ("single", "bar", "pie")
NAME_LENGTH = 50
DESCRIPTION_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Report:
    """A report's definition, as far as the API shows it."""

    id: int
    name: str
    description: str | None = None
    report_type: str | None = None
    query_name: str | None = None
    """``None`` where the report's query was deleted."""
    variables: Mapping[str, str] | None = None
    """``Integer``, ``Date`` or ``String`` by the declared names; another type as it is declared, ``unknown``
    where the query's text does not parse. ``None`` where there is nothing to read."""
    query_id: int | None = None
    source_path: str | None = None

    @classmethod
    def from_graphql(cls, node: Mapping[str, Any]) -> Report:
        """Parse a ``reports.all`` node, whose ids are strings."""
        query = node["report_query"] or {}
        return cls(
            id=positive_id(node["id"], "id"),
            name=_text(node["name"]) or "",
            description=_text(node["description"]),
            report_type=_text(node["report_type"]),
            query_name=_text(query.get("name")),
            variables=_variables(query.get("graphql")),
            query_id=positive_id(query["id"], "report_query.id") if query else None,
            source_path=_text(node["source_path"]),
        )

    @classmethod
    def from_rest(cls, resource: Mapping[str, Any]) -> Report:
        """Parse a JSON:API resource, as ``POST /api/reports`` answers it."""
        attributes = resource["attributes"]
        return cls(
            id=positive_id(resource["id"], "id"),
            name=_text(attributes["name"]) or "",
            description=_text(attributes.get("description")),
            report_type=_text(attributes.get("report_type")),
            query_id=positive_id(attributes["report_query_id"], "report_query_id"),
            source_path=_text(attributes.get("source_path")),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """What a report asks: shared by a tenant, unlike the reports that are made of it."""

    id: int
    name: str
    description: str | None
    graphql: str | None

    @classmethod
    def from_graphql(cls, node: Mapping[str, Any]) -> ReportQuery:
        """Parse a ``report_queries.all`` node, whose id is a string."""
        return cls(
            id=positive_id(node["id"], "id"),
            name=_text(node["name"]) or "",
            description=_text(node["description"]),
            graphql=_text(node["graphql"]),
        )

    @property
    def variables(self) -> Mapping[str, str] | None:
        """The variables that it declares, as in :class:`Report`."""
        return _variables(self.graphql)


def create_report(
    run: Callable[[str, str, Any], Any],
    tenant: str,
    *,
    name: str,
    report_query_id: int,
    report_type: str = "single",
    source_path: str | None = None,
    report_fields: Sequence[Mapping[str, str]] = (),
    variables: Sequence[Mapping[str, str]] = (),
    description: str | None = None,
) -> Report:
    """Make a report, which then belongs to the user of the connection (API page "Create a report").

    :param run: calls a path of the API once, and returns its JSON
    :param name: at most 50 characters
    :param report_query_id: what it asks; report queries are shared by a tenant
    :param report_type: ``single`` (a table), ``bar`` or ``pie``
    :param source_path: where its rows are in the answer, such as ``data.stocks.all.edges``
    :param report_fields: its columns, ``{"name", "path", "prefix"?, "suffix"?}`` each
    :param variables: what it stores, ``{"name", "value", "prompt"?, "operator"?}`` each
    :param description: at most 500 characters
    :raises ClarusInputError: before anything is sent, for what the API page does not take
    :raises ClarusRejectedError: when the server refuses it
    """
    attributes = {
        "name": _bounded("name", name, NAME_LENGTH),
        "description": description and _bounded("description", description, DESCRIPTION_LENGTH),
        "report_type": report_type,
        "report_query_id": positive_id(report_query_id, "report_query_id"),
        "source_path": source_path,
        "report_fields": [
            _entry("report_fields", entry, ("name", "path"), ("prefix", "suffix")) for entry in report_fields
        ],
        "variables": [
            _entry("variables", entry, ("name", "value"), ("prompt", "operator")) for entry in variables
        ],
    }
    if report_type not in REPORT_TYPES:
        raise ClarusInputError(
            f"report_type is {report_type!r}; it must be one of {', '.join(REPORT_TYPES)}."
        )
    if source_path is not None and not source_path.startswith("data."):
        raise ClarusInputError(f"source_path is {source_path!r}; it must begin with 'data.'.")
    sent = {field: value for field, value in attributes.items() if value not in (None, [])}
    doing = f"make report {name!r} in tenant {tenant!r}"
    try:
        answer = run("POST", "/api/reports", {"data": {"type": "reports", "attributes": sent}})
        with documented_shape(doing, answer):
            return Report.from_rest(answer["data"])
    except ClarusTransientError as error:
        if not error.may_have_acted:
            raise
        raise error.copy(
            f"{error} The report may have been made all the same: look for it by name."
        ) from error


def _bounded(field: str, text: Any, length: int) -> str:
    if not isinstance(text, str) or not text.strip() or len(text) > length:
        raise ClarusInputError(f"{field} is {text!r}; it must be a text of 1 to {length} characters.")
    return text


def _entry(
    field: str, entry: Mapping[str, Any], required: Sequence[str], optional: Sequence[str]
) -> dict[str, str]:
    texts = isinstance(entry, Mapping) and all(isinstance(value, str) for value in entry.values())
    if not texts or not set(required) <= set(entry) <= {*required, *optional}:
        raise ClarusInputError(
            f"{field} has {entry!r}; an entry has the texts {' and '.join(required)}, and may have "
            f"{' and '.join(optional)}."
        )
    return dict(entry)


def _text(value: Any) -> str | None:
    if not isinstance(value, str | None):
        raise TypeError(f"{value!r} is no text")
    return value


def _variables(query_text: Any) -> dict[str, str] | None:
    text = _text(query_text)
    return None if text is None else declared_variables(text)
