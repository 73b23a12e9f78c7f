# SPDX-License-Identifier: Apache-2.0
"""docs/production.md sizes a deployment by the figures that docs/measured.md has."""

from __future__ import annotations

from tests import sizing


def test_the_sizes_are_those_that_were_measured() -> None:
    assert sizing.shown() == sizing.made(), "python -m tests.sizing"
