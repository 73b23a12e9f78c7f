# SPDX-License-Identifier: Apache-2.0
"""Small changes that can be made to any Python code: comparisons, conditions, numbers, statements.

Libraries remove no statement, break annotations, which nobody runs, or bring a database. Left alone are
texts, log lines, types, decorators and assertions, where a change means little.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

#: What stands between two operands, as a regular expression, and what may stand there instead.
SIGNS = {
    ast.Lt: ("<", "<=", ">="),
    ast.LtE: ("<=", "<", ">"),
    ast.Gt: (">", ">=", "<="),
    ast.GtE: (">=", ">", "<"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
    ast.Add: (r"\+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: (r"\*", "/"),
    ast.Div: ("/", "*"),
    ast.BitOr: (r"\|", "&"),
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
LOGGING = {"debug", "info", "warning", "error", "exception"}
RAISED_BY_NOTHING = "ZeroDivisionError"


@dataclass(frozen=True)
class Change:
    """What stands at one place of a file, counted in bytes, and what stands there instead."""

    file: str
    line: int
    start: int
    text: str
    replacement: str

    def broken(self, source: str) -> str:
        whole, old = source.encode(), self.text.encode()
        if not whole.startswith(old, self.start):
            raise LookupError(f"{self.file}:{self.line} is another than it was")
        return (whole[: self.start] + self.replacement.encode() + whole[self.start + len(old) :]).decode()


def changes(file: str, source: str) -> list[Change]:
    """Return all changes of a file, each of which can be made by itself."""
    whole = source.encode()
    lines = [0, *accumulate(map(len, whole.splitlines(keepends=True)))]

    def at(start: int, end: int, replacement: str) -> Change:
        return Change(file, whole.count(b"\n", 0, start) + 1, start, whole[start:end].decode(), replacement)

    def place(node: Any) -> tuple[int, int]:
        return lines[node.lineno - 1] + node.col_offset, lines[node.end_lineno - 1] + node.end_col_offset

    def instead_of(node: ast.AST, replacement: str) -> Change:
        return at(*place(node), replacement)

    def between(left: ast.AST, sign: ast.AST, right: ast.AST) -> Iterator[Change]:
        pattern, *others = SIGNS[type(sign)]
        (_, start), (end, _) = place(left), place(right)
        if found := re.compile(pattern.encode()).search(whole, start, end):
            yield from (at(*found.span(), other) for other in others)

    def of(node: ast.AST) -> Iterator[Change]:
        match node:
            case ast.Compare():
                operands = node.comparators
                for left, sign, right in zip([node.left, *operands], node.ops, operands, strict=False):
                    yield from between(left, sign, right)
            case ast.BoolOp():
                for left, right in pairwise(node.values):
                    yield from between(left, node.op, right)
                yield from (instead_of(value, str(isinstance(node.op, ast.And))) for value in node.values)
            case ast.BinOp() if type(node.op) in SIGNS and not (_is_text(node.left) or _is_text(node.right)):
                yield from between(node.left, node.op, node.right)
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                start, _ = place(node)
                yield at(start, start + (3 if isinstance(node.op, ast.Not) else 1), "")
            case ast.Constant(value=bool()):
                yield instead_of(node, str(not node.value))
            case ast.Constant(value=int() | float() as number):
                yield instead_of(node, str(number + 1))
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield instead_of(node.func, CALLS[name])
            case ast.Call(func=ast.Name(id="suppress")):
                yield from (instead_of(error, RAISED_BY_NOTHING) for error in node.args)
            case ast.ExceptHandler(type=ast.Tuple(elts=errors)):
                yield from (instead_of(error, RAISED_BY_NOTHING) for error in errors)
            case ast.ExceptHandler(type=ast.expr() as error):
                yield instead_of(error, RAISED_BY_NOTHING)
            case ast.Break() | ast.Continue():
                yield instead_of(node, "continue" if isinstance(node, ast.Break) else "break")
            case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
                yield instead_of(node, "return None")
            case ast.If() | ast.While() | ast.IfExp() | ast.comprehension():
                for test in node.ifs if isinstance(node, ast.comprehension) else [node.test]:
                    # Of others, what they are made of is changed to the same effect.
                    if not isinstance(test, ast.UnaryOp | ast.Constant | ast.Compare):
                        yield instead_of(test, f"(not ({instead_of(test, '').text}))")
        if _is_removable(node):
            yield instead_of(node, "pass")

    return [change for node in _run(ast.parse(source)) for change in of(node)]


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and what is inside that is run, and more than told."""
    name = ast.unparse(node.func if isinstance(node, ast.Call) else getattr(node, "test", ast.Pass()))
    if isinstance(node, ast.JoinedStr | ast.Assert | ast.arg) or name in ("isinstance", "TYPE_CHECKING"):
        return
    yield node
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "decorator_list") and not _is_logging(node):
            for inside in value if isinstance(value, list) else [value]:
                yield from _run(inside) if isinstance(inside, ast.AST) else ()


def _is_removable(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await() as done):
            return not _is_logging(done)
        case ast.Assign():
            # Without a name, all that follows breaks, and shows nothing.
            parts = (part for target in node.targets for part in ast.walk(target))
            return any(isinstance(part, ast.Attribute | ast.Subscript) for part in parts)
    return isinstance(node, ast.Raise | ast.AugAssign | ast.Delete)


def _is_logging(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGGING


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)
