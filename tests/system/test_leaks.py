# SPDX-License-Identifier: Apache-2.0
"""No secret shows anywhere: a whole run at DEBUG level, failures included, and then a search for each.

All that Airflow tells others of a run is told: OpenLineage's events, metrics, and fields of the log.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus

import pytest
from cryptography.fernet import Fernet

from airflow_provider_clarus.demo.airflow_api import TaskInstance
from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.oauth import USER
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.openlineage import check_event
from tests.system.conftest import AIRFLOW_2, DAGS

pytestmark = pytest.mark.long

DAG = "leaks"
SECRET, WRONG_SECRET = "cl1ent/s3cret+with=odd&chars", "wr0ng/s3cret+with=odd&chars"
PLANTED = {"broken": "5ignature0fABrokenAnswer", "refused": "5ignature0fARefusal"}
NO_FILE = (
    b"<Error><Code>AccessDenied</Code><Message>No</Message><SignatureProvided>%s</SignatureProvided></Error>"
)


def forms(secret: str) -> dict[str, list[bytes]]:
    """Return how a secret could be written: inside of a longer Base64 text it has three forms."""
    plain = secret.encode()
    encoded = []
    for lead in range(3):
        whole = (lead + len(plain)) // 3 * 4
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded.append(encode(b"\0" * lead + plain)[(lead * 4 + 2) // 3 : whole])
    return {
        "plain": [plain],
        "URL-encoded": [quote(secret, safe="").encode(), quote_plus(secret).encode(), quote(secret).encode()],
        "Base64": encoded,
    }


def test_a_secret_is_found_in_each_of_its_forms() -> None:
    for around in ("", "a", "ab", "abc"):
        text = f"{around}{SECRET}{around}".encode()
        for written in (base64.b64encode(text), base64.urlsafe_b64encode(text)):
            assert any(form in written for form in forms(SECRET)["Base64"])


@dataclass
class Run:
    """What a run of the DAG has left, and what must not be in it."""

    airflow: LocalAirflow
    id: str
    tasks: dict[str, TaskInstance]
    triggers: set[bytes]
    secrets: dict[str, set[str]]
    sandbox_log: Path
    #: What OpenLineage was told, in its order.
    events: list[dict[str, Any]]
    #: What the metrics' server received.
    datagrams: list[str]

    def places(self) -> Iterator[tuple[str, bytes]]:
        """Yield everything that was written: the database row by row, each log, each file of the home."""
        logs = self.airflow.logs
        for path in sorted(self.airflow.home.rglob("*")):
            if path.is_file():
                kind = f"log of {path.stem}" if path.parent == logs else "log of a task"
                kind = kind if logs in path.parents else f"file {path.name}"[:40]
                yield "OpenLineage" if path.parent.name == "openlineage" else kind, path.read_bytes()
        yield "log of the sandbox", self.sandbox_log.read_bytes()
        yield "metrics", "\n".join(self.datagrams).encode()
        for trigger in self.triggers:
            yield "table trigger, while it waits", trigger
        yield from _rows(self.airflow.home / "airflow.db")


def _rows(database: Path) -> Iterator[tuple[str, bytes]]:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        connection.text_factory = bytes
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table.decode()}"'):
                values = [value if isinstance(value, bytes) else str(value).encode() for value in row]
                yield f"table {table.decode()}", b"\n".join(values)


def trigger_rows(airflow: LocalAirflow) -> set[bytes]:
    """Return the triggers that are waiting just now, decrypted where Airflow has encrypted them."""
    fernet = Fernet(airflow.env["AIRFLOW__CORE__FERNET_KEY"])
    rows = (row for place, row in _rows(airflow.home / "airflow.db") if place == "table trigger")
    return {re.sub(rb"gAAAA[\w=-]+", lambda found: fernet.decrypt(found[0]), row) for row in rows}


@dataclass
class Metrics:
    """What a server for StatsD receives."""

    port: int
    datagrams: list[str] = field(default_factory=list)


@contextmanager
def statsd() -> Iterator[Metrics]:
    """Receive Airflow's metrics."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        metrics = Metrics(server.getsockname()[1])

        def receive() -> None:
            while datagram := server.recv(65536):
                metrics.datagrams.append(datagram.decode())

        thread = threading.Thread(target=receive)
        thread.start()
        try:
            yield metrics
        finally:
            server.sendto(b"", server.getsockname())
            thread.join()


def secrets_of(requests: Iterable[LoggedRequest], *given: str) -> dict[str, set[str]]:
    """Return every secret that went over the wire, by kind."""
    found: dict[str, set[str]] = {
        "client secrets": {SECRET, WRONG_SECRET},
        "bearer tokens": {*given[:1]},
        "refresh tokens": {*given[1:]},
        "presigned signatures": {*PLANTED.values()},
    }
    for request in requests:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            found["bearer tokens"].add(value)
        query, form = parse_qs(request.query), parse_qs(request.body.decode("latin-1"))
        found["presigned signatures"].update(query.get("X-Amz-Signature", ()))
        if request.endpoint == "token":
            found["refresh tokens"].update(form.get("refresh_token", ()))
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    if AIRFLOW_2:
        pytest.skip("LocalAirflow starts the components of Airflow 3")
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "dags").mkdir()
    (folder / "dags" / "leaks.py").write_text((DAGS / "leaks.py").read_text())
    sandbox_log = folder / "sandbox.log"
    reports = [Report(7, seconds=8), Report(8, owner=USER, seconds=8), Report(9, seconds=8, outcome="failed")]
    with sandbox_log.open("w", buffering=1) as log:

        def write(request: LoggedRequest) -> None:
            log.write(json.dumps(request.public()) + "\n")

        with Sandbox(reports, client_secret=SECRET, on_request=write) as sandbox:
            yield from _run(sandbox, folder, sandbox_log)


def _run(sandbox: Sandbox, folder: Path, sandbox_log: Path) -> Iterator[Run]:
    documents = dict(zip(("broken", "refused", "forbidden"), sandbox.add_documents(3, 7), strict=True))
    for document_id in documents.values():
        sandbox.documents[document_id].seconds = 0
    half = f'{{"url": "https://s3.test/x?X-Amz-Signature={PLANTED["broken"]}'.encode()
    refusal = NO_FILE % PLANTED["refused"].encode()
    forbidden = {"errors": [{"details": "You may not."}]}
    sandbox.inject(Fault("download", status=200, body=half, document_id=documents["broken"]))
    sandbox.inject(Fault("file", status=403, body=refusal, document_id=documents["refused"]))
    sandbox.inject(Fault("download", status=403, body=forbidden, document_id=documents["forbidden"]))

    bearer = str(sandbox.issue_token()["access_token"])
    refresh_token = str(sandbox.issue_token(USER)["refresh_token"])
    default = json.loads(sandbox.connection_json)
    connections = {
        "clarus_default": sandbox.connection_uri,
        "clarus_wrong": json.dumps({**default, "password": WRONG_SECRET}),
        "clarus_fixed": json.dumps(
            {**default, "extra": {"grant_type": "access_token", "access_token": bearer}}
        ),
    }
    events = folder / "airflow" / "openlineage"
    events.mkdir(parents=True)
    transport = {"type": "file", "log_file_path": str(events / "event")}
    with (
        statsd() as metrics,
        LocalAirflow(
            folder / "airflow",
            dags_folder=folder / "dags",
            connections=connections,
            config={
                "logging.logging_level": "DEBUG",
                "openlineage.transport": json.dumps(transport),
                # Whatever the machine is busy with, and without a fork of each task.
                "openlineage.execution_timeout": "120",
                "openlineage.execute_in_thread": "True",
                "metrics.statsd_on": "True",
                "metrics.statsd_host": "127.0.0.1",
                "metrics.statsd_port": str(metrics.port),
            },
            env={"AIRFLOW_VAR_CLARUS_DESTINATION": f"file://{folder}/landing"},
        ) as airflow,
    ):
        # One connection is in the database, as a form leaves it.
        extra = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        airflow.call(
            "POST",
            "connections",
            json={"connection_id": "clarus_user", **default, "extra": json.dumps(extra)},
        )
        run_id = airflow.trigger(DAG, **documents)
        triggers: set[bytes] = set()
        revoked = False
        for _ in airflow.watch(DAG, run_id, timeout=300):
            triggers |= trigger_rows(airflow)
            # Of the user's connection, too, so that it needs another one for what comes after.
            has_refreshed = any(b"refresh_token=" in request.body for request in sandbox.requests)
            if triggers and has_refreshed and not revoked:
                # While the triggerer waits, and with a word from the server in its log.
                sandbox.inject(Fault("graphql", status=500, times=2))
                sandbox.revoke_tokens()
                revoked = True
        tasks = {task.task_id: task for task in airflow.task_instances(DAG, run_id)}
        secrets = secrets_of(sandbox.requests, bearer, refresh_token)
        told = [json.loads(path.read_text()) for path in sorted(events.iterdir())]
        yield Run(airflow, run_id, tasks, triggers, secrets, sandbox_log, told, metrics.datagrams)


def test_the_run_had_successes_and_failures_of_every_kind(run: Run) -> None:
    assert {name: task.state for name, task in run.tasks.items()} == {
        "land": "success",
        "generate": "success",
        "wait": "success",
        "download": "success",
        "fixed": "success",
        "wrong_secret": "failed",
        "not_the_owner": "failed",
        "no_report": "failed",
        "failed": "failed",
        "broken": "failed",
        "refused": "failed",
        "forbidden": "failed",
    }
    assert run.triggers
    assert all(len(found) >= 2 for found in run.secrets.values()), run.secrets.keys()
    assert "DEBUG" in run.airflow.process("scheduler").tail(200).upper()


def test_no_secret_is_in_the_database_a_log_or_any_file(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    sought = {
        (kind, form, text)
        for kind, secrets in run.secrets.items()
        for secret in secrets
        for form, texts in forms(secret).items()
        for text in texts
    }
    anything = re.compile(b"|".join(re.escape(text) for *_, text in sought))
    searched: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    found = set()
    known = set()
    for place, content in run.places():
        known |= {place} if b"clarus-client" in content else set()
        searched[place] += 1
        sizes[place] += len(content)
        for match in anything.finditer(content):
            line = content[max(0, match.start() - 200) : match.end() + 20]
            kinds = {(kind, form) for kind, form, text in sought if text == match[0]}
            found.add((place, *sorted(kinds), line))
    with capsys.disabled():
        print("\nSought:")
        for kind, secrets in run.secrets.items():
            print(f"  {len(secrets)} {kind}, plain, URL-encoded and in Base64")
        print("Searched:")
        for place, count in sorted(searched.items()):
            print(f"  {place}: {count}, {sizes[place]} bytes")
    for component in ("api-server", "scheduler", "dag-processor", "triggerer", "a task", "the sandbox"):
        assert sizes[f"log of {component}"] > 0, component
    assert min(sizes["OpenLineage"], sizes["metrics"]) > 0
    for table in ("connection", "xcom", "rendered_task_instance_fields", "task_instance", "log"):
        assert searched[f"table {table}"] > 0, table
    # What is no secret is found where it must be, so the search would have found a secret there.
    assert {"log of a task", "table connection"} <= known
    assert not found


def events_of(run: Run, task_id: str, *kinds: str) -> list[dict[str, Any]]:
    return [
        event
        for event in run.events
        if event["job"]["name"] == f"{DAG}.{task_id}" and event["eventType"] in kinds
    ]


def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in datasets]


def test_openlineage_is_told_of_each_landing_once(run: Run) -> None:
    for event in run.events:
        check_event(event)
    outputs = Counter(name for event in run.events for name in names(event["outputs"]))
    landed = {name: count for name, count in outputs.items() if name[0] == "file"}
    uris = [run.airflow.xcom(DAG, run.id, task_id)["uri"] for task_id in ("land", "download")]
    assert landed == {("file", uri.removeprefix("file://")): 1 for uri in uris}


def test_openlineage_is_told_what_came_from_where(run: Run) -> None:
    [land], [generate], [download] = (
        events_of(run, task_id, "COMPLETE") for task_id in ("land", "generate", "download")
    )
    assert names(land["inputs"]) == [("clarus://acme", "report/7")]
    assert names(generate["inputs"]) == [("clarus://acme", "report/8")]
    assert names(generate["outputs"]) == names(download["inputs"])
    assert land["run"]["facets"]["clarus_run"]["variables"] == {"account_id": ["3", "14"]}
    result = run.airflow.xcom(DAG, run.id, "land")
    [output] = land["outputs"]
    told = output["facets"]["clarus_document"]
    assert (told["documentId"], told["sha256"]) == (result["document_id"], result["sha256"])
    [first, *_] = Path(result["uri"].removeprefix("file://")).read_text().splitlines()
    assert [column["name"] for column in output["facets"]["schema"]["fields"]] == first.split(",")


def test_openlineage_is_told_of_a_failure_what_was_asked_for(run: Run) -> None:
    [failed] = events_of(run, "failed", "FAIL")
    assert names(failed["inputs"]) == [("clarus://acme", "report/9")]
    assert failed["run"]["facets"]["clarus_run"]["documentId"]
    [refused] = events_of(run, "not_the_owner", "FAIL")
    assert names(refused["inputs"]) == [("clarus://acme", "report/8")]
    assert not failed["outputs"] + refused["outputs"]


def test_metrics_tell_of_workers_and_of_the_triggerer(run: Run) -> None:
    received = Counter()
    for datagram in run.datagrams:
        for line in datagram.splitlines():
            name, _, rest = line.partition(":")
            value, letter = rest.split("|")[:2]
            received[name.removeprefix("airflow."), letter] += float(value) if letter == "c" else 1
    sizes = [run.airflow.xcom(DAG, run.id, task_id)["size"] for task_id in ("land", "download")]
    assert received["clarus.land.size", "c"] == sum(sizes)
    # Those that were queued: land, generate, fixed, failed; and not_the_owner.
    assert received["clarus.generate", "ms"] >= 5
    # Deferred: land, failed; and wait, unless its document was there at once.
    assert received["clarus.wait", "ms"] >= 2
    assert received["clarus.wait.polls", "c"] > 0
    assert received["clarus.wait.waiters", "g"] > 0


def test_the_log_has_fields_for_what_is_worked_on(run: Run) -> None:
    document_id = run.airflow.xcom(DAG, run.id, "land")["document_id"]
    logs = [
        json.loads(line)
        for path in sorted(run.airflow.logs.glob("**/task_id=land/**/*.log*"))
        for line in path.read_text().splitlines()
        if line.startswith("{")
    ]
    said = {line["event"].partition(" ")[0]: line for line in logs if line.get("document_id") == document_id}
    # In the worker before the wait, in the triggerer, and in the worker after it.
    for first in ("Report", "Document", "Landed"):
        assert (said[first]["report_id"], said[first]["tenant"]) == (7, "acme")
