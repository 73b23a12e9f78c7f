# SPDX-License-Identifier: Apache-2.0
"""What a package index shows of README.md, whose links and picture lead to files of the repository."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hatchling.metadata.plugin.interface import MetadataHookInterface
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests import readme

ROOT = Path(__file__).parents[2]
ADDRESS = "https://example.com/acme/provider"
FILE, RAW = f"{ADDRESS}/blob/HEAD", f"{ADDRESS}/raw/HEAD"

HOOK = runpy.run_path(str(ROOT / ".ci" / "hatch_build.py"))
for_the_index = HOOK["for_the_index"]


@pytest.mark.parametrize(
    ("text", "with_address", "without"),
    [
        ("[a](docs/a.md)", f"[a]({FILE}/docs/a.md)", "a"),
        ("[a](docs/a.md#b-c)", f"[a]({FILE}/docs/a.md#b-c)", "a"),
        ("[a](docs/a.md#b:c)", f"[a]({FILE}/docs/a.md#b:c)", "a"),
        ("[a](#b)", f"[a]({FILE}/README.md#b)", "a"),
        ('[a](a.md "A b")', f'[a]({FILE}/a.md "A b")', "a"),
        ("[two\nlines](a.md)", f"[two\nlines]({FILE}/a.md)", "two\nlines"),
        ("[`a[0]`](a.md)", f"[`a[0]`]({FILE}/a.md)", "`a[0]`"),
        ("| [a](a.md) · [b](b.md) |", f"| [a]({FILE}/a.md) · [b]({FILE}/b.md) |", "| a · b |"),
        ("see [a](a.md).\n\n- [b](b.md)", f"see [a]({FILE}/a.md).\n\n- [b]({FILE}/b.md)", "see a.\n\n- b"),
        ("a ![b c](docs/b.png) d", f"a ![b c]({RAW}/docs/b.png) d", "a  d"),
        ('![b](docs/b.png "B c")', f'![b]({RAW}/docs/b.png "B c")', ""),
        ("a ` b\n\n[`a`](a.md)", f"a ` b\n\n[`a`]({FILE}/a.md)", "a ` b\n\n`a`"),
        ("[![b](b.png)](a.md)", f"[![b]({RAW}/b.png)]({FILE}/a.md)", ""),
        ("[![b](b.png) a](a.md)", f"[![b]({RAW}/b.png) a]({FILE}/a.md)", " a"),
        ("[![b](b.png)](https://a)", f"[![b]({RAW}/b.png)](https://a)", ""),
    ],
)
def test_what_leads_to_a_file(text: str, with_address: str, without: str) -> None:
    assert for_the_index(text, ADDRESS) == with_address
    assert for_the_index(text, "") == without


@pytest.mark.parametrize("address", [ADDRESS, ""], ids=["address", "no address"])
@pytest.mark.parametrize(
    "text",
    [
        "[a](https://a/b)",
        '[a](mailto:a@b "c")',
        "![a](https://a/b.png)",
        "`[a](b)`",
        "``a ` [a](b)``",
        "`x[0](1)` and `y[1](2)`",
        "```python\na[0](1)\n![a](b)\n```",
        "[a] (b)",
        "a(b) [c] d",
    ],
)
def test_what_leads_to_none_stays_as_it_is(text: str, address: str) -> None:
    assert for_the_index(text, address) == text


def tokens(text: str) -> Iterator[Token]:
    for block in MarkdownIt().enable("table").parse(text):
        yield block
        yield from block.children or ()


def targets(text: str) -> tuple[list[Any], list[Any]]:
    """Return where links and pictures lead, by another reader of Markdown."""
    links = [token.attrs["href"] for token in tokens(text) if token.type == "link_open"]
    return links, [token.attrs["src"] for token in tokens(text) if token.type == "image"]


def described(repository: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    hook: MetadataHookInterface = HOOK["CustomMetadataHook"](str(ROOT), {"repository": repository})
    hook.update(metadata)
    assert metadata["readme"]["content-type"] == "text/markdown"
    return metadata


def test_with_an_address_each_link_and_picture_of_the_readme_leads_to_its_file() -> None:
    links, pictures = targets(readme.TEXT)
    shown, shown_pictures = targets(described(ADDRESS + "/")["readme"]["text"])
    assert shown == [link if ":" in link else f"{FILE}/{link}" for link in links]
    assert shown_pictures == [f"{RAW}/{picture}" for picture in pictures]
    for name in [*(link for link in links if ":" not in link), *pictures]:
        assert (ROOT / name.partition("#")[0]).is_file(), name
    assert pictures


def test_without_an_address_the_readme_says_the_same_without_them() -> None:
    text = described("")["readme"]["text"]
    links, pictures = targets(text)
    assert links == [link for link in targets(readme.TEXT)[0] if ":" in link]
    assert pictures == []
    assert words(text) == words(readme.TEXT)


def words(text: str) -> str:
    """Return all that is to be read, pictures aside, and in whatever lines."""
    kinds = {"text", "code_inline", "fence"}
    return "".join("".join(token.content for token in tokens(text) if token.type in kinds).split())


def test_the_urls_follow_from_the_address() -> None:
    assert described("")["urls"].keys() == {"ClarusWMS"}
    urls = described(ADDRESS)["urls"]
    assert urls["Source"] == ADDRESS
    for name in ("Documentation", "Changelog"):
        assert (ROOT / urls[name].removeprefix(f"{FILE}/")).is_file()
