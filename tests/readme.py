# SPDX-License-Identifier: Apache-2.0
"""The blocks of code and tables of the README and the documentation's pages, for the tests that run them."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

_ROOT = Path(__file__).parents[1]
TEXT = (_ROOT / "README.md").read_text()
PAGES = {page.name: page.read_text() for page in sorted((_ROOT / "docs").glob("*.md"))}
#: All that a reader finds, each once: docs/contributing.md and docs/changelog.md are those of the root.
EVERY_PAGE = {
    **{name: (_ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")},
    **{name: text for name, text in PAGES.items() if name not in ("contributing.md", "changelog.md")},
}
_FENCE = re.compile(r"^( *)(```+|~~~+)(.*?)\n(.*?)^\1\2$", re.DOTALL | re.MULTILINE)


class Shown(NamedTuple):
    """Something that a page shows: a fenced block, or what stands between backticks in its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def fenced() -> list[Shown]:
    """Return every fenced block of every page."""
    found = [
        Shown(page, _line(text, match), match[3], dedent(match[4]))
        for page, text in EVERY_PAGE.items()
        for match in _FENCE.finditer(text)
    ]
    fences = re.findall(r"^ *(?:```|~~~)", "\n".join(EVERY_PAGE.values()), flags=re.MULTILINE)
    assert len(fences) == 2 * len(found), "a fence that is not closed"
    return found


def quoted() -> list[Shown]:
    """Return whatever stands between backticks, in a line or over the end of one."""
    found = []
    for page, text in EVERY_PAGE.items():
        prose = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
        for match in re.finditer(r"(?<!`)`([^`]+)`(?!`)", prose):
            found.append(Shown(page, _line(prose, match), "", " ".join(match[1].split())))
    return found


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1


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
