# SPDX-License-Identifier: Apache-2.0
"""Hold OpenLineage's events to its spec, as ``openlineage-python`` builds it: JSON schemas of its classes."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import types
import typing
from collections.abc import Iterator
from enum import Enum
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import attr
import jsonschema
from openlineage.client import generated
from openlineage.client.generated import base
from openlineage.client.serde import Serde
from referencing import Registry, Resource

_BASE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
#: Those of which the spec says that they may have more properties than it names.
_OPEN = (base.BaseFacet,)
#: Whose properties the spec requires, and the classes fill in by themselves.
_FILLED_IN = {"_producer", "_schemaURL", "producer", "schemaURL"}

FORMATS = jsonschema.FormatChecker()


@FORMATS.checks("uri")
def _is_uri(value: Any) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and urlsplit(value).netloc)


def check_event(event: dict[str, Any]) -> None:
    """Raise where a run's event, as it is written, is not what the spec says, its facets included."""
    _check(event, schema_of(base.RunEvent))
    for place, facet in _facets(event):
        check_facet(facet, place)


def check_facet(facet: dict[str, Any], place: str) -> None:
    """Raise where a facet is not what the schema says that it names."""
    known = _classes().get(facet["_schemaURL"])
    if known:
        _check(facet, schema_of(known))
    elif "clarus" in place:
        _check(facet, {"$ref": facet["_schemaURL"]})
    else:
        _check(facet, schema_of(base.BaseFacet))


def as_written(thing: Any) -> Any:
    """Return a facet or an event as a transport writes it."""
    return json.loads(Serde.to_json(thing))


def _check(value: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema, registry=_registry(), format_checker=FORMATS).validate(value)


def _facets(value: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        if "_schemaURL" in value:
            yield place, value
        for name, inner in value.items():
            yield from _facets(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _facets(inner, place)


def _classes() -> dict[str, type]:
    """Return the classes of the facets that the spec has, by their schemas' addresses."""
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for one in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            if isinstance(one, type) and issubclass(one, base.BaseFacet):
                found[one._get_schema()] = one
    return found


def _registry() -> Registry[Any]:
    own = json.loads(files("airflow_provider_clarus.lineage").joinpath("facets.json").read_text())
    spec = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _BASE,
        "$defs": {one.__name__: schema_of(one) for one in (base.RunFacet, base.DatasetFacet)},
    }
    resources = [(one["$id"], Resource.from_contents(one)) for one in (own, spec)]
    return Registry().with_resources(resources)


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a type of ``openlineage-python``."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return {}
    if origin in (types.UnionType, typing.Union):
        # What is None is left out when it is written.
        return {"anyOf": [schema_of(one) for one in arguments if one is not type(None)]}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if attr.has(kind):
        return _schema_of_class(kind)
    if issubclass(kind, Enum):
        return {"enum": [one.value for one in kind]}
    return {"type": {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object"}[kind]}


def _schema_of_class(kind: type) -> dict[str, Any]:
    if issubclass(kind, schema_facet_fields()):
        # It is made of itself.
        return {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    hints: dict[str, Any] = {}
    for one in reversed(kind.__mro__[:-1]):
        hints |= typing.get_type_hints(one, {**vars(typing), **vars(sys.modules[one.__module__])})
    fields = {field.name: field for field in attr.fields(kind)}  # type: ignore[arg-type]
    properties = {name: schema_of(hints[name]) for name in fields}
    for name in _FILLED_IN & properties.keys():
        properties[name]["format"] = "uri"
    if "eventTime" in properties:
        properties["eventTime"]["format"] = "date-time"
    if "runId" in properties:
        properties["runId"]["format"] = "uuid"
    required = [n for n, field in fields.items() if field.default is attr.NOTHING or n in _FILLED_IN]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": issubclass(kind, _OPEN),
    }


def schema_facet_fields() -> type:
    from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields

    return SchemaDatasetFacetFields
