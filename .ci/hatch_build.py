# SPDX-License-Identifier: Apache-2.0
"""Make of README.md what a package index shows: its links lead somewhere from there, too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A link to a file of the repository, by its text and its path; a link to a page elsewhere has a colon.
LINK = re.compile(r"\[([^]]+)]\(([^):]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Fills in the readme and the URLs, which all follow from where the repository is."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set both; without an address, a link to a file is its text alone."""
        address = self.config.get("repository", "").rstrip("/")
        files = f"{address}/blob/HEAD"
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        text = LINK.sub(rf"[\1]({files}/\2)" if address else r"\1", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = {"ClarusWMS": "https://clarus-api.com"}
        if address:
            metadata["urls"] |= {
                "Source": address,
                "Issues": f"{address}/issues",
                "Documentation": f"{files}/docs/index.md",
                "Changelog": f"{files}/CHANGELOG.md",
            }
