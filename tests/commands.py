# SPDX-License-Identifier: Apache-2.0
"""Hold a shown command to the program that it starts: its own parser reads it, and nothing is run.

Airflow's parser is the installed one's, and so is pytest's; what nox would run, noxfile.py tells.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from importlib.metadata import metadata, version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
AIRFLOW = tuple(map(int, version("apache-airflow").split(".")[:2]))
#: What older lines of Airflow lack: words of a command, and options of airflow.cfg.
COMMANDS_SINCE = {("backfill", "create"): (3, 0), ("triggerer", "--queues"): (3, 2)}
OPTIONS_SINCE = {("triggerer", "queues_enabled"): (3, 2), ("scheduler", "batch_asset_events"): (3, 4)}


def check(script: str, config: pytest.Config) -> None:
    """Check each command of a script of bash.

    :raises AssertionError: which says what is wrong with it
    """
    for words in _commands(script.replace(".venv/bin/", "")):
        _program(words, config)


#: A bash that finds no program, and may start none by its path (``-r``), hands each command to this.
TELL = """
command_not_found_handle() { printf '%s\\0' "$@" $'\\n'; }
echo() { command_not_found_handle echo "$@"; }
export() { command_not_found_handle export "$@"; }
"""


def _commands(script: str) -> list[list[str]]:
    """Return the words of each command, as bash has read and expanded them."""
    bash = shutil.which("bash")
    assert bash
    assert "|" not in script, "what is told before a pipe is not seen"
    told = subprocess.run(
        [bash, "-r", "-c", TELL + script], env={"PATH": "/none"}, cwd=ROOT, text=True, capture_output=True
    )
    assert not told.returncode, told.stderr
    assert not told.stderr
    commands = told.stdout.removesuffix("\n\0").split("\n\0")
    return [command.removesuffix("\0").split("\0") for command in commands]


def _program(words: Sequence[str], config: pytest.Config) -> None:
    program, *rest = words
    assert "…" not in " ".join(words), "nobody can paste that"
    match program:
        case "airflow":
            _airflow(rest)
        case "nox":
            _nox(rest, config)
        case "pytest":
            _pytest(rest, config)
        case "python" | "python3" if rest[:1] == ["-m"]:
            _module(rest[1:], config)
        case "pip" if rest[:1] == ["install"]:
            _install(rest[1:])
        case "uv":
            _uv(rest)
        case "export":
            for word in rest:
                name, _, value = word.partition("=")
                check_variable(name, value)
        case "echo" | "git" | "uvx":
            pass  # not of this repository
        case _:
            raise AssertionError(f"nothing here knows what {program!r} takes")


def _parse(parse: Callable[[], Any]) -> None:
    """Let argparse parse, and say what it says."""
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            parse()
    except SystemExit as error:
        if error.code:  # it is 0 after --help
            raise AssertionError(said.getvalue()) from None


@cache
def _airflow_parser() -> argparse.ArgumentParser:
    from airflow.cli.cli_parser import get_parser

    return get_parser()


def _airflow(words: list[str]) -> None:
    if words[0] == "clarus":
        from airflow_provider_clarus.cli.definition import get_parser

        _parse(lambda: get_parser().parse_args(words[1:]))
        if AIRFLOW < (3, 2):
            return  # there it is `python -m airflow_provider_clarus`
    for lacking, since in COMMANDS_SINCE.items():
        if set(lacking) <= set(words) and since > AIRFLOW:
            pytest.skip(f"airflow {' '.join(lacking)} is of {since[0]}.{since[1]}")
    _parse(lambda: _airflow_parser().parse_args(words))


@cache
def sessions() -> dict[str, Callable[[Any], None]]:
    """Return the sessions of noxfile.py by name; each may be called with something that has ``run``."""
    found: dict[str, Callable[[Any], None]] = {}

    def session(function: Any = None, *, name: str | None = None, **_: Any) -> Any:
        if function is None:
            return lambda function: session(function, name=name)
        found[name or function.__name__] = function
        return function

    nox: Any = ModuleType("nox")
    nox.session, nox.options = session, SimpleNamespace()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "nox", nox)
        runpy.run_path(str(ROOT / "noxfile.py"))
    return found


def _nox(words: list[str], config: pytest.Config) -> None:
    """Check what the session would run with the words after ``--``."""
    option, name, *rest = words
    assert option == "-s"
    assert name in sessions(), name
    assert not rest or rest[0] == "--"
    ran: list[tuple[str, ...]] = []
    session = SimpleNamespace(
        posargs=rest[1:],
        create_tmp=tempfile.mkdtemp,
        install=lambda *_: None,
        run_install=lambda *_, **__: "",
        run=lambda *words: ran.append(words),
    )
    sessions()[name](session)
    assert ran
    for command in ran:
        if command[0] in ("pytest", "python"):
            _program(command, config)
        elif command[:3] == ("coverage", "run", "-m"):
            _module(list(command[3:]), config)


def _pytest(words: list[str], config: pytest.Config) -> None:
    try:
        known, unknown = config._parser.parse_known_and_unknown_args(words)
    except pytest.UsageError as error:
        raise AssertionError(str(error)) from None
    assert not unknown
    markers = {line.partition(":")[0] for line in config.getini("markers")}
    assert set(re.findall(r"\w+", known.markexpr)) - {"not", "and", "or"} <= markers
    for path in known.file_or_dir:
        assert (ROOT / path).exists(), path


def _module(words: list[str], config: pytest.Config) -> None:
    match words:
        case ["pytest", *rest]:
            _pytest(rest, config)
        case ["pip", "install", *rest]:
            _install(rest)
        case ["venv", _]:
            pass
        case [name, *rest]:
            source = _source(name)
            assert '__name__ == "__main__"' in source, name
            if "parse_args(" in source:
                _run_to_its_parser(name, rest)
            else:
                assert not rest
        case _:
            raise AssertionError("of which module?")


def _source(name: str) -> str:
    """Return the source of what ``python -m`` would run."""
    spec = find_spec(name)
    if spec and spec.submodule_search_locations:
        spec = find_spec(f"{name}.__main__")
    assert spec, name
    assert spec.origin, name
    return Path(spec.origin).read_text()


class _ParsedError(Exception):
    """The words were parsed: now the module would begin."""


def _run_to_its_parser(name: str, words: list[str]) -> None:
    """Run a module that parses its words before it does anything, until it has."""
    parse_args = argparse.ArgumentParser.parse_args

    def only_parse(self: Any, *arguments: Any, **named: Any) -> None:
        _parse(lambda: parse_args(self, *arguments, **named))
        raise _ParsedError

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # Some are imported already, and are now run as well.
        warnings.simplefilter("ignore", RuntimeWarning)
        patch.setattr(sys, "argv", [name, *words])
        patch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
        with pytest.raises(_ParsedError):
            runpy.run_module(name, run_name="__main__", alter_sys=True)


def _install(words: Sequence[str]) -> None:
    """Check what ``pip install`` would read: its files are there, and so are the extras."""
    rest = iter(words)
    named = 0
    for word in rest:
        match word:
            case "-c" | "-r":
                assert (ROOT / next(rest)).exists()
            case "--python":
                next(rest)
            case "-e" | "-q":
                pass
            case _:
                assert not word.startswith("-"), word
                here = word.startswith(".")
                wanted = Requirement(f"airflow-provider-clarus{word[1:]}" if here else word)
                if wanted.name == "airflow-provider-clarus":
                    assert wanted.extras <= _extras(), word
                named += 1
    assert named


def _extras() -> set[str]:
    return set(metadata("airflow-provider-clarus").get_all("Provides-Extra") or ())


def _uv(words: list[str]) -> None:
    """Check what is ours of it: uv itself is not among what tests need."""
    match words:
        case ["pip", "install", *rest]:
            _install(rest)
        case ["pip", "compile", *rest]:
            for option, value in pairwise(rest):
                assert option != "--extra" or value in _extras()
                assert option != "-c" or (ROOT / value).exists()
        case ["venv" | "tool" | "build" | "publish", *_]:
            pass
        case _:
            raise AssertionError(f"nothing here knows 'uv {words[0]}'")


def check_variable(name: str, value: str) -> None:
    """Check an environment variable: if it is Airflow's, it is an option that there is."""
    if found := re.fullmatch(r"AIRFLOW__(.+?)__(.+)", name):
        check_option(found[1].lower(), found[2].lower())
    else:
        assert re.fullmatch(r"AIRFLOW_HOME|AIRFLOW_(CONN|VAR)_[A-Z0-9_]+", name), name
    if value.startswith("{"):
        json.loads(value)


def check_option(section: str, option: str) -> None:
    """Check that Airflow, or one of its installed providers, has an option in its configuration."""
    since = OPTIONS_SINCE.get((section, option), (2, 11))
    if since > AIRFLOW:
        pytest.skip(f"[{section}] {option} is of {since[0]}.{since[1]}")
    if section == "celery":
        # Its provider is not among what tests need: tests/cluster has an Airflow with it.
        assert f'"celery.{option}"' in (ROOT / "tests" / "cluster" / "machines.py").read_text()
    else:
        assert option in _options().get(section, ()), f"[{section}] {option}"


@cache
def _options() -> dict[str, set[str]]:
    from airflow.configuration import conf
    from airflow.providers_manager import ProvidersManager

    ProvidersManager().initialize_providers_configuration()
    return {name: set(section["options"]) for name, section in conf.configuration_description.items()}
