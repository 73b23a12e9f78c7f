# SPDX-License-Identifier: Apache-2.0
"""The mutants and their page; whether each is noticed is told by ``python -m tests.mutants``."""

from __future__ import annotations

import re

import pytest

from tests.mutants import MUTANTS, drawn
from tests.mutants.changes import changes
from tests.mutants.mutant import PACKAGE, ROOT, Mutant
from tests.mutants.page import PAGE, page
from tests.mutants.subjects import ROOMS, Room


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


@pytest.mark.parametrize(
    ("source", "broken"),
    [
        ("a < b", ["a <= b", "a >= b"]),
        ("a == b", ["a != b"]),
        ("a not in (b)", ["a in (b)"]),
        ("a and (b)", ["a or (b)", "True and (b)", "a and (True)"]),
        ("a or b", ["a and b", "False or b", "a or False"]),
        ("not a", [" a"]),
        ("-a + (b)", ["-a - (b)", "a + (b)"]),
        ("'é' + a; 2", ["'é' + a; 3"]),
        ("f(0.5, k=True)", ["pass", "f(1.5, k=True)", "f(0.5, k=False)"]),
        ("min(a)", ["pass", "max(a)"]),
        ("while a:\n  break", ["while (not (a)):\n  break", "while a:\n  continue"]),
        ("with suppress(A): a.b = c", ["with suppress(RAISED): a.b = c", "with suppress(A): pass"]),
        (
            "try: raise a\nexcept (A, B): a -= b",
            [
                "try: pass\nexcept (A, B): a -= b",
                "try: raise a\nexcept (RAISED, B): a -= b",
                "try: raise a\nexcept (A, RAISED): a -= b",
                "try: raise a\nexcept (A, B): pass",
            ],
        ),
        (
            "def f(a: 1 = 2) -> 3: return a",
            ["def f(a: 1 = 3) -> 3: return a", "def f(a: 1 = 2) -> 3: return None"],
        ),
        ("assert a < b", []),
        ("if TYPE_CHECKING: b()", []),
        ("log.info(2)", []),
        ("isinstance(a, b | c)", ["pass"]),
    ],
)
def test_a_change_is_made_where_code_is_run(source: str, broken: list[str]) -> None:
    made = [
        change.broken(source).replace("ZeroDivisionError", "RAISED") for change in changes("x.py", source)
    ]
    assert sorted(made) == sorted(broken)


def test_what_is_drawn_is_the_same_for_a_seed_and_can_be_run() -> None:
    some = drawn.drawn(70, seed=1)
    assert some == drawn.drawn(70, seed=1) != drawn.drawn(70, seed=2)
    assert len({room.subject for room, _ in some}) == 7
    for _, change in some:
        compile(change.broken((ROOT / PACKAGE / change.file).read_text()), change.file, "exec")


def test_a_change_is_made_nowhere_else() -> None:
    [change] = changes("x.py", "a = 1")
    with pytest.raises(LookupError, match=r"x\.py:1"):
        change.broken("a = 2")


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.files[0])
def test_the_tests_of_a_room_are_there(room: Room) -> None:
    assert all((ROOT / "tests" / test).exists() for test in room.tests)
