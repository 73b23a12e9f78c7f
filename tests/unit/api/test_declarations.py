# SPDX-License-Identifier: Apache-2.0
"""The variables of a report query's text, held against graphql-core's parser."""

from __future__ import annotations

import pytest
from graphql import GraphQLSyntaxError, OperationDefinitionNode, parse, print_ast
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_clarus.api._declarations import declared_variables

# The example of the API page, whose selection is cut short there.
PUBLISHED = "query getTasks($warehouse_id: ID, $created_at_from: Chronic, $note: String) {…}"


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        (PUBLISHED, {"warehouse_id": "Integer", "created_at_from": "Date", "note": "String"}),
        ("query { stock_balances { all { edges { node { id } } } } }", {}),
        ("{ tasks(first: 1) { id } }", {}),
        ("query q { a(b: $c) }", {}),
        ("query q($a: ID!, $b: Chronic! = \"today\") { x }", {"a": "Integer", "b": "Date"}),
        ("query q($a: [ID!]!, $b: Boolean, $c: StockInput, $d: [[Chronic]]) { x }",
         {"a": "[ID!]!", "b": "Boolean", "c": "StockInput", "d": "[[Chronic]]"}),
        ('query q($a: In = {x: [1, "$z ) {"], y: ON}, $b: Float = -1.5e3, # $no: ID)\n $c: String) { t }',
         {"a": "In", "b": "Float", "c": "String"}),
        ('query q($a: ID @old(why: "x) $y: ID", n: [1]), $b: String) @cached(s: 1) { t }',
         {"a": "Integer", "b": "String"}),
        ('"""of $x: ID""" query q("""the \\""" $y: ID""" $a: ID, "one" $b: String) { t }',
         {"a": "Integer", "b": "String"}),
        ("fragment F on Task { query } query q($a: ID) { ...F }", {"a": "Integer"}),
        ("query a($x: ID, $y: ID) { t } query b($x: ID!, $y: Chronic, $z: String) { t }",
         {"x": "Integer", "y": "unknown", "z": "String"}),
        ("query q($query: String, $on: ID) { query(on: $on) }", {"query": "String", "on": "Integer"}),
        ("\ufeffquery q(\r\n\t$a : ID ,,, $b:String\n) { x", {"a": "Integer", "b": "String"}),
    ],
)  # fmt: skip
def test_definitions(text: str, declared: dict[str, str]) -> None:
    assert declared_variables(text) == declared


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("query q($a ID, $b: Chronic) { x }", {"a", "b"}),
        ("query q($a: ID", {"a"}),
        ("query q($a: [ID) { x(a: $a, c: $c, d: \"$no\") } # $no", {"a", "c"}),
        ("query q($a: ID = $b) { x }", {"a", "b"}),
        ("query ~ q($a: ID) { x }", {"a"}),
        ("query \"open ($a: ID)", {"a"}),
    ],
)  # fmt: skip
def test_of_a_text_that_does_not_parse_the_names_are_known(text: str, mentioned: set[str]) -> None:
    assert declared_variables(text) == dict.fromkeys(mentioned, "unknown")


@pytest.mark.parametrize("text", ["", "  ", "stock by location", "query", "$", '"""'])
def test_what_is_no_query_tells_nothing(text: str) -> None:
    assert declared_variables(text) is None


NAMES = st.from_regex(r"[_A-Za-z][_0-9A-Za-z]{0,8}", fullmatch=True)
TYPES = st.recursive(
    st.sampled_from(["ID", "Chronic", "String", "Boolean", "TaskInput"]),
    lambda inner: st.builds("[{}{}]".format, inner, st.sampled_from(["", "!"])),
    max_leaves=4,
)
VALUES = st.sampled_from(
    ["", "= 1", "= -1.5", '= "$x: ID)"', "= [1, {a: B}]", '= """$y: ID) "" """', "= null", "= {}", "= ON"]
)
EXTRAS = st.sampled_from(["", "# $no: ID)\n", "@d", '@d(a: "$n", b: [1])', ", ,"])
DEFINITIONS = st.lists(
    st.tuples(NAMES, TYPES, st.sampled_from(["", "!"]), VALUES, EXTRAS), unique_by=lambda entry: entry[0]
)


@given(DEFINITIONS)
def test_it_reads_what_graphql_core_reads(definitions: list[tuple[str, str, str, str, str]]) -> None:
    inside = "\n".join(
        f"${name}: {kind}{bang} {value} {extra}" for name, kind, bang, value, extra in definitions
    )
    text = f"query q{f'({inside})' if definitions else ''} {{ all {{ id }} }}"
    (operation,) = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    published = {"ID": "Integer", "Chronic": "Date", "String": "String"}
    expected = {
        variable.variable.name.value: published.get(
            print_ast(variable.type).rstrip("!"), print_ast(variable.type)
        )
        for variable in operation.variable_definitions or ()
    }
    assert declared_variables(text) == expected


@given(st.text(alphabet='query($a:ID!)[]{}="\\#@\n …', max_size=60))
@example("query(" + "[" * 5000)
@example("query q($a: " + "[" * 5000 + "ID" + "]" * 5000 + ") { x }")
@example('query q($a: ID = "' + '\\"' * 5000)
@example('"""' + '\\"""' * 5000)
def test_no_text_breaks_it_and_none_that_parses_is_misread(text: str) -> None:
    found = declared_variables(text)
    try:
        document = parse(text, no_location=True)
    except (GraphQLSyntaxError, RecursionError):
        return
    names = {
        variable.variable.name.value
        for operation in document.definitions
        if isinstance(operation, OperationDefinitionNode)
        for variable in operation.variable_definitions or ()
    }
    assert found is not None
    assert set(found) == names
