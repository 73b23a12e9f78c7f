# SPDX-License-Identifier: Apache-2.0
"""The plugin, as pytest loads it in somebody's project; tests/system runs its page from the wheel."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import readme

pytest_plugins = ["pytester"]

NAME = "airflow_provider_clarus.testing.plugin"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be loaded by its name: what is installed may be from before it had an entry point."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_it_imports_nothing_but_itself_and_pytest() -> None:
    probe = (
        f"import pytest, sys; old = set(sys.modules); import {NAME}; print(*sorted(set(sys.modules) - old))"
    )
    told = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout
    assert told.split() == ["airflow_provider_clarus", "airflow_provider_clarus.testing", NAME]


def test_a_run_that_does_not_use_it_loads_neither_airflow_nor_the_sandbox(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            heavy = {"airflow", "requests", "starlette", "graphql", "airflow_provider_clarus.sandbox"}
            assert not heavy & set(sys.modules)
            assert "airflow_provider_clarus.testing.plugin" in sys.modules
        """
    )
    pytester.runpytest_subprocess("-p", NAME).assert_outcomes(passed=1)


def test_the_fixtures_are_listed_with_what_they_are_for(pytester: pytest.Pytester) -> None:
    told = pytester.runpytest_subprocess("-p", NAME, "--fixtures").stdout.str()
    listed = readme.first_column("What there is")
    names = {name.strip("`").partition("(")[0] for name in listed if name.strip()} - {""}
    fixtures = {name for name in names if name.startswith("clarus_") or name == "assert_generated"}
    assert len(fixtures) == 5
    for name in fixtures:
        assert f"\n{name} -- " in told, name


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "graphql"])
def test_without_the_extra_it_says_which_one_to_install(pytester: pytest.Pytester, missing: str) -> None:
    pytester.makeconftest(f"import sys; sys.modules[{missing!r}] = None")
    pytester.makepyfile("def test_it(clarus_sandbox): pass")
    ran = pytester.runpytest_subprocess("-p", NAME)
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines([f"clarus_sandbox needs '{missing}*', which comes with the extra 'sandbox':"])
    ran.stdout.fnmatch_lines(["  pip install 'airflow-provider-clarus?sandbox?'"])
    ran.stdout.no_fnmatch_line("*Traceback*")
