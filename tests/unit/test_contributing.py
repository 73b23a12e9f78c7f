# SPDX-License-Identifier: Apache-2.0
"""What CONTRIBUTING.md says of the tree is true, and its tools are the same everywhere."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

import airflow_provider_clarus
from tests import modules

ROOT = modules.ROOT
TEXT = modules.CONTRIBUTING.read_text()
WHERE = re.findall(r"^\| (.+?) \| `([\w/.]+)` \| `(\S+)` \|$", TEXT, flags=re.MULTILINE)


def test_the_list_of_modules_is_that_of_the_tree() -> None:
    assert modules.shown() == modules.listed(), "python -m tests.modules"


def test_each_module_says_in_a_line_what_it_is() -> None:
    for line in filter(None, modules.listed().splitlines()):
        name, _, summary = line.partition(": ")
        assert 20 <= len(summary) <= 110, name
        assert summary.endswith("."), name


def test_the_drawing_has_every_room() -> None:
    drawing = TEXT.partition("## Where things are")[2].split("```")[1]
    parts = {path.stem for path in modules.PACKAGE.glob("*.py")}
    parts |= {path.parent.name for path in modules.PACKAGE.glob("*/__init__.py")}
    assert {part for part in parts - {"__init__"} if not re.search(rf"\b{part}\b", drawing)} == set()


@pytest.mark.parametrize(("what", "module", "name"), WHERE)
def test_what_is_looked_for_is_where_the_table_says(what: str, module: str, name: str) -> None:
    assert name in (modules.PACKAGE / module).read_text(), what


def test_the_table_tells_ten_places() -> None:
    assert len(WHERE) >= 10


def test_every_path_that_it_names_exists() -> None:
    named = re.findall(r"`((?:[\w.]+/)+[\w.]*|\w+\.(?:py|md|toml))`", TEXT)
    assert len(named) > 20
    for path in named:
        assert any((root / path).exists() for root in (ROOT, modules.PACKAGE, *modules.PACKAGE.iterdir())), (
            path
        )


@pytest.mark.parametrize("tool", ["ruff", "import-linter"])
def test_a_commit_is_checked_by_the_same_tools_as_a_change(tool: str) -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    pinned = re.findall(
        rf"^{tool}==(\S+)(?: ; python_full_version >= .*)?$", _read(".ci/constraints.txt"), re.M
    )
    assert set(re.findall(rf"\b{tool}==([\d.]+)", hooks)) == {pinned[-1]}


def test_the_quick_check_and_ci_check_the_same() -> None:
    def checks(text: str) -> set[str]:
        return set(re.findall(r"\b(ruff format --check|ruff check|mypy|lint-imports)\b", text))

    quick = re.sub(r'", "', " ", _read("noxfile.py"))
    assert (
        checks(quick)
        == checks(_read(".ci/run"))
        == {"ruff format --check", "ruff check", "mypy", "lint-imports"}
    )


def test_a_session_is_there_for_each_line_of_airflow() -> None:
    told = re.findall(r"`(?:nox -s )?(tests-[\d.-]+)`", TEXT)
    defined = re.findall(r'^    "([\d.-]+)": \(', _read("noxfile.py"), flags=re.MULTILINE)
    assert set(told) == {f"tests-{line}" for line in defined}


def test_the_version_stands_once() -> None:
    assert version("airflow-provider-clarus") == airflow_provider_clarus.__version__
    number = rf"[\"']{re.escape(airflow_provider_clarus.__version__)}[\"']"
    code = {path: path.read_text() for path in modules.PACKAGE.rglob("*.py")}
    places = [path for path, text in code.items() if re.search(rf"__version__ = {number}", text)]
    assert places == [modules.PACKAGE / "__init__.py"]
    assert not re.search(rf"^version = {number}", _read("pyproject.toml"), flags=re.MULTILINE)


def _read(path: str) -> str:
    return (ROOT / path).read_text()
