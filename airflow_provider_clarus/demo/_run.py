# SPDX-License-Identifier: Apache-2.0
"""Run the demo, once its environment is there: the example DAG in a throw-away Airflow, and a sandbox."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import requests

import airflow_provider_clarus
from airflow_provider_clarus.demo.airflow_api import LocalAirflowError, TaskInstance
from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.demo.processes import BackgroundProcess, stop_all

PACKAGE = Path(airflow_provider_clarus.__file__).parent
#: Where the wheel has the example DAGs, and where a clone has them.
EXAMPLES = (PACKAGE / "example_dags", PACKAGE.parent / "dags_examples")
DAG_ID = "clarus_daily_report"
REPORT_SECONDS = 5
"""Long enough for the sensor to find the report unfinished, and to defer."""
SANDBOX_TIMEOUT = 30
RUN_TIMEOUT = 120


def main() -> int:
    """Run the demo; 0 when the report has landed, 1 when something failed, 130 after Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit)
    demo = Demo(Path.cwd() / ".demo", started=float(sys.argv[1]))
    try:
        with demo.alone():
            demo.run()
    except LocalAirflowError as error:
        demo.say(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        demo.say("Interrupted; nothing is left running")
        return 130
    return 0


class Demo:
    """One run of the demo."""

    def __init__(self, folder: Path, started: float):
        """Take the folder to work in, and when the demo began, in seconds since the epoch."""
        self.started = started
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.lock = folder / "lock"
        self.home = folder / "airflow"
        self.landed = folder / "landed"
        self.sandbox_log = folder / "sandbox.log"
        self.seconds = {"install": time.time() - started}

    def run(self) -> None:
        """Start everything, run the DAG, stop everything, and print what came of it."""
        for old in (self.home, self.landed):
            shutil.rmtree(old, ignore_errors=True)
        self.sandbox_log.unlink(missing_ok=True)
        with ExitStack() as started:
            with self.step("sandbox", "Starting a Clarus sandbox"):
                url, connection = started.enter_context(self.sandbox())
            airflow = LocalAirflow(
                self.home,
                dags_folder=next(filter(Path.is_dir, EXAMPLES)),
                connections={"clarus_default": connection},
                env={"AIRFLOW_VAR_CLARUS_DESTINATION": f"file://{self.landed}"},
            )
            with self.step("database", f"Making Airflow's database in {self.home}"):
                airflow.migrate()
            with self.step("start", "Starting API server, scheduler, DAG processor and triggerer"):
                started.callback(airflow.stop)
                airflow.start()
            with self.step("run", f"Running {DAG_ID}; watch it on {airflow.url}"):
                run_id, tasks = self.run_dag(airflow)
            summary = [*_task_lines(tasks), *self.landing_lines(airflow, run_id), _request_line(url)]
            with self.step("stop", "Stopping"):
                started.close()
        total = time.time() - self.started
        steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        _print("", *summary, f"Time      {steps}; {total:.0f} s in all")

    def say(self, text: str) -> None:
        """Print a line with the seconds since the beginning."""
        _print(f"{time.time() - self.started:6.1f} s  {text}")

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        """Announce a step, and measure it for the summary."""
        self.say(text)
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Refuse to run beside another demo in the same folder, whose files this one would delete."""
        with self.lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LocalAirflowError(f"another demo runs in {self.lock.parent}.") from None
            yield

    @contextmanager
    def sandbox(self) -> Iterator[tuple[str, str]]:
        """Run a sandbox as a process of its own, and yield its address and its connection's URI."""
        sandbox = BackgroundProcess(
            "sandbox",
            [sys.executable, "-m", "airflow_provider_clarus.sandbox", "--seconds", str(REPORT_SECONDS)],
            log=self.sandbox_log,
            env=os.environ,
            cwd=self.folder,
        )
        try:
            sandbox.start()
            yield _addresses(sandbox)
        finally:
            stop_all([sandbox], timeout=2)

    def run_dag(self, airflow: LocalAirflow) -> tuple[str, list[TaskInstance]]:
        """Run the DAG for its last interval, telling each change of a task's state."""
        run_id = airflow.scheduled_run(DAG_ID)
        tasks: list[TaskInstance] = []
        told: dict[str, str | None] = {}
        try:
            for tasks in airflow.watch(DAG_ID, run_id, RUN_TIMEOUT):
                for task in tasks:
                    if task.state and told.get(task.task_id) != task.state:
                        self.say(f"  {task.task_id:<9} {task.state}")
                    told[task.task_id] = task.state
        except LocalAirflowError as error:
            _fail(str(error), airflow, run_id, tasks)
        if any(task.state != "success" for task in tasks):
            _fail(f"not every task of {DAG_ID} succeeded.", airflow, run_id, tasks)
        return run_id, tasks

    def landing_lines(self, airflow: LocalAirflow, run_id: str) -> list[str]:
        """Describe the document and its file, which must be there."""
        receipt = airflow.xcom(DAG_ID, run_id, "download")
        file = Path(receipt["uri"].removeprefix("file://"))
        if not file.is_file():
            raise LocalAirflowError(f"{receipt['uri']} was reported, but there is no such file.")
        lines = file.read_text().splitlines()
        return [
            f"Document  {airflow.xcom(DAG_ID, run_id, 'generate')}",
            f"Landed    {receipt['uri']}, {file.stat().st_size} bytes, {len(lines)} lines:",
            *(f"          {line}" for line in lines[:4]),
        ]


def _addresses(sandbox: BackgroundProcess) -> tuple[str, str]:
    """Wait until the sandbox has said where it is."""
    deadline = time.monotonic() + SANDBOX_TIMEOUT
    while sandbox.running and time.monotonic() < deadline:
        said = sandbox.tail()
        address = re.search(r"Clarus sandbox: (\S+)", said)
        connection = re.search(r"AIRFLOW_CONN_CLARUS_DEFAULT='(.+)'", said)
        if address and connection:
            return address[1], connection[1]
        time.sleep(0.1)
    raise LocalAirflowError(f"the sandbox did not start:\n{sandbox.tail()}")


def _fail(what: str, airflow: LocalAirflow, run_id: str, tasks: list[TaskInstance]) -> NoReturn:
    """Raise an error with the end of the log of each task that has started and not succeeded."""
    message = [what]
    for task in tasks:
        if task.started and task.state != "success":
            log = airflow.task_log(DAG_ID, run_id, task.task_id, task.try_number)
            message += [f"{task.task_id} is {task.state}. Its log ends with:", *log.splitlines()[-20:]]
    raise LocalAirflowError("\n".join(message))


def _task_lines(tasks: list[TaskInstance]) -> list[str]:
    in_order = sorted(tasks, key=lambda task: str(task.started))
    return [f"Task      {task.task_id:<9} {task.state}  {task.seconds:4.1f} s" for task in in_order]


def _request_line(url: str) -> str:
    requested = requests.get(f"{url}/sandbox/requests", timeout=10).json()
    counts = Counter(request["endpoint"] for request in requested)
    return "Requests  " + ", ".join(f"{count} {endpoint}" for endpoint, count in counts.items())


def _exit(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def _print(*lines: str) -> None:
    print("\n".join(lines), flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
