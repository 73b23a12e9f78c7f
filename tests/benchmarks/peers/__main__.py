# SPDX-License-Identifier: Apache-2.0
"""This provider beside others, one table after the other: ``python -m tests.benchmarks.peers``."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.peers import imports, landings, tasks, waits
from tests.benchmarks.peers.triggers import TRIGGERS


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)} (default: all, in this order)"
    )
    parser.add_argument("--waiting", type=int, nargs="+", default=[1_000, 5_000])
    parser.add_argument("--seconds", type=float, default=60, help="that they wait (default: %(default)s)")
    parser.add_argument("--size", type=float, default=256, help="MiB that land (default: %(default)s)")
    parser.add_argument(
        "--turns", type=int, default=5, help="of imports, tasks and landings (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.tables) - set(TABLES):
        parser.error(f"there is no table {', '.join(unknown)}")
    load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load} before; ", end="")
    print(", ".join(f"{name} {version(name)}" for name in ("apache-airflow", *TRIGGERS)))
    with tempfile.TemporaryDirectory() as folder:
        # Others say at each look that they look, which a triggerer would write to files, for more CPU.
        quiet = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        os.environ |= {"AIRFLOW_HOME": folder, "TMPDIR": folder} | quiet
        for table in arguments.tables or TABLES:
            print()
            TABLES[table](arguments, Path(folder))


TABLES: dict[str, Callable[[argparse.Namespace, Path], None]] = {
    "waiting": lambda arguments, folder: waits.compare(arguments.waiting, arguments.seconds, folder),
    "imports": lambda arguments, _: imports.compare(arguments.turns),
    "tasks": lambda arguments, folder: tasks.compare(arguments.turns, folder),
    "landing": lambda arguments, folder: landings.compare(
        int(arguments.size * landings.MIB), arguments.turns, folder
    ),
}

if __name__ == "__main__":
    main()
