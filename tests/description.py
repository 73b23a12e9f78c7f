# SPDX-License-Identifier: Apache-2.0
"""The published OpenAPI description: beside this repository, of which it is no part, or elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DESCRIPTION = Path(
    os.environ.get("CLARUS_OPENAPI") or Path(__file__).parents[2] / "shared" / "clarus-openapi.json"
)


def needs_description() -> None:
    """Skip a test where the description is not; where a variable says that it is, fail."""
    if DESCRIPTION.exists():
        return
    reason = f"{DESCRIPTION} is not here; CLARUS_OPENAPI can name it"
    (pytest.fail if "CLARUS_OPENAPI" in os.environ else pytest.skip)(reason)
