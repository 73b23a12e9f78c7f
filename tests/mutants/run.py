# SPDX-License-Identifier: Apache-2.0
"""Runs tests on a copy of the package that has a fault in it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from tests.mutants import MUTANTS
from tests.mutants.mutant import PACKAGE, ROOT, Mutant

#: Seconds that one test may take: that it hangs tells nobody what is wrong.
LONGEST = 120
#: Seconds after which a process is ended that does not end by itself.
FAR = 3600
AT_ONCE = 2
#: What takes long to import, and is not broken.
IMPORTED_ONCE = ["pytest", "hypothesis", "requests", "graphql", "airflow.providers.common.compat.sdk"]


class Fault(Protocol):
    """What can be wrong with a file of the package."""

    @property
    def file(self) -> str: ...

    def broken(self, source: str) -> str: ...


@dataclass(frozen=True)
class Outcome:
    """What tests have said: the first that failed. That they hang, or cannot even begin, is no verdict."""

    failed: str | None = None
    hangs: bool = False
    cannot_begin: bool = False


class Noticing:
    """A plugin of pytest that keeps the name of the test that fails, and ends one that hangs."""

    def __init__(self) -> None:
        self.failed: str | None = None
        self.took_too_long = False

    def pytest_runtest_logstart(self) -> None:
        signal.alarm(LONGEST)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.took_too_long:
            self.failed = self.failed or report.nodeid

    def stop(self, *_: Any) -> None:
        self.took_too_long = True
        raise KeyboardInterrupt


@contextmanager
def copied() -> Iterator[Path]:
    """Copy what tests need into a folder that is gone afterwards."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(IMPORTED_ONCE)
    with tempfile.TemporaryDirectory(prefix="clarus-mutants-") as folder:
        for name in (PACKAGE, "tests"):
            shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        yield Path(folder)


def run(copy: Path, fault: Fault | None, tests: Sequence[str], marks: str = "") -> Outcome:
    """Run tests up to the first that fails, in a process and a copy of their own.

    :param tests: what pytest is given
    :param marks: as ``pytest -m``
    """
    context = multiprocessing.get_context("forkserver")
    receiving, sending = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="clarus-mutant-") as own:
        shutil.copytree(copy, own, dirs_exist_ok=True)
        process = context.Process(target=_run, args=(sending, own, fault, tests, marks))
        process.start()
        sending.close()
        try:
            return Outcome(**receiving.recv()) if receiving.poll(FAR) else Outcome(hangs=True)
        except EOFError:
            return Outcome(cannot_begin=True)
        finally:
            # With all that the tests have left running.
            with suppress(ProcessLookupError):
                os.killpg(process.pid or 0, signal.SIGKILL)
            process.kill()
            process.join()


def _run(told: Connection, place: str, fault: Fault | None, tests: Sequence[str], marks: str) -> None:
    import hypothesis
    import pytest

    os.setsid()
    os.chdir(place)
    os.environ["PYTHONPATH"] = place
    sys.path[:] = [place, *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", PACKAGE)]:
        del sys.modules[name]
    if fault:
        file = Path(place, PACKAGE, fault.file)
        file.write_text(fault.broken(file.read_text()))
    noticing = Noticing()
    signal.signal(signal.SIGALRM, noticing.stop)
    with open(os.devnull, "w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    signal.alarm(LONGEST)
    # As the others, but that no smaller example is looked for: that takes minutes.
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile(
        "unshrunk", database=None, deadline=None, max_examples=4, phases=phases
    )
    options = ["-x", "-q", "-m", marks, "-W", "ignore", "-p", "no:cacheprovider"]
    options += ["--hypothesis-profile", "unshrunk"]
    status = pytest.main([*options, *tests], plugins=[noticing])
    signal.alarm(0)
    # Made by conftest.py, and removed at an exit that never comes.
    shutil.rmtree(os.environ["AIRFLOW_HOME"], ignore_errors=True)
    if noticing.took_too_long:
        told.send({"hangs": True})
    else:
        # A failure that is no test's: a file could not be imported, say.
        told.send({"failed": noticing.failed, "cannot_begin": status != 0 and not noticing.failed})


def main(words: Sequence[str]) -> int:
    """Break, test and tell; return the exit status."""
    mutants = [one for one in MUTANTS if not words or any(word in f"{one.name} {one.file}" for word in words)]
    for mutant in mutants:
        mutant.broken((ROOT / PACKAGE / mutant.file).read_text())
    with copied() as copy, ThreadPoolExecutor(AT_ONCE) as processes:
        every = sorted({mutant.test for mutant in mutants})
        if (without := run(copy, None, every)) != Outcome():
            print("Without a mutant, too:", without)
            return 1
        print("| mutant | in | noticed by |\n|---|---|---|")
        unnoticed = sum(
            _told(mutant, outcome)
            for mutant, outcome in zip(
                mutants,
                processes.map(lambda mutant: run(copy, mutant, [mutant.test]), mutants),
                strict=True,
            )
        )
    print(f"\n{len(mutants) - unnoticed} of {len(mutants)} mutants are noticed.")
    return 1 if unnoticed else 0


def _told(mutant: Mutant, outcome: Outcome) -> bool:
    by = outcome.failed.removeprefix("tests/") if outcome.failed else "**no test**"
    print(f"| {mutant.name} | {mutant.file} | {by} |", flush=True)
    return not outcome.failed
