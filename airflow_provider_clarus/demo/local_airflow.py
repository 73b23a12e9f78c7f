# SPDX-License-Identifier: Apache-2.0
"""Start a throw-away Airflow 3 with the processes of a real one: for the demo and the system tests."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from airflow_provider_clarus.demo.airflow_api import PAGE, AirflowApi, LocalAirflowError, TaskInstance
from airflow_provider_clarus.demo.processes import BackgroundProcess, stop_all

COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
FINISHED = ("success", "failed")
DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
# On a busy machine a component holds the database for longer than SQLite's five seconds: the scheduler would
# end, and with it all that runs.
PATIENCE = "?timeout=60"


class LocalAirflow(AirflowApi):
    """API server, scheduler with its workers (LocalExecutor), DAG processor and triggerer, over SQLite.

    Its API server listens on the loopback interface only and takes every caller for an administrator.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags_folder: Path,
        connections: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
    ):
        """Take a folder for AIRFLOW_HOME, connections by id, and configuration by ``section.key``."""
        super().__init__(f"http://127.0.0.1:{_free_port()}")
        self.home = home.resolve()
        self.logs = self.home / "logs"
        self.env = self._environment(dags_folder, connections or {}, config or {}, env or {})
        # While it waits for its database it answers nobody, not even the request that holds it. And a task
        # takes no answer in 5 s for none and asks again, though what it asked for may be done by then.
        server = self.env | {DATABASE: self.env[DATABASE].replace(PATIENCE, "?timeout=2")}
        self._processes = {
            name: BackgroundProcess(
                name,
                [sys.executable, "-m", "airflow", *arguments],
                log=self.logs / f"{name}.log",
                env=server if name == "api-server" else self.env,
                cwd=self.home,
            )
            for name, arguments in COMPONENTS.items()
        }

    def __enter__(self) -> LocalAirflow:
        self.migrate()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _environment(
        self,
        dags_folder: Path,
        connections: Mapping[str, str],
        config: Mapping[str, str],
        env: Mapping[str, str],
    ) -> dict[str, str]:
        port = self.url.rpartition(":")[2]
        settings = {
            "core.dags_folder": str(dags_folder.resolve()),
            "core.executor": "LocalExecutor",
            "core.load_examples": "False",
            "core.parallelism": "4",
            "core.fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "core.simple_auth_manager_all_admins": "True",
            "core.execution_api_server_url": f"{self.url}/execution/",
            "api.host": "127.0.0.1",
            "api.port": port,
            "api.base_url": self.url,
            "api.maximum_page_limit": str(PAGE),
            "api.secret_key": secrets.token_hex(16),
            "api_auth.jwt_secret": secrets.token_hex(32),
            "logging.base_log_folder": str(self.logs),
            "logging.colored_console_log": "False",
            # Quick to notice, at the price of polling more often.
            "scheduler.scheduler_idle_sleep_time": "0.2",
            "dag_processor.refresh_interval": "5",
            **config,
        }
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")},
            "AIRFLOW_HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            DATABASE: f"sqlite:///{self.home}/airflow.db{PATIENCE}",
            **{f"AIRFLOW__{key.replace('.', '__', 1).upper()}": value for key, value in settings.items()},
            **{f"AIRFLOW_CONN_{conn_id.upper()}": uri for conn_id, uri in connections.items()},
            **env,
        }

    def migrate(self) -> None:
        """Make the database."""
        Path(self.env["TMPDIR"]).mkdir(parents=True, exist_ok=True)
        self.cli("db", "migrate")

    def start(self, timeout: float = 300) -> None:
        """Start all components, and return when each says that it is healthy."""
        for process in self._processes.values():
            process.start()
        self._wait_until(self.is_healthy, timeout, "to be healthy")

    def stop(self, timeout: float = 5) -> None:
        """End all components and everything that they started, after ``timeout`` seconds by SIGKILL.

        A component waits for its tasks and triggers; nothing here is worth waiting long for.
        """
        stop_all(self._processes.values(), timeout)

    def process(self, name: str) -> BackgroundProcess:
        """Return a component, to kill it or to start it again: one of ``COMPONENTS``."""
        return self._processes[name]

    def cli(self, *arguments: str, timeout: float = 600) -> str:
        """Run ``airflow ...`` and return what it printed; for what only the command line can do."""
        try:
            return subprocess.run(  # noqa: S603 (the command is ours)
                [sys.executable, "-m", "airflow", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=self.env,
                cwd=self.home,
                timeout=timeout,
                check=True,
            ).stdout
        except subprocess.CalledProcessError as error:
            command = " ".join(["airflow", *arguments])
            raise LocalAirflowError(f"'{command}' ended with {error.returncode}:\n{error.output}") from error

    def unpause(self, dag_id: str, timeout: float = 180) -> None:
        """Let a DAG run as soon as it is parsed; a scheduled one gets its last interval's run."""
        self._wait_until(lambda: self.has_dag(dag_id), timeout, f"to parse {dag_id}")
        self.call("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, *, logical_date: datetime | None = None, **conf: Any) -> str:
        """Start a run by hand and return its id; without a logical date it has no data interval."""
        self.unpause(dag_id)
        date = logical_date.isoformat() if logical_date else None
        answer = self.call("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": date, "conf": conf})
        return str(answer["dag_run_id"])

    def scheduled_run(self, dag_id: str, timeout: float = 180) -> str:
        """Unpause a scheduled DAG and return the id of the run that this makes for its last interval."""
        self.unpause(dag_id)
        self._wait_until(lambda: bool(self.runs(dag_id)), timeout, f"to schedule {dag_id}")
        return next(iter(self.runs(dag_id)))

    def watch(self, dag_id: str, run_id: str, timeout: float) -> Iterator[list[TaskInstance]]:
        """Yield the run's tasks whenever a state has changed, until the run has finished."""
        deadline = time.monotonic() + timeout
        seen: list[TaskInstance] = []
        while True:
            finished = self.runs(dag_id)[run_id] in FINISHED
            tasks = self.task_instances(dag_id, run_id)
            if tasks != seen:
                yield tasks
            if finished:
                return
            if time.monotonic() > deadline:
                states = ", ".join(f"{task.task_id} {task.state or 'waiting'}" for task in tasks)
                raise LocalAirflowError(f"{dag_id} {run_id} has not finished after {timeout:g} s: {states}")
            self._check_alive()
            seen = tasks
            time.sleep(0.25)

    def wait(self, dag_id: str, run_id: str, timeout: float = 120) -> list[TaskInstance]:
        """Wait until a run has finished, in whatever state, and return its tasks."""
        *_, tasks = self.watch(dag_id, run_id, timeout)
        return tasks

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1
    ) -> str:
        """Return the log of one try of a task, the triggerer's part included."""
        folder = self.logs / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        files = sorted(folder.glob(f"attempt={try_number}.log*"))
        lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
        return "\n".join(_plain(line) for line in lines)

    def _wait_until(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            self._check_alive()
            if time.monotonic() > deadline:
                raise LocalAirflowError(f"Airflow took more than {timeout:g} s {what}; see {self.logs}")
            time.sleep(0.2)

    def _check_alive(self) -> None:
        for process in self._processes.values():
            if process.exit_code is not None:
                raise LocalAirflowError(
                    f"Airflow's {process.name} ended with {process.exit_code}:\n{process.tail()}"
                )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _plain(line: str) -> str:
    """Return a line of a task's log, which is JSON, as text: its level, its message, and its exceptions."""
    try:
        entry = json.loads(line)
        errors = [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail", ())]
        return "; ".join([f"{entry.get('level', 'info')}: {entry['event']}", *errors])
    except (ValueError, TypeError, KeyError):
        return line
