# SPDX-License-Identifier: Apache-2.0
"""The drawing in docs/architecture.md and the text below it tell of the same ways."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from tests import readme

DRAWING = Path(__file__).parents[2] / "docs" / "architecture.svg"


def test_each_way_in_the_drawing_has_its_line() -> None:
    texts = ElementTree.parse(DRAWING).iter("{http://www.w3.org/2000/svg}text")
    drawn = {text.text for text in texts if text.get("class") == "number"}
    told = re.findall(r"^(\d)\. ", readme.PAGES["architecture.md"], flags=re.MULTILINE)
    assert drawn == set(told)
    assert told == sorted(told)
    assert f"]({DRAWING.name})" in readme.PAGES["architecture.md"]
