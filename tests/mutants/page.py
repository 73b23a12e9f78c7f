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
3.11) it was **97.6 %**: 98.1 % of 9,661 lines, 95.1 % of 2,046 branches.

| room | lines | of them run | branches run | both |
|---|---|---|---|---|
| api | 1,261 | 98.7 % | 93.8 % | 97.9 % |
| auth | 544 | 99.4 % | 97.8 % | 99.2 % |
| cli | 218 | 99.5 % | 100.0 % | 99.6 % |
| connection | 213 | 93.9 % | 88.9 % | 93.2 % |
| demo | 252 | 82.9 % | 67.3 % | 80.3 % |
| hooks | 160 | 94.4 % | 100.0 % | 94.8 % |
| http | 408 | 99.5 % | 98.6 % | 99.4 % |
| landing | 1,819 | 97.9 % | 94.9 % | 97.2 % |
| lineage | 120 | 100.0 % | 100.0 % | 100.0 % |
| operators | 100 | 100.0 % | 100.0 % | 100.0 % |
| policy | 161 | 99.4 % | 96.9 % | 99.0 % |
| sandbox | 1,152 | 99.6 % | 97.1 % | 99.2 % |
| sensors | 82 | 100.0 % | 100.0 % | 100.0 % |
| testing | 128 | 98.4 % | 95.5 % | 98.0 % |
| transfers | 86 | 100.0 % | 100.0 % | 100.0 % |
| triggers | 325 | 98.2 % | 93.5 % | 97.4 % |
| variables | 408 | 97.8 % | 96.0 % | 97.3 % |
| waiting | 1,007 | 99.4 % | 98.0 % | 99.1 % |
| watching | 405 | 98.5 % | 94.4 % | 97.5 % |
| modules beside the rooms | 812 | 97.5 % | 95.2 % | 97.3 % |

That was the session in one piece, at idle priority beside CI and two more test runs, in 19 minutes: 5,797
tests passed and two failed by time, of which one has more of it now. So the session ended before its report,
which `coverage combine` and `coverage report` then gave. Of what is missing, the form of `connection` and
the masking of `hooks` are for Airflow 2.11 to 3.2 (the session has 3.3), and most of `demo` is run from
outside, without coverage.

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
