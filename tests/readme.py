# SPDX-License-Identifier: Apache-2.0
"""The README's blocks of code and tables, for the tests that run them."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str, heading: str = "") -> list[str]:
    """Return the blocks of a language, those of one section if ``heading`` is given."""
    text = TEXT if not heading else section(heading)
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def dags() -> list[str]:
    """Return the blocks that are DAGs."""
    return [code for code in blocks("python", "Write DAGs") if "DAG(" in code]


def section(heading: str) -> str:
    """Return what stands under a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert found, f"the README has no section {heading!r}"
    return found[1]


def first_column(heading: str) -> list[str]:
    """Return the first cell of each row of a section's tables, without their heads."""
    rows = re.findall(r"^\| (.*?) \|", section(heading), flags=re.MULTILINE)
    return rows[1:]
