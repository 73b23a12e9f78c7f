# SPDX-License-Identifier: Apache-2.0
"""The demo command of the README, as a stranger runs it in a fresh clone, and with an installed wheel."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests import readme
from tests.integration.landing.stores import free_ports
from tests.system.conftest import REPOSITORY

pytestmark = pytest.mark.long

CONSTRAINTS = REPOSITORY / ".ci" / "constraints.txt"
# A stranger's: nothing of this project's, and no Airflow.
ENVIRONMENT = {
    key: value
    for key, value in os.environ.items()
    if not key.startswith(("AIRFLOW", "VIRTUAL_ENV", "PYTHONPATH"))
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what git would bring; the environment that the first demo makes in it serves all."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel of this tree installed, without extras."""
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "venv" / "bin" / "python"
    _run(Path(sys.base_prefix) / "bin" / "python3", "-m", "venv", folder / "venv")
    _run(python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, REPOSITORY)
    (wheel,) = folder.glob("*.whl")
    _run(python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, wheel)
    return python


def _run(*command: str | Path, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT | env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def demo(clone: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo, started with a Python that has nothing installed; interrupted if the test does not end it."""
    found = re.search(r"<!-- run: demo -->\n```bash\n(.+)\n```", readme.TEXT)
    assert found
    _, *arguments = shlex.split(found[1])
    with subprocess.Popen(
        [str(Path(sys.base_prefix) / "bin" / "python3"), *arguments],
        cwd=clone,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)


@pytest.fixture
def unknown_report(clone: Path) -> Iterator[None]:
    """Let the example DAG ask for a report that the sandbox has not got."""
    dag = clone / "dags_examples" / "clarus_daily_report.py"
    text = dag.read_text()
    dag.write_text(text.replace("'clarus_report_id', '7'", "'clarus_report_id', '8'"))
    yield
    dag.write_text(text)


def test_a_stranger_sees_the_report_land(demo: subprocess.Popen[str], clone: Path) -> None:
    said, _ = demo.communicate(timeout=600)

    assert demo.returncode == 0, said
    assert_it_has_landed(said, clone)


def test_it_runs_from_the_wheel_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    command = [installed, "-m", "airflow_provider_clarus.demo"]
    without = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert without.returncode == 1
    assert list(tmp_path.iterdir()) == []
    remedy = re.search(r"^  pip (.+)$", without.stderr, re.MULTILINE)
    assert remedy, without.stderr
    _run(installed, "-m", "pip", *shlex.split(remedy[1]), "-q", "-c", CONSTRAINTS)

    said = _run(*command, cwd=tmp_path).stdout

    assert_it_has_landed(said, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".demo"]


def test_a_users_own_test_runs_as_its_page_shows_it(installed: Path, tmp_path: Path) -> None:
    """In a project with nothing but the wheel, what it requires, and pytest."""
    [install] = [line for line in readme.blocks("bash", "Test your DAGs") if line.startswith("pip ")]
    _run(installed, "-m", *shlex.split(install), "-q", "-c", CONSTRAINTS)
    shown = readme.section("In ten lines")
    names = re.findall(r"`((?:dags|tests)/\w+\.py)`:$", shown, re.MULTILINE)
    codes = [*readme.blocks("python", "In ten lines"), *readme.blocks("python", "Failures and time")]
    for name, code in zip([*names, "tests/test_failures.py"], codes, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    [commands] = readme.blocks("bash", "In ten lines")

    path = f"{installed.parent}:{os.environ['PATH']}"
    said = _run("bash", "-euc", commands, cwd=tmp_path, PATH=path).stdout

    assert re.search(r"^=+ 4 passed\b.* in ", said, re.MULTILINE), said
    assert (tmp_path / ".airflow" / "airflow.db").exists()


@contextmanager
def terminal(commands: str, folder: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A terminal in which somebody has typed commands, and types Ctrl-C in the end."""
    process = subprocess.Popen(
        ["bash", "-euc", commands],
        cwd=folder,
        env=ENVIRONMENT | env,
        stdin=subprocess.DEVNULL,
        stdout=(folder / f"terminal-{time.monotonic_ns()}.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    with process:
        try:
            yield process
            os.killpg(process.pid, signal.SIGINT)
            # Airflow 3.3 may hang where it meets its own SIGTERM on the way: then the terminal is closed.
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def is_on(url: str, passwords: Path, dag_id: str) -> bool:
    """Switch a DAG on, as the browser of who has signed in does; tell whether it is there already."""
    with requests.Session() as browser, suppress(requests.ConnectionError, FileNotFoundError):
        browser.trust_env = False
        user = {"username": "admin", "password": json.loads(passwords.read_text())["admin"]}
        token = browser.post(f"{url}/auth/token", json=user, timeout=60).json()["access_token"]
        browser.headers["Authorization"] = f"Bearer {token}"
        switched = browser.patch(f"{url}/api/v2/dags/{dag_id}", json={"is_paused": False}, timeout=60)
        return switched.status_code == 200
    return False


def test_a_first_report_lands_as_its_page_shows_it(installed: Path, tmp_path: Path) -> None:
    """In an empty folder, with the page's own commands; the ports alone are others."""
    clarus, api, *logs = free_ports(4)
    url = f"http://127.0.0.1:{api}"
    env = {
        "PATH": f"{Path(sys.base_prefix) / 'bin'}:{os.environ['PATH']}",
        "PIP_FIND_LINKS": str(installed.parents[2]),
        "PIP_CONSTRAINT": str(CONSTRAINTS),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "AIRFLOW__API__PORT": str(api),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(logs[0]),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(logs[1]),
    }
    steps = ("1. Install", "2. Start a Clarus", "3. Connect", "5. Run it", "6. Look at the file")
    shown = [readme.blocks("bash", step) for step in (*steps, "The same with your tenant")]
    install, sandbox, connect, run, look, with_a_tenant = (
        block.replace("8765", str(clarus)) for [block] in shown
    )
    [code] = readme.blocks("python", "4. Write a DAG")
    [name] = re.findall(r"^In the file `(.+)`:$", readme.section("4. Write a DAG"), re.MULTILINE)
    [connection] = re.findall(r"^export AIRFLOW_CONN.+$", connect, re.MULTILINE)
    # Who does all of it again, now with a tenant: the sandbox is as good as any.
    as_a_tenant, count = re.subn(
        r"clarus://CLIENT_ID:.*@clarus-api.com/TENANT", connection.split("'")[1], with_a_tenant
    )
    assert count == 1

    _run("bash", "-euc", install, cwd=tmp_path, **env)
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(code)

    def until(process: subprocess.Popen[bytes], condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 400
        while not condition():
            assert process.poll() is None, _terminals(tmp_path)
            assert time.monotonic() < deadline, _terminals(tmp_path)
            time.sleep(0.5)

    with ExitStack() as terminals:
        second = terminals.enter_context(terminal(sandbox, tmp_path, env))
        # It prints what the page says.
        until(second, lambda: connection in _terminals(tmp_path))
        airflow = terminals.enter_context(terminal(f"{connect}\n{run}", tmp_path, env))
        passwords = tmp_path / "airflow" / "simple_auth_manager_passwords.json.generated"
        until(airflow, lambda: is_on(url, passwords, "first_report"))
        until(airflow, lambda: list(tmp_path.glob("landed/*/stock.csv")))
        asked = _run("bash", "-euc", f"{connect}\n{as_a_tenant}", cwd=tmp_path, **env)

    assert second.returncode == 0
    assert "Token, tenant 'acme' and the query for documents are all right." in asked.stdout
    assert 'dag_id="clarus_stock_by_location"' in asked.stdout
    [file] = tmp_path.glob("landed/*/stock.csv")
    assert _run("bash", "-euc", look, cwd=tmp_path, **env).stdout == file.read_text()


def _terminals(folder: Path) -> str:
    return "\n".join(file.read_text(errors="replace") for file in sorted(folder.glob("terminal-*.log")))


def test_what_the_wheel_requires_goes_together(installed: Path) -> None:
    _run(installed, "-m", "pip", "check")


TELL_LINKS = """
import re
from importlib.metadata import distribution

told = distribution("airflow-provider-clarus").metadata
print(told["Author"], told.get_all("Project-URL"))
text = told.get_payload() or told["Description"]
assert "# ClarusWMS for Apache Airflow" in text
print(*re.findall(r"]\\(([^)]+)\\)", text))
"""


def test_the_readme_on_an_index_has_no_link_into_the_repository(installed: Path, tmp_path: Path) -> None:
    who, links = _run(installed, "-c", TELL_LINKS, cwd=tmp_path).stdout.splitlines()
    assert "maintainers" in who
    assert "https://clarus-api.com" in who
    assert [link for link in links.split() if not link.startswith("https://")] == []


LIST_BUNDLES = """
import json
from airflow.dag_processing.bundles.manager import DagBundlesManager

print(json.dumps({bundle.name: str(bundle.path) for bundle in DagBundlesManager().get_all_dag_bundles()}))
"""


def test_airflow_lists_the_examples_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    """From 3.3 on, with ``load_examples``."""
    settings = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "True"}
    said = _run(installed, "-c", LIST_BUNDLES, cwd=tmp_path, **settings).stdout
    examples = Path(json.loads(said.splitlines()[-1])["airflow-provider-clarus-example-dags"])
    source = REPOSITORY / "dags_examples"
    assert {path.name: path.read_text() for path in examples.glob("*.py")} == {
        path.name: path.read_text() for path in source.glob("*.py")
    }


def assert_it_has_landed(said: str, folder: Path) -> None:
    for task in ("generate", "wait", "download"):
        assert re.search(rf"^Task +{task} +success +[\d.]+ s$", said, re.MULTILINE), said
    assert re.search(r"wait +deferred$", said, re.MULTILINE), said
    assert re.search(r"^Document +\d+$", said, re.MULTILINE), said
    landed = re.search(r"^Landed +file://(\S+), (\d+) bytes", said, re.MULTILINE)
    assert landed, said
    file = Path(landed[1])
    assert file.is_relative_to(folder / ".demo")
    assert file.stat().st_size == int(landed[2])
    assert file.read_text().splitlines()[0] in said
    assert re.search(r"^Requests +1 token, .*\b1 generate, 1 download, 1 file$", said, re.MULTILINE), said
    assert re.search(r"^Time +install .+, database .+, start .+, run .+, stop", said, re.MULTILINE), said


def test_a_failure_names_the_task_and_shows_why(unknown_report: None, demo: subprocess.Popen[str]) -> None:
    said, _ = demo.communicate(timeout=180)

    assert demo.returncode == 1
    assert "FAILED: not every task of clarus_daily_report succeeded" in said
    assert "generate is failed" in said
    assert "ClarusNotFoundError" in said


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_nothing_is_left_running_when_the_demo_is_interrupted(
    demo: subprocess.Popen[str], number: signal.Signals, exit_code: int
) -> None:
    assert demo.stdout
    for line in demo.stdout:
        if re.search("wait +deferred", line):
            break
    started = psutil.Process(demo.pid).children(recursive=True)
    commands = str([process.as_dict(["cmdline"])["cmdline"] for process in started])
    for part in ("airflow_provider_clarus.sandbox", "scheduler", "triggerer", "worker"):
        assert part in commands

    demo.send_signal(number)
    demo.stdout.read()

    assert demo.wait(timeout=60) == exit_code
    assert [process for process in started if is_alive(process)] == []


def is_alive(process: psutil.Process) -> bool:
    """Tell whether it runs; one that has ended and that nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
