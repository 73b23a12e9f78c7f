# SPDX-License-Identifier: Apache-2.0
"""List modules in CONTRIBUTING.md; ``python -m tests.modules`` writes it anew from their docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_provider_clarus"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
START, END = "<!-- modules: python -m tests.modules -->\n", "<!-- end of modules -->\n"


def listed() -> str:
    """Return the list as it should be: rooms and modules, each with its docstring's first paragraph."""
    return "\n" + "".join(f"{line}\n" for line in _lines()) + "\n"


def shown() -> str:
    """Return the list as CONTRIBUTING.md has it."""
    return CONTRIBUTING.read_text().partition(START)[2].partition(END)[0]


def _lines() -> Iterator[str]:
    for module in sorted(PACKAGE.glob("*.py")):
        if module.name != "__init__.py":
            yield f"- `{module.name}`: {_summary(module)}"
    for room in sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE):
        yield f"- **`{room.relative_to(PACKAGE)}/`**: {_summary(room / '__init__.py')}"
        for module in sorted(room.glob("*.py")):
            if module.name != "__init__.py":
                yield f"  - `{module.name}`: {_summary(module)}"


def _summary(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


if __name__ == "__main__":
    text = CONTRIBUTING.read_text()
    CONTRIBUTING.write_text(text.replace(shown(), listed(), 1))
