# SPDX-License-Identifier: Apache-2.0
"""Every block and command of the README and the pages in docs is run here, or parsed, or held elsewhere."""

from __future__ import annotations

import configparser
import io
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from secrets import token_hex
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_clarus.__main__ import main
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, ReportQuery
from airflow_provider_clarus.testing.clarus import ClarusSandbox
from tests import commands, readme
from tests.integration.landing import stores
from tests.integration.tasks import context

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

# One S3 server and one import of Airflow's commands for all.
pytestmark = pytest.mark.xdist_group("documentation")

#: What a block begins with that older lines of Airflow cannot import.
SINCE = {
    "from airflow.sdk import DAG, Asset, AssetWatcher\n": (3, 0),
    "from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, StartOfDayMapper\n": (3, 3),
    "from airflow.sdk import CronPartitionTimetable\n": (3, 3),
    "from datetime import timedelta\n\nfrom airflow_provider_clarus.retry_policy import": (3, 3),
}
#: What a block of Python prints, by page.
PRINTS = {
    "catalogue.md": r"\[Report\(id=7, name='Stock Summary'.*\]\nReport\(id=7, .*",
    "dags.md": r"Document\(id=1, .*\n\[Report\(id=7, .*",
    "sandbox.md": r"clarus://.*",
}
#: Blocks that other tests hold, by page and first line.
HELD = {
    ("CONTRIBUTING.md", " what a DAG says"): "unit/test_contributing.py::test_the_drawing_has_every_room",
    ("connection.md", "clarus://"): "integration/test_readme.py::test_the_uri_and_the_json_mean_the_same",
    ("first-report.md", ". .venv/bin/activate"): "system/test_demo.py::test_a_first_report_lands",
    ("first-report.md", "head landed"): "system/test_demo.py::test_a_first_report_lands",
    ("metrics.md", "airflow.clarus."): "system/test_leaks.py::test_metrics_tell_of_workers",
    ("testing.md", "import pendulum\nfrom dags.stock"): "system/test_demo.py::test_a_users_own_test_runs",
    ("testing.md", "import math"): "system/test_demo.py::test_a_users_own_test_runs",
}
TASKS = ReportQuery(2, "Tasks", "query t($created_at_from: Chronic, $user_id: ID) { tasks { id } }")


def held(block: readme.Shown) -> list[tuple[str, str]]:
    """Return its key in ``HELD``, if it has one."""
    return [(page, begins) for page, begins in HELD if block.page == page and block.text.startswith(begins)]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An S3 server with the buckets that the pages name, as ``aws_default``."""
    with stores.moto(tmp_path_factory.mktemp("moto")) as store, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", str(store.connection))
        for bucket in ("bucket", "reports"):
            S3Hook("aws_default").create_bucket(bucket_name=bucket)
        yield


@pytest.fixture
def clarus(
    clarus_sandbox: ClarusSandbox,
    clarus_connection: Callable[..., str],
    clarus_clock: None,
) -> ClarusSandbox:
    """A sandbox with the two reports of the pages, in which waiting takes no time."""
    clarus_sandbox.report(7, name="Stock Summary", query=STOCK_QUERY, seconds=1)
    clarus_sandbox.report(9, name="Open tasks", query=TASKS, owner="somebody-else")
    return clarus_sandbox


@pytest.fixture
def run(
    clarus: ClarusSandbox, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Callable[[readme.Shown], None]]:
    """What is done with a block, by its language."""

    def python(block: readme.Shown) -> None:
        for begins, since in SINCE.items():
            if block.text.startswith(begins) and since > commands.AIRFLOW:
                pytest.skip(f"{block} is of {since[0]}.{since[1]}")
        if "s3://aws_default@" in block.text:
            request.getfixturevalue("s3")
        if re.search(r"^with DAG\(", block.text, re.MULTILINE):
            import_dags(block, tmp_path)
        else:
            execute(block)

    def bash(block: readme.Shown) -> None:
        commands.check(block.text, request.config)

    def console(block: readme.Shown) -> None:
        commands.check("\n".join(re.findall(r"^\$ (.*)$", block.text, re.MULTILINE)), request.config)
        monkeypatch.setenv("COLUMNS", "200")
        # As long as its own, since tables are as wide as that; and another test's, or user's, may be there.
        folder = f"/tmp/{token_hex(3)}"
        try:
            assert_said_as_shown(block.text.replace("/tmp/clarus", folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return {"python": python, "bash": bash, "console": console, "ini": check_ini, "json": check_json}


@pytest.mark.parametrize("block", readme.fenced(), ids=str)
def test_a_block(block: readme.Shown, run: dict[str, Callable[[readme.Shown], None]]) -> None:
    if not held(block):
        assert block.language in run, "nobody says how this is checked"
        run[block.language](block)


def test_what_others_hold_is_there_and_so_are_they() -> None:
    assert [key for block in readme.fenced() for key in held(block)] == list(HELD)
    for test in HELD.values():
        path, _, name = test.partition("::")
        assert f"\ndef {name}" in Path(__file__).parents[1].joinpath(path).read_text()


def import_dags(block: readme.Shown, folder: Path) -> dict[str, Any]:
    """Have Airflow read it as a file of DAGs; return them by id."""
    (folder / "shown.py").write_text(block.text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        bag = DagBag(folder / "shown.py")
    assert not bag.import_errors
    assert len(bag.dags) == block.text.count("DAG(")
    return dict(bag.dags)


def execute(block: readme.Shown) -> None:
    """Execute it; then the tasks that it makes, which are in no DAG of its own, and its default arguments."""
    said = io.StringIO()
    names: dict[str, Any] = {}
    with DAG("shown", schedule=None, start_date=pendulum.datetime(2024, 1, 1)) as dag:
        with redirect_stdout(said):
            exec(compile(block.text, str(block), "exec"), names)
        if "default_args" in names:
            ClarusGenerateReportOperator(task_id="takes_them", report_id=7, **names["default_args"])
    printed = "\n".join(without_chance(said.getvalue()))
    assert dag.tasks or printed or "schedule" in names
    if printed:
        assert re.fullmatch(PRINTS[block.page], printed)
    start = pendulum.datetime(2024, 1, 15, 6)
    values = context(ds="2024-01-15", data_interval_start=start, data_interval_end=start.add(days=1))
    for task in dag.tasks:
        task.render_template_fields(values)
        landed = task.execute(values)
        assert task.task_id == "takes_them" or landed["uri"].endswith("/stock/2024-01-15.csv")


def check_ini(block: readme.Shown) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(block.text)
    for section in parser.sections():
        for option in parser[section]:
            commands.check_option(section, option)


def check_json(block: readme.Shown) -> None:
    assert json.loads(block.text)


def assert_said_as_shown(sample: str) -> None:
    """Run the commands of this package, and hold what they say to what is shown; a last ``…`` is the rest."""
    code = 0
    for shown in re.split(r"^\$ ", sample, flags=re.MULTILINE)[1:]:
        command, *expected = without_chance(shown)
        program, *words = shlex.split(command)
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            if program == "airflow":
                code = exit_code(words[1:])
            else:
                assert command == "echo $?"
                print(code)
        told = without_chance(said.getvalue())
        if expected[-1] == "…":
            expected.pop()
            told = told[: len(expected)]
        assert told == expected


def exit_code(words: list[str]) -> int:
    """Run ``airflow clarus`` with these words, and end as Python does."""
    try:
        main(words)
    except SystemExit as error:
        print(error.code)
        return 1
    return 0


def without_chance(text: str) -> list[str]:
    """Return the lines, without what differs from run to run, such as times, and Airflow 2's own."""
    chance = r"127\.0\.0\.1:\d+|[\d.]+ s \([\d.]+ k?B/s\)|(?<=Airflow )[\w.]+|(?<=Python )[\d.]+|[\d-]{10}; a"
    lines = [re.sub(chance, "~", line.rstrip()) for line in text.splitlines() if line.strip()]
    return [line for line in lines if not re.match(r"\[20\d\d-", line)]


COMMAND = re.compile(r"(airflow|nox|uv|\S*python3? -m|pip install|pytest) .+")
OPTION = re.compile(r"\[(\w+)\] (\w+)(?: = \S+)?|AIRFLOW__([A-Z]+)__([A-Z_]+)")
#: Commands that a text names, without a word of what they need.
NAMED = ("airflow clarus", "python -m airflow_provider_clarus", "python -m airflow_provider_clarus.login")


def in_texts(pattern: re.Pattern[str]) -> list[Any]:
    found = [shown for shown in readme.quoted() if pattern.fullmatch(shown.text)]
    return [pytest.param(shown.text, id=f"{shown}: {shown.text}") for shown in found]


@pytest.mark.parametrize("command", in_texts(COMMAND))
def test_a_command_in_a_text(command: str, request: pytest.FixtureRequest) -> None:
    commands.check(f"{command} --help" if command in NAMED else command, request.config)


@pytest.mark.parametrize("option", in_texts(OPTION))
def test_an_option_in_a_text(option: str) -> None:
    found = OPTION.fullmatch(option)
    assert found
    commands.check_option(*(name.lower() for name in found.groups() if name))


@pytest.mark.parametrize(
    "command",
    [
        "airflow pool set clarus 8 text",
        "airflow pools set clarus eight text",
        "airflow clarus reports generate 7 --variables a=b --destination file:///tmp/",
        "airflow db migrate && airflow db migrated",
        "nox -s chek",
        "nox -s chaos -- --reprots 5",
        "nox -s tests-3.3 -- tests/unit/varibles",
        "nox -s mutants -- --random many",
        "pytest -m lng",
        "pytest --dist loadgruop",
        "python -m pytest --ni",
        "python -m airflow_provider_clarus.login --tenant TENANT",
        "python -m airflow_provider_clarus.sandbx",
        "python -m airflow_provider_clarus.demo --fast",
        "pip install 'airflow-provider-clarus[s4]'",
        "pip install -c .ci/constraint.txt '.[s3]'",
        "uv pip install '.[tests]'",
        "export AIRFLOW__CORE__DAG_FOLDER=dags",
        "export AIRFLOW__OPENLINEAGE__TRANSPORT='{\"type\": http}'",
        "airflow db migrate (",
        "airflow backfill create … --max-active-runs 8",
        "arflow db migrate",
        "/usr/bin/airflow db migrate",
        "for name in one two; do airflow variables put $name 1; done",
    ],
)
def test_a_wrong_command_is_noticed(command: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises((AssertionError, ValueError)):
        commands.check(command, request.config)


@pytest.mark.skipif(commands.AIRFLOW < (3, 0), reason="Airflow 2 has no watchers")
def test_the_template_for_a_watched_document_finds_its_id(tmp_path: Path) -> None:
    [block] = [block for block in readme.fenced() if block.page == "watching.md"]
    [dag] = import_dags(block, tmp_path).values()
    task = dag.get_task("land")
    events = {"x-clarus://acme/stock-by-hand": [SimpleNamespace(extra={"payload": {"id": 5}})]}
    assert task.render_template(task.document_id, {"triggering_asset_events": events}) == "5"
