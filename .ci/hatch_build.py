# SPDX-License-Identifier: Apache-2.0
"""Make of README.md what a package index shows: its links and pictures lead somewhere from there, too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A link, or a picture, as Markdown writes it in line: ``[text](target "title")``; or code, which has none.
LINK = re.compile(
    r"""
    (?P<code>
        ^(?P<fence>```+) .*? ^(?P=fence)
      | (?<!`)(?P<ticks>`+)(?!`) (?: (?!\n\n). )+? (?<!`)(?P=ticks)(?!`)
    )
    | (?P<picture> !? )
      \[ (?P<text> (?: `[^`]*` | !\[[^]]*]\([^)]*\) | [^][] )* ) ]
      \( (?P<target> [^\s()]+ ) (?P<title> \s+ "[^"]*" )? \)
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
#: A target that leads to the same place from everywhere.
ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def for_the_index(text: str, address: str) -> str:
    """Point what is in the repository to its address; without one, leave a link's text, and no picture."""

    def pointed(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        picture, inner, target = found["picture"], found["text"], found["target"]
        if not picture:
            inner = for_the_index(inner, address)
        if not ABSOLUTE.match(target):
            if not address:
                return "" if picture else inner
            # The page that shows a picture's file is no picture.
            kind = "raw" if picture else "blob"
            target = f"{address}/{kind}/HEAD/{'README.md' if target.startswith('#') else ''}{target}"
        # A link around a picture that is dropped is dropped with it.
        return f"{picture}[{inner}]({target}{found['title'] or ''})" if picture or inner else ""

    return LINK.sub(pointed, text)


class CustomMetadataHook(MetadataHookInterface):
    """Fills in the readme and the URLs, which all follow from where the repository is."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set both, by the address of the repository, if there is one."""
        address = self.config.get("repository", "").rstrip("/")
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": for_the_index(text, address)}
        metadata["urls"] = {"ClarusWMS": "https://clarus-api.com"}
        if address:
            metadata["urls"] |= {
                "Source": address,
                "Issues": f"{address}/issues",
                "Documentation": f"{address}/blob/HEAD/docs/index.md",
                "Changelog": f"{address}/blob/HEAD/CHANGELOG.md",
            }
