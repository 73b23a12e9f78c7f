# SPDX-License-Identifier: Apache-2.0
"""The list of mutants and its page; whether each is noticed is told by ``python -m tests.mutants``."""

from __future__ import annotations

import re

import pytest

from tests.mutants import MUTANTS
from tests.mutants.mutant import PACKAGE, ROOT, Mutant
from tests.mutants.page import PAGE, page


def test_the_page_shows_the_list() -> None:
    assert PAGE.read_text() == page(), "run python -m tests.mutants --page"


def test_each_mutant_is_one_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.text, mutant.replacement) for mutant in MUTANTS}) == len(MUTANTS)
    assert all(mutant.text != mutant.replacement for mutant in MUTANTS)
    assert all("::" in mutant.killed_by for mutant in MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_a_mutant_breaks_and_who_notices_are_there(mutant: Mutant) -> None:
    mutant.broken((ROOT / PACKAGE / mutant.file).read_text())
    file, *_, test = mutant.test.partition("[")[0].split("::")
    assert re.search(rf"^ *(async )?def {test}\(", (ROOT / file).read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("source", ["x = 2", "x = 1; y = 1"])
def test_what_a_mutant_breaks_stands_there_once(source: str) -> None:
    mutant = Mutant("one is two", "x.py", "= 1", "= 2", "unit/test_x.py::test_x")
    with pytest.raises(LookupError, match="one is two"):
        mutant.broken(source)
    assert mutant.broken("x = 1") == "x = 2"
