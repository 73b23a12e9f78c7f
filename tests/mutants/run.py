# SPDX-License-Identifier: Apache-2.0
"""Runs the test that is to notice a mutant, on a copy of the package that has it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.mutants import MUTANTS
from tests.mutants.mutant import PACKAGE, ROOT, Mutant

#: Seconds that the test of one mutant may take: that it hangs tells nobody what is wrong.
LONGEST = 120
#: What takes long to import, and is not broken.
IMPORTED_ONCE = ["pytest", "hypothesis", "requests", "graphql", "airflow.providers.common.compat.sdk"]


class Noticing:
    """A plugin of pytest that keeps the names of tests that fail."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.took_too_long = False

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.took_too_long:
            self.failed.append(report.nodeid)

    def stop(self, *_: Any) -> None:
        self.took_too_long = True
        raise KeyboardInterrupt


def failed_in(place: str, mutant: Mutant | None, tests: Sequence[str], seconds: int) -> list[str] | None:
    """Run tests in a copy of the package, in this process, which is for this alone.

    Returns which of them failed, the first one only; ``None`` where they came to no end.
    """
    import pytest

    os.chdir(place)
    os.environ["PYTHONPATH"] = place
    sys.path[:] = [place, *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", PACKAGE)]:
        del sys.modules[name]
    noticing = Noticing()
    signal.signal(signal.SIGALRM, noticing.stop)
    file = Path(place, PACKAGE, mutant.file if mutant else "__init__.py")
    whole = file.read_text()
    with open(Path(place, "output.txt"), "w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        try:
            file.write_text(mutant.broken(whole) if mutant else whole)
            signal.alarm(seconds)
            options = ["-x", "-q", "-m", "", "-W", "ignore", "-p", "no:cacheprovider"]
            status = pytest.main([*options, *tests], plugins=[noticing])
        finally:
            signal.alarm(0)
            file.write_text(whole)
    # 0: all passed; 1: one failed. Anything else is no test's verdict: a file could not be imported, say.
    return noticing.failed if status in (0, 1) and not noticing.took_too_long else None


def main(words: Sequence[str]) -> int:
    """Break, test and tell; return the exit status."""
    mutants = [one for one in MUTANTS if not words or any(word in f"{one.name} {one.file}" for word in words)]
    for mutant in mutants:
        mutant.broken((ROOT / PACKAGE / mutant.file).read_text())
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="clarus-mutants-") as folder:
        for name in (PACKAGE, "tests"):
            shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        os.environ["AIRFLOW_HOME"] = str(Path(folder, "airflow"))
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED_ONCE)
        with context.Pool(1, maxtasksperchild=1) as processes:
            every = sorted({mutant.test for mutant in mutants})
            if processes.apply(failed_in, (folder, None, every, 10 * LONGEST)) != []:
                print(Path(folder, "output.txt").read_text(), "They fail without a mutant, too.", sep="\n")
                return 1
            print("| mutant | in | noticed by |\n|---|---|---|")
            for mutant in mutants:
                failed = processes.apply(failed_in, (folder, mutant, [mutant.test], LONGEST))
                unnoticed += not failed
                by = failed[0].removeprefix("tests/") if failed else "**no test**"
                print(f"| {mutant.name} | {mutant.file} | {by} |", flush=True)
    print(f"\n{len(mutants) - unnoticed} of {len(mutants)} mutants are noticed.")
    return 1 if unnoticed else 0
