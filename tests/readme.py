# SPDX-License-Identifier: Apache-2.0
"""The blocks of code and tables of the README and the documentation's pages, for the tests that run them."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).parents[1]
TEXT = (_ROOT / "README.md").read_text()
PAGES = {page.name: page.read_text() for page in sorted((_ROOT / "docs").glob("*.md"))}


def blocks(language: str, heading: str) -> list[str]:
    """Return the blocks of a language of one section."""
    return re.findall(rf"^```{language}\n(.*?)^```$", section(heading), flags=re.DOTALL | re.MULTILINE)


def dags() -> list[str]:
    """Return the blocks that are DAGs."""
    shown = [*blocks("python", "Write a DAG"), *blocks("python", "Write DAGs")]
    return [code for code in shown if "DAG(" in code]


def section(heading: str) -> str:
    """Return what stands under a heading of the README, or of a page, up to the next of the second level."""
    pattern = rf"^##? {re.escape(heading)}\n(.*?)(?=^## |\Z)"
    for text in (TEXT, *PAGES.values()):
        if found := re.search(pattern, text, flags=re.DOTALL | re.MULTILINE):
            return found[1]
    raise AssertionError(f"no page has a section {heading!r}")


def first_column(heading: str) -> list[str]:
    """Return the first cell of each row of a section's tables, without their heads."""
    rows = re.findall(r"^\| (.*?) \|", section(heading), flags=re.MULTILINE)
    return rows[1:]
