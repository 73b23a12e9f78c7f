# SPDX-License-Identifier: Apache-2.0
"""All that a night needs, started together: database, broker, store, Clarus, and Airflow around them."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import boto3

from airflow_provider_clarus.demo.processes import BackgroundProcess
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.cluster.machines import Cluster
from tests.cluster.services import Postgres, postgres, redis
from tests.cluster.verdict import Form, Verdict
from tests.integration.landing import stores

HERE = Path(__file__).parent
#: Bytes of every tenth report, so that it lands in parts; the others have some lines.
LARGE = 20 * 1024 * 1024


def one_task(reports: Sequence[int]) -> Form:
    """Return the form in which one task does all of it."""
    return Form("one_task", "one", "land", "land", reports)


def three_tasks(reports: Sequence[int]) -> Form:
    """Return the form with a task for each step."""
    return Form("three_tasks", "three", "generate", "wait", reports)


def end_after(seconds: float) -> None:
    """End this night after some seconds, or at SIGTERM, and with it everything that it has started."""
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _end)
    signal.alarm(int(seconds))


def _end(number: int, frame: object) -> NoReturn:
    raise SystemExit(f"The night was ended by signal {number}")


@dataclass
class Lab:
    """What runs; Airflow is ready, and not started yet."""

    folder: Path
    cluster: Cluster
    sandbox: Sandbox
    database: Postgres
    broker: BackgroundProcess
    store: stores.Store

    def start(self, timeout: float) -> None:
        """Start Airflow, and tell it of the connections."""
        self.cluster.start(timeout)
        connections = {"clarus_default": self.sandbox.connection_json, "aws_default": self.store.connection}
        for name, connection in connections.items():
            fields = json.loads(str(connection))
            # Their JSON is text to Airflow's API.
            fields["extra"] = json.dumps(fields.get("extra", {}))
            self.cluster.call("POST", "connections", json={"connection_id": name, **fields})

    def run(self, form: Form, timeout: float) -> str:
        """Start the run that lands a form's reports, and return its id."""
        self.cluster.unpause(form.dag_id, timeout=timeout)
        return self.cluster.trigger(form.dag_id, reports=list(form.reports))

    def judge(self, runs: dict[Form, str], failing: set[int]) -> Verdict:
        """Look at all that is left when the runs have ended."""
        notes = self._addresses
        verdict = Verdict(foreign=sorted(set(notes.read_text().splitlines())) if notes.exists() else [])
        s3 = boto3.client(
            "s3",
            endpoint_url=self.store.endpoint,
            aws_access_key_id=stores.KEY,
            aws_secret_access_key=stores.SECRET,
            region_name="us-east-1",
        )
        logs = self.cluster.logs
        for form, run_id in runs.items():
            documents = [d for d in self.sandbox.documents.values() if d.report.id in form.reports]
            verdict.check_tasks(form, self.cluster.task_instances(form.dag_id, run_id), failing, logs)
            verdict.check_objects(s3, stores.BUCKET, form, documents, failing)
            verdict.check_reasons(form, documents, logs)
        verdict.check_leftovers(s3, stores.BUCKET, self.cluster.home)
        return verdict

    @property
    def _addresses(self) -> Path:
        return Path(self.cluster.env["CLUSTER_ADDRESSES"])


@contextmanager
def lab(
    folder: Path,
    reports: Sequence[Report],
    *,
    token_lifetime: float = 3600,
    url_lifetime: int = 300,
    on_request: Callable[[LoggedRequest], None] | None = None,
    slots: int = 4,
) -> Iterator[Lab]:
    """Start everything but Airflow, whose database is made; and end everything."""
    with ExitStack() as started:
        database = started.enter_context(postgres(folder))
        broker_url, broker = started.enter_context(redis(folder))
        (folder / "s3").mkdir()
        store = started.enter_context(stores.seaweedfs(folder / "s3"))
        sandbox = Sandbox(
            reports, token_lifetime=token_lifetime, url_lifetime=url_lifetime, on_request=on_request
        )
        started.enter_context(sandbox)
        cluster = Cluster(
            folder / "airflow",
            database=database.url,
            broker=broker_url,
            dags_folder=HERE / "dags",
            slots=slots,
            env={
                "AIRFLOW_VAR_BUCKET": stores.BUCKET,
                "CLUSTER_ADDRESSES": str(folder / "addresses"),
                "PYTHONPATH": os.pathsep.join([str(HERE / "site"), *sys.path]),
            },
        )
        started.callback(cluster.stop)
        cluster.migrate()
        yield Lab(folder, cluster, sandbox, database, broker, store)
