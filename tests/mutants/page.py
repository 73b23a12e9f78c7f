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

This is no measure of all tests: the places were chosen by people, where a slip would be costly and quiet.

## How much the tests run

```bash
nox -s coverage                         # unit and integration tests, and the daily report in a real Airflow
nox -s coverage -- -m '' tests          # all tests, the long ones too
```

It counts lines and branches of the package, also in processes that tests start or fork and in such as end
with a signal; it lists what no test runs, and fails under 97 %.

**Whether that holds is not known: no run of it has come to its end.** On 26 November 2026 (Airflow 3.3.2,
Python 3.11, two cores with 10 to 36 processes waiting for them) there was time for these:

| what ran | lines | branches | both |
|---|---|---|---|
| all 2,272 unit tests | 56.8 % | 40.5 % | 54.0 % |
| and some integration tests, mostly of `waiting`, `api`; the start of an Airflow | 75.6 % | 62.0 % | 73.2 % |

The integration tests of `cli`, `landing`, `operators`, `transfers`, `testing` and `lineage` are not among
them, so the numbers do not tell what is missing.

Left out are `demo/__main__.py` and `demo/_run.py` (238 of 9,641 lines): they run in an environment that the
demo makes, which has no coverage, and `tests/system/test_demo.py` looks at them from outside. So are
`if TYPE_CHECKING:`, which mypy alone reads, and bodies of `...`: 140 lines. Lines for Airflow 2.11 to 3.2
count as not run: the session has 3.3.

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
