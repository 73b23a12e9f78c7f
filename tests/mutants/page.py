# SPDX-License-Identifier: Apache-2.0
"""The page that lists the mutants: ``python -m tests.mutants --page`` writes it."""

from __future__ import annotations

from tests.mutants import MUTANTS
from tests.mutants.mutant import ROOT, Mutant

PAGE = ROOT / "docs" / "trust.md"

HEAD = f"""# What the tests notice

A test that passes whatever the code does is worth nothing. So the package is broken by hand, in
{len(MUTANTS)} places, one at a time, and a test has to notice each: a pause that never grows, a cap that is
gone, an event that is not waited for. Many of these faults were made by a reader who saw no test fail; each
of them has one since.

```bash
nox -s mutants                          # all of them, each in a copy of the package
nox -s mutants -- waiting/ ledger       # those with such a word in their name or file
```

The run fails where a fault is noticed by no test, and where the line that it breaks is no longer there: then
the fault is to be made in the line that has taken its place, in `tests/mutants/`. A test that only hangs does
not count, nor a file that cannot be imported.

On 26 November 2026 (Airflow 3.3.2, Python 3.11), **119 of 119** were noticed.

This is no measure of all tests: the places were chosen by people, where a slip would be costly and quiet.

## Places that nobody has chosen

```bash
nox -s mutants -- --random 280 --seed 1                     # 280, as many of each subject
nox -s mutants -- --random 280 --seed 1 --subject tokens    # those of one
```

This draws changes by chance, over the status rules, retries, the poller, windows, sources, tokens and what
outlives a process (`tests/mutants/subjects.py` has the files): another comparison, a condition negated or
left out, `and` for `or`, `+` for `-`, a number and one more, `break` for `continue`, nothing returned,
nothing caught, a statement gone (`tests/mutants/changes.py`). Texts, log lines and types are left alone. The
tests of the room run on each, without the long ones, up to the first that fails; it has to fail a second
time, so that a test that fails by chance notices nothing. A change after which tests hang, or nothing can be
imported, is told apart. Which of those that no test notices matter is for a person to say, so the run fails
for none.

Drawn with seed 1 on 26 November 2026, from the code of that evening, on a machine that was busy otherwise:

| subject | possible | drawn | noticed | only hang | no import | elsewhere | missing tests | no difference |
|---|---|---|---|---|---|---|---|---|
| status rules | 277 | 40 | 33 | 0 | 0 | 0 | 7 | 0 |
| retries | 303 | 40 | 27 | 1 | 0 | 2 | 5 | 5 |
| poller | 989 | 24 | 15 | 1 | 0 | 0 | 4 | 4 |
| windows | 194 | 40 | 33 | 0 | 2 | 0 | 4 | 1 |
| sources | 518 | 40 | 34 | 0 | 0 | 0 | 5 | 1 |
| tokens | 378 | 40 | 31 | 0 | 0 | 0 | 5 | 4 |
| durability | 576 | 40 | 27 | 3 | 0 | 2 | 5 | 3 |
| together | 3,235 | 264 | 200 | 5 | 2 | 4 | 35 | 18 |

So of 244 changes that make a difference and can be imported, the tests noticed **200, or 82 %**, by one
that fails. Each of the 35 *missing tests* has been written since, and fails with its change. What is
noticed *elsewhere* is so by a test of the subject that the list of its tests had left out, and has now. Of
the poller's 40, time was left for the first 24. What was drawn is a twelfth of what is possible: in the
rest there are more such gaps.

What makes no difference:

- A number that somebody chose, and one more (6): the length of a file's name in the token store, the bytes
  that are read back at a time, the figures of the largest number, how much of a server's text is looked at,
  the shortest time-out of a token request, the longest pause between two looks.
- What is there for types alone (6): `or None` for what is empty, `or 0` for `or False`, a check of what is
  never `None`, whether a path is a text before it is asked for, the words of an error that stays inside.
- What something else holds, too (2): that a state folder is a folder (a link has the wrong permissions
  anyway); a settled number that an account has as done (it is settled by its number).
- A round of requests that ends a moment sooner or later (2).
- Two conditions that were to spare, and are gone: that somebody waits for a document that is hurried, and
  that an empty file is asked for once more from its byte 0. A branch beside them that was never taken is
  gone, too.

What only hangs: a time limit or a wait that has no end, a pause that is left out of a clock that only
pauses set, and a document that is not kept, or not read again, for which a test then waits.

## How much the tests run

```bash
nox -s coverage                         # unit and integration tests, and the daily report in a real Airflow
nox -s coverage -- -m '' tests          # all tests
```

It counts lines and branches of the package, also in processes that tests start or fork and in such as end
with a signal; it lists what no test runs, and fails under 97 %. On 26 November 2026 (Airflow 3.3.2, Python
3.11) it was **97.4 %**: 98.0 % of 9,420 lines, 94.9 % of 1,994 branches.

| room | lines | of them run | branches run | both |
|---|---|---|---|---|
| api | 1,261 | 98.6 % | 93.3 % | 97.7 % |
| auth | 467 | 99.4 % | 97.6 % | 99.1 % |
| cli | 222 | 99.5 % | 100.0 % | 99.6 % |
| connection | 213 | 93.9 % | 88.9 % | 93.2 % |
| demo | 246 | 85.0 % | 72.0 % | 82.8 % |
| hooks | 154 | 94.8 % | 100.0 % | 95.1 % |
| http | 390 | 99.5 % | 98.6 % | 99.3 % |
| landing | 1,767 | 97.8 % | 94.9 % | 97.2 % |
| lineage | 116 | 100.0 % | 100.0 % | 100.0 % |
| operators | 100 | 100.0 % | 100.0 % | 100.0 % |
| policy | 158 | 99.4 % | 96.9 % | 98.9 % |
| sandbox | 1,152 | 99.6 % | 97.6 % | 99.3 % |
| sensors | 81 | 100.0 % | 100.0 % | 100.0 % |
| testing | 128 | 98.4 % | 95.5 % | 98.0 % |
| transfers | 86 | 100.0 % | 100.0 % | 100.0 % |
| triggers | 325 | 95.7 % | 91.9 % | 95.1 % |
| variables | 408 | 97.8 % | 96.0 % | 97.3 % |
| waiting | 979 | 98.8 % | 96.3 % | 98.3 % |
| watching | 394 | 98.5 % | 94.0 % | 97.5 % |
| modules beside the rooms | 773 | 96.9 % | 93.8 % | 96.5 % |

That was by the session's commands, in two parts, and without the tests against Rails and Node: 5,000 tests
passed, and nine failed, since a chaos night had the machine at the same time (five of them have been mended
since). Then four more in a real Airflow. The session as such ends before its report when a test fails, and
nobody has seen it pass in one piece. Of what is missing, the form of `connection` and the masking of `hooks`
are for Airflow 2.11 to 3.2 (the session has 3.3), and most of `demo` is run from outside, without coverage.

Left out are `demo/__main__.py` and `demo/_run.py` (238 lines more): they run in an environment that the
demo makes, which has no coverage, and `tests/system/test_demo.py` looks at them from outside. So are
`if TYPE_CHECKING:`, which mypy alone reads, and bodies of `...`: 140 lines.

"""


def page() -> str:
    """Return the whole page."""
    rooms: dict[str, list[Mutant]] = {}
    for mutant in MUTANTS:
        rooms.setdefault(mutant.file.partition("/")[0].removesuffix(".py"), []).append(mutant)
    return HEAD + "\n".join(_room(room, mutants) for room, mutants in rooms.items())


def _room(room: str, mutants: list[Mutant]) -> str:
    lines = "".join(f"| {one.name} | {one.killed_by.rpartition('::')[2]} |\n" for one in mutants)
    return f"## {room}\n\n| what is wrong | noticed by |\n|---|---|\n{lines}"
