# SPDX-License-Identifier: Apache-2.0
"""Read the variables that a report query's text declares, and their types.

GraphQL's variable definitions alone, by its grammar: what is selected below them is not looked at, and need
not parse. graphql-core would do, but takes longer to import than all of this package in a task.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

#: The types that the API page publishes, and what it calls them.
PUBLISHED = {"ID": "Integer", "Chronic": "Date", "String": "String"}
#: The type of a variable in a text that does not parse.
UNKNOWN = "unknown"

_TOKEN = re.compile(
    r"""
    [\s,\ufeff]+ | \#[^\n\r]*
    | (?P<string> "(?:[^"\\\n\r]|\\.)*" )
    | (?P<name> [_A-Za-z][_0-9A-Za-z]* )
    | (?P<number> -?[0-9][0-9A-Za-z.+-]* )
    | (?P<punctuator> \.\.\. | [!$&()\[\]{}:=@|] )
    """,
    re.VERBOSE,
)
_END_OF_BLOCK_STRING = re.compile(r'(?<!\\)"""')
_CLOSING = {"(": ")", "[": "]", "{": "}"}

Token = tuple[str, str]


def declared_variables(text: str) -> dict[str, str] | None:
    """Return each variable that the operations of a text declare, and its type; ``None`` for no such text.

    A type is ``Integer``, ``Date`` or ``String``, as published; another one is as it is declared, such as
    ``[ID!]!``. Where two operations declare a variable in two ways, it is :data:`UNKNOWN`; where the
    definitions do not parse, so is each variable that the text mentions.
    """
    try:
        return _Definitions(_tokens(text)).read()
    except SyntaxError:
        mentioned = itertools.pairwise(_tokens(text))
        return {
            name: UNKNOWN for (_, sign), (kind, name) in mentioned if (sign, kind) == ("$", "name")
        } or None


def _tokens(text: str) -> Iterator[Token]:
    """Yield kind and text of what means something; what is no token at all has the kind ``illegal``."""
    position = 0
    while position < len(text):
        if text.startswith('"""', position):
            end = _END_OF_BLOCK_STRING.search(text, position + 3)
            found, position = ("string", ""), end.end() if end else len(text)
        elif token := _TOKEN.match(text, position):
            found, position = (token.lastgroup or "", token[0]), token.end()
        else:
            found, position = ("illegal", text[position]), position + 1
        if found[0]:
            yield found


class _Definitions:
    """Walks over the operations of a text."""

    def __init__(self, tokens: Iterator[Token]) -> None:
        self._tokens = tokens
        self._next: Token = ("", "")
        self._advance()

    def read(self) -> dict[str, str]:
        """Return the types of all variables that are defined.

        :raises SyntaxError: when it is no operation, or the definitions are not as GraphQL has them
        """
        found: dict[str, str] = {}
        operations = 0
        while self._next[0]:
            kind, word = self._advance()
            if kind == "name" and word in ("query", "mutation", "subscription"):
                operations += 1
                if self._next[0] == "name":
                    self._advance()
                if self._next[1] == "(":
                    for variable, declared in self._definitions():
                        # It is not known which of several operations a report runs.
                        found[variable] = declared if found.get(variable, declared) == declared else UNKNOWN
                elif self._next[1] not in ("{", "@"):
                    raise SyntaxError(f"{self._next[1]!r} follows {word}")
            elif (kind, word) == ("punctuator", "{"):
                operations += 1
                self._skip_selection()
        if not operations:
            raise SyntaxError("there is no operation")
        return found

    def _skip_selection(self) -> None:
        depth = 1
        while depth and self._next[0]:
            kind, word = self._advance()
            if kind == "punctuator":
                depth += (word == "{") - (word == "}")

    def _definitions(self) -> Iterator[tuple[str, str]]:
        self._take("(")
        while self._next[1] != ")":
            if self._next[0] == "string":
                self._advance()
            self._take("$")
            name = self._take(kind="name")
            self._take(":")
            yield name, self._type()
            if self._next[1] == "=":
                self._advance()
                self._value()
            while self._next[1] == "@":
                self._advance()
                self._take(kind="name")
                if self._next[1] == "(":
                    self._value()
        self._advance()

    def _type(self) -> str:
        depth = 0
        while self._next[1] == "[":
            self._advance()
            depth += 1
        declared = "[" * depth + (named := self._take(kind="name"))
        while True:
            if self._next[1] == "!":
                declared += self._advance()[1]
            if not depth:
                break
            declared += self._take("]")
            depth -= 1
        return PUBLISHED.get(named, declared) if declared.rstrip("!") == named else declared

    def _value(self) -> None:
        """Skip a default value, or the arguments of a directive."""
        kind, word = self._advance()
        if word in _CLOSING:
            self._skip_to(_CLOSING[word])
        elif kind == "punctuator" or not kind:
            raise SyntaxError(f"{word!r} is no value")

    def _skip_to(self, closing: str) -> None:
        waiting = [closing]
        while waiting:
            kind, word = self._advance()
            if not kind:
                raise SyntaxError(f"{waiting[-1]!r} is missing")
            if kind == "punctuator" and word in _CLOSING:
                waiting.append(_CLOSING[word])
            elif kind == "punctuator" and word == waiting[-1]:
                waiting.pop()

    def _take(self, word: str | None = None, *, kind: str = "punctuator") -> str:
        if self._next[0] != kind or word not in (None, self._next[1]):
            raise SyntaxError(f"{word or kind} is missing before {self._next[1]!r}")
        return self._advance()[1]

    def _advance(self) -> Token:
        token, self._next = self._next, next(self._tokens, ("", ""))
        return token
