# SPDX-License-Identifier: Apache-2.0
"""Call Airflow's REST API, as far as the demo and the system tests ask it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

PAGE = 10_000
"""The most items that one answer holds; Airflow must be configured to allow it."""

DATABASE_TRIES = 5


class LocalAirflowError(RuntimeError):
    """Airflow did not do what was asked of it; the message shows the log that tells why."""


@dataclass(frozen=True)
class TaskInstance:
    """One task of a run, as the REST API tells it."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    started: datetime | None
    ended: datetime | None
    trigger: str | None
    """The class of the trigger that it waits for, while it is deferred."""

    @property
    def seconds(self) -> float:
        """How long its last try took, 0 before its end."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else 0.0


class AirflowApi:
    """Reads and starts runs, for a server that takes every caller for an administrator.

    The API is the one public, versioned way to read states, and it answers in milliseconds, where the command
    line needs seconds per call, and a query of the database breaks with its schema.
    """

    def __init__(self, url: str):
        """Take the server's address, without a path."""
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Call the REST API and return its answer.

        What SQLite refused, locked for longer than it waits, was not done and is asked again.
        """
        for _ in range(DATABASE_TRIES):
            response = self._session.request(method, f"{self.url}/api/v2/{path}", timeout=60, **options)
            if response.status_code == 401 and "Authorization" not in self._session.headers:
                self._log_in()
                continue
            if response.status_code != 500 or "Database error" not in response.text:
                break
        if not response.ok:
            raise LocalAirflowError(f"Airflow answered {response.status_code} to {path}: {response.text}")
        answer: dict[str, Any] = response.json()
        return answer

    def _log_in(self) -> None:
        """Get a token: without, Airflow 3.1 takes nobody for an administrator; it gives one to everybody."""
        answer = self._session.get(f"{self.url}/auth/token", timeout=60)
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def is_healthy(self) -> bool:
        """Tell whether the database is there and each component has reported recently."""
        try:
            health = self.call("GET", "monitor/health")
        except requests.ConnectionError:
            return False
        return all(
            health[part]["status"] == "healthy"
            for part in ("metadatabase", "scheduler", "dag_processor", "triggerer")
        )

    def has_dag(self, dag_id: str) -> bool:
        """Tell whether a DAG is parsed; a file that cannot be imported is an error."""
        if any(dag["dag_id"] == dag_id for dag in self.call("GET", "dags", params={"limit": PAGE})["dags"]):
            return True
        for error in self.call("GET", "importErrors")["import_errors"]:
            raise LocalAirflowError(f"{error['filename']} cannot be imported:\n{error['stack_trace']}")
        return False

    def runs(self, dag_id: str) -> dict[str, str]:
        """Return the state of each run by its id."""
        return {
            run["dag_run_id"]: run["state"]
            for run in self.call("GET", f"dags/{dag_id}/dagRuns", params={"limit": PAGE})["dag_runs"]
        }

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the tasks of a run, mapped ones included."""
        answer = self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": PAGE})
        return [
            TaskInstance(
                task_id=item["task_id"],
                map_index=item["map_index"],
                state=item["state"],
                try_number=item["try_number"],
                started=_time(item["start_date"]),
                ended=_time(item["end_date"]),
                trigger=item["trigger"]["classpath"] if item["trigger"] else None,
            )
            for item in answer["task_instances"]
        ]

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1
    ) -> Any:
        """Return what a task pushed."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.call("GET", path, params={"map_index": map_index})["value"]


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
