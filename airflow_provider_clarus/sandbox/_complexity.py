# SPDX-License-Identifier: Apache-2.0
"""Count what a query costs by graphql-ruby's measure: one a field, times the page size *asked for*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

#: Of a list that is asked for without a size.
DEFAULT_PAGE = 100


def complexity(query: DocumentNode, variables: Mapping[str, Any]) -> int:
    """Return the cost of all operations of a query; fragments cost nothing here."""
    operations = (node for node in query.definitions if isinstance(node, OperationDefinitionNode))
    return sum(_cost(operation.selection_set, variables, 1) for operation in operations)


def _cost(selected: SelectionSetNode | None, variables: Mapping[str, Any], page: int) -> int:
    fields = [node for node in selected.selections if isinstance(node, FieldNode)] if selected else []
    return sum(_cost_of(field, variables, page) for field in fields)


def _cost_of(field: FieldNode, variables: Mapping[str, Any], page: int) -> int:
    if field.name.value in ("edges", "nodes"):
        return 1 + page * _cost(field.selection_set, variables, 1)
    return 1 + _cost(field.selection_set, variables, _page_size(field, variables))


def _page_size(field: FieldNode, variables: Mapping[str, Any]) -> int:
    value = next(
        (argument.value for argument in field.arguments or () if argument.name.value == "first"), None
    )
    if isinstance(value, IntValueNode):
        return int(value.value)
    asked = variables.get(value.name.value) if isinstance(value, VariableNode) else None
    return asked if isinstance(asked, int) else DEFAULT_PAGE
