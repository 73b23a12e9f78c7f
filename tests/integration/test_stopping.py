# SPDX-License-Identifier: Apache-2.0
"""SIGTERM at any time of a task: a real process, which Airflow's own handler tells to stop."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus.hooks import connections
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.stopping import TaskStopped
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

from .tasks import context

# As airflow.sdk.execution_time.task_runner does: on SIGTERM it calls on_kill, and nothing else.
TASK = """
import logging, signal, sys
from tests.integration.tasks import context
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

logging.basicConfig(level=logging.INFO, stream=sys.stdout)
task = {task}
signal.signal(signal.SIGTERM, lambda number, frame: task.on_kill())
try:
    task.execute(context())
except BaseException as error:
    print("ended with", type(error).__name__, flush=True)
else:
    print("ended well", flush=True)
"""
TRANSFER = (
    "ClarusReportToObjectStorageOperator(task_id='t', report_id=7, destination='file://{folder}/a.csv', "
    "deferrable=False, poll_interval=120)"
)
DOWNLOAD = "ClarusDownloadDocumentOperator(task_id='t', document_id=1, destination='file://{folder}/a.csv')"
SENSOR = "ClarusDocumentSensor(task_id='t', document_id=1, deferrable=False, poke_interval=120)"
EACH_TASK = {
    "generate": lambda: ClarusGenerateReportOperator(task_id="t", report_id=7),
    "sensor": lambda: ClarusDocumentSensor(task_id="t", document_id=1),
    "download": lambda: ClarusDownloadDocumentOperator(
        task_id="t", document_id=1, destination="file:///nowhere"
    ),
    "transfer": lambda: ClarusReportToObjectStorageOperator(
        task_id="t", report_id=7, destination="file:///nowhere"
    ),
}


@pytest.fixture
def stopped(clarus_default: Sandbox, tmp_path: Path) -> Callable[..., str]:
    """Run a task in a process of its own, stop it when a condition holds, and return what it said."""

    def run(task: str, when: Callable[[], Any]) -> str:
        code = TASK.format(task=task.format(folder=tmp_path))
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(os.environ),
        ) as process:
            deadline = time.monotonic() + 240
            while not when():
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < deadline
                time.sleep(0.05)
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            try:
                # Long before what it waits for would come, also on a busy machine.
                said, _ = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return said

    return run


@pytest.mark.long
def test_a_download_stops_and_publishes_nothing(
    clarus_default: Sandbox, stopped: Callable[..., str], tmp_path: Path
) -> None:
    clarus_default.add_report(Report(8, seconds=0, size=200_000))
    clarus_default.add_documents(1, 8)
    clarus_default.inject(Fault("file", delay=120))
    said = stopped(DOWNLOAD, lambda: clarus_default.count("file"))
    assert "ended with TaskStopped" in said
    assert "Document 1 of tenant 'acme' stays in Clarus" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.long
@pytest.mark.parametrize("task", [TRANSFER, SENSOR], ids=["transfer", "sensor"])
def test_a_wait_stops_and_says_what_goes_on(
    clarus_default: Sandbox, stopped: Callable[..., str], task: str
) -> None:
    if task is SENSOR:
        clarus_default.add_documents(1, 7)
        clarus_default.documents[1].seconds = 600
    clarus_default.add_report(Report(7, seconds=600))
    seen = "graphql" if task is SENSOR else "generate"
    said = stopped(task, lambda: clarus_default.count(seen) and clarus_default.documents)
    assert "ended with TaskStopped" in said
    assert "ocument 1" in said.partition("told to stop")[2]
    assert "tenant 'acme'" in said.partition("told to stop")[2]


@pytest.mark.long
def test_no_report_is_asked_for_after_it(clarus_default: Sandbox, stopped: Callable[..., str]) -> None:
    clarus_default.inject(Fault("token", delay=10))
    said = stopped(TRANSFER, lambda: clarus_default.count("token"))
    assert "ended with TaskStopped" in said
    assert clarus_default.count("generate") == 0


@pytest.mark.long
def test_a_request_under_way_is_not_waited_for(clarus_default: Sandbox, stopped: Callable[..., str]) -> None:
    clarus_default.inject(Fault("generate", acts=True, delay=120))
    said = stopped(TRANSFER, lambda: clarus_default.count("generate"))
    assert "If Clarus was just asked for report 7 of tenant 'acme', it goes on with it." in said
    assert clarus_default.count("generate") == 1


@pytest.mark.long
@pytest.mark.parametrize("task", [TRANSFER, DOWNLOAD], ids=["transfer", "download"])
def test_nothing_follows_where_the_destination_does_not_answer(
    clarus_default: Sandbox, stopped: Callable[..., str], monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as storage:
        extra = {"endpoint_url": f"http://127.0.0.1:{storage.getsockname()[1]}"}
        connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_STORAGE", json.dumps(connection))
        task = task.replace("'file://{folder}/a.csv'", "'s3://storage@bucket/a.csv', if_exists='skip'")
        said = stopped(task, lambda: select.select([storage], [], [], 0)[0])
    assert "ended with TaskStopped" in said
    assert "told to stop" in said
    assert not clarus_default.requests


@pytest.mark.parametrize("make", EACH_TASK.values(), ids=EACH_TASK)
def test_a_task_that_is_stopped_before_it_begins_asks_nothing(
    clarus_default: Sandbox, make: Callable[[], Any]
) -> None:
    task = make()
    # While Airflow renders its templates.
    task.on_kill()
    with pytest.raises(TaskStopped):
        task.execute(context())
    assert not clarus_default.requests


@pytest.mark.parametrize("make", EACH_TASK.values(), ids=EACH_TASK)
def test_nor_does_one_that_is_stopped_while_airflow_is_asked_for_the_connection(
    clarus_default: Sandbox, make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make()

    def stop(conn_id: str) -> Any:
        task.on_kill()
        raise AssertionError("the task has gone on")

    monkeypatch.setattr(connections, "fetch", stop)
    with pytest.raises(TaskStopped):
        task.execute(context())
    assert not clarus_default.requests
