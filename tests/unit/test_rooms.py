# SPDX-License-Identifier: Apache-2.0
"""Each room says in ``__all__`` which of its modules are for others; the rest has an underscore."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import airflow_provider_clarus

PACKAGE = Path(airflow_provider_clarus.__file__).parent
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(module: Path) -> Iterator[tuple[str, str]]:
    """Yield what a module imports of this package: from which module, which name."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow_provider_clarus"):
            for alias in node.names:
                yield node.module or "", alias.name


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_names_what_is_for_others(room: str) -> None:
    modules = {path.stem for path in (PACKAGE / room).glob("*.py") if not path.stem.startswith("_")}
    assert set(import_module(f"airflow_provider_clarus.{room}").__all__) == modules


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_is_private_to_a_room_stays_in_it(module: Path) -> None:
    for source, name in imports(module):
        parts = [*source.split(".")[1:], name]
        hidden = [part for part in parts if part.startswith("_") and part != "__version__"]
        assert not hidden or parts[0] == room_of(module), f"{module} imports {source}.{name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_first_what_it_does_as_a_command(module: Path) -> None:
    # Of functions, ruff's D401 asks the same.
    docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
    summary = docstring.partition("\n")[0]
    first = summary.partition(" ")[0].rstrip(",:")
    assert first.isalpha(), summary
    assert not first.endswith(("s", "ing")), summary
    assert first not in ("A", "An", "One", "The", "What", "When", "Where", "Whether", "Which", "How"), summary
