# SPDX-License-Identifier: Apache-2.0
"""Draws changes by chance, as many of each subject, and tells which of them no test of the room notices."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.changes import Change, changes
from tests.mutants.mutant import PACKAGE, ROOT
from tests.mutants.run import AT_ONCE, Outcome, copied, run
from tests.mutants.subjects import ROOMS, Room

MARKS = "not long"
#: It notices any change of the table, right or wrong.
LEFT_OUT = ["--deselect", "tests/unit/policy/test_policy.py::test_the_page_shows_the_table"]


def drawn(number: int, seed: int) -> list[tuple[Room, Change]]:
    """Return ``number`` changes, the same for a seed as long as the package is the same."""
    subjects: dict[str, list[tuple[Room, Change]]] = {}
    for room in ROOMS:
        for file in room.files:
            found = changes(file, (ROOT / PACKAGE / file).read_text())
            subjects.setdefault(room.subject, []).extend((room, change) for change in found)
    share = number // len(subjects)
    some = []
    for subject, possible in subjects.items():
        print(f"{subject}: {min(share, len(possible))} of {len(possible)} possible changes", flush=True)
        some += random.Random(f"{seed} {subject}").sample(possible, min(share, len(possible)))
    return some


def main(number: int, seed: int, subject: str | None) -> int:
    """Draw, break, test and tell; return the exit status."""
    print(f"{number} changes, with seed {seed}\n")
    some = [(room, change) for room, change in drawn(number, seed) if subject in (None, room.subject)]
    with copied() as copy, ThreadPoolExecutor(AT_ONCE) as processes:
        rooms = list(dict.fromkeys(room for room, _ in some))
        for room, outcome in zip(
            rooms, processes.map(lambda room: _outcome(copy, room, None), rooms), strict=True
        ):
            if outcome != Outcome():
                raise SystemExit(f"{room.tests}: without a change, too: {outcome}")
        print("\n| file | change | noticed by |\n|---|---|---|", flush=True)
        outcomes = list(processes.map(lambda one: _noticed(copy, *one), some))
    print(
        "\n| subject | made | noticed | hang | cannot be imported | not noticed |\n|---|---|---|---|---|---|"
    )
    for name in dict.fromkeys(room.subject for room in rooms):
        of_it = [outcome for (room, _), outcome in zip(some, outcomes, strict=True) if room.subject == name]
        failed, hang = sum(bool(one.failed) for one in of_it), sum(one.hangs for one in of_it)
        cannot = sum(one.cannot_begin for one in of_it)
        print(f"| {name} | {len(of_it)} | {failed} | {hang} | {cannot} | {of_it.count(Outcome())} |")
    return 0


def _noticed(copy: Path, room: Room, change: Change) -> Outcome:
    outcome = _outcome(copy, room, change)
    how = "hangs" if outcome.hangs else "cannot be imported" if outcome.cannot_begin else "**no test**"
    text, replacement = (" ".join(part.split()) for part in (change.text, change.replacement))
    by = (outcome.failed or how).removeprefix("tests/")
    print(f"| {change.file}:{change.line} | `{text}` → `{replacement}` | {by} |", flush=True)
    return outcome


def _outcome(copy: Path, room: Room, change: Change | None) -> Outcome:
    """Return what the tests say; one that does not fail twice has failed by chance, and is left out."""
    tests = [*LEFT_OUT, *(f"tests/{one}" for one in room.tests)]
    while (outcome := run(copy, change, tests, MARKS)).failed:
        if run(copy, change, [outcome.failed], MARKS).failed:
            break
        tests += ["--deselect", outcome.failed]
    return outcome
