# SPDX-License-Identifier: Apache-2.0
"""Metrics as a StatsD server receives them: datagrams, through Airflow's own logger of metrics."""

from __future__ import annotations

import inspect
import re
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from statsd import StatsClient

from airflow_provider_clarus import metrics
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import context, run

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
LETTERS = {"timer": "ms", "counter": "c", "gauge": "g"}
Received: TypeAlias = Callable[[], dict[str, list[tuple[float, str]]]]


def airflows_logger() -> Any:
    """Return the class that this Airflow writes StatsD with."""
    for module in ("airflow.sdk._shared.observability", "airflow._shared.observability", "airflow"):
        with suppress(ImportError):
            return import_module(f"{module}.metrics.statsd_logger").SafeStatsdLogger
    raise AssertionError


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    """Return what a server has received by now: values and types by name, tags included."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        server.settimeout(0.2)
        client = StatsClient("127.0.0.1", server.getsockname()[1])
        # 3.3 is told as it is made that names may have tags in them, older ones read it.
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
        told = {"influxdb_tags_enabled": True, "statsd_influxdb_enabled": True}
        takes = inspect.signature(airflows_logger()).parameters
        logger = airflows_logger()(client, **{name: told[name] for name in told.keys() & takes})
        monkeypatch.setattr(metrics, "_stats", lambda: logger)

        def received() -> dict[str, list[tuple[float, str]]]:
            found: dict[str, list[tuple[float, str]]] = defaultdict(list)
            with suppress(TimeoutError):
                while True:
                    name, _, rest = server.recv(4096).decode().rpartition(":")
                    value, _, letter = rest.partition("|")
                    found[name].append((float(value), letter))
            return found

        yield received


def transfer(folder: Path, **arguments: Any) -> ClarusReportToObjectStorageOperator:
    defaults = {"report_id": 7, "poll_interval": 0.1, "timeout": 30, "deferrable": False}
    return ClarusReportToObjectStorageOperator(
        task_id="land", destination=f"file://{folder}/a.csv", **(defaults | arguments)
    )


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
def test_one_task_tells_of_all_that_it_does(
    clarus_default: Sandbox, tmp_path: Path, received: Received, deferrable: bool
) -> None:
    result = run(lambda: transfer(tmp_path, deferrable=deferrable))
    found = received()
    for timer in (metrics.GENERATE, metrics.WAIT, metrics.LAND):
        [(took, letter)] = found[f"{timer},tenant=acme,outcome=ok"]
        assert took > 0
        assert letter == "ms"
    assert found[f"{metrics.LAND_SIZE},tenant=acme"] == [(result["size"], "c")]
    assert found[f"{metrics.WAIT_POLLS},tenant=acme"]
    waiters = [value for value, _ in found.get(f"{metrics.WAITERS},tenant=acme", ())]
    assert waiters[:1] + waiters[-1:] == ([1, 0] if deferrable else [])
    assert not [name for name in found if "retries" in name]


@pytest.mark.usefixtures("no_pauses")
def test_what_is_done_again_is_counted(clarus_default: Sandbox, tmp_path: Path, received: Received) -> None:
    clarus_default.add_report(Report(7, seconds=0))
    clarus_default.inject(Fault("generate", status=429, times=2))
    clarus_default.inject(Fault("file", status=503, times=1))
    transfer(tmp_path).execute(context())
    found = received()
    assert found[f"{metrics.GENERATE_RETRIES},tenant=acme"] == [(2, "c")]
    assert found[f"{metrics.LAND_RETRIES},tenant=acme"] == [(1, "c")]
    assert len(found[f"{metrics.GENERATE},tenant=acme,outcome=ok"]) == 1


@pytest.mark.usefixtures("hurry")
def test_failed_polls_of_the_triggerer_are_counted(
    clarus_default: Sandbox, tmp_path: Path, received: Received
) -> None:
    clarus_default.inject(Fault("graphql", status=503, times=1))
    run(lambda: transfer(tmp_path, deferrable=True))
    found = received()
    assert found[f"{metrics.WAIT_RETRIES},tenant=acme"]
    assert len(found[f"{metrics.WAIT},tenant=acme,outcome=ok"]) == 1


def test_each_timer_says_how_it_ended(clarus_default: Sandbox, tmp_path: Path, received: Received) -> None:
    clarus_default.add_report(Report(7, seconds=0, outcome="failed"))
    with pytest.raises(Exception, match="failed"):
        transfer(tmp_path).execute(context())
    clarus_default.add_report(Report(7, seconds=0))
    [document_id] = clarus_default.add_documents(1, 7)
    for _ in range(2):
        ClarusDownloadDocumentOperator(
            task_id="download", document_id=document_id, destination=f"file://{tmp_path}/", if_exists="skip"
        ).execute(context())
    assert {name: len(values) for name, values in received().items() if "outcome" in name} == {
        "clarus.generate,tenant=acme,outcome=ok": 1,
        "clarus.wait,tenant=acme,outcome=report_failed": 1,
        "clarus.land,tenant=acme,outcome=ok": 1,
        "clarus.land,tenant=acme,outcome=exists": 1,
    }


def test_a_sensor_is_timed_where_it_waits(clarus_default: Sandbox, received: Received) -> None:
    [document_id] = clarus_default.add_documents(1, 7)
    clarus_default.documents[document_id].seconds = 0
    ClarusDocumentSensor(
        task_id="wait", document_id=document_id, poke_interval=0.1, deferrable=False
    ).execute(context())
    found = received()
    assert len(found["clarus.wait,tenant=acme,outcome=ok"]) == 1
    assert len(found["clarus.wait.polls,tenant=acme"]) == 1


def test_no_task_fails_for_a_metric(
    clarus_default: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_server() -> Any:
        raise socket.gaierror("no address")

    monkeypatch.setattr(metrics, "_stats", no_server)
    clarus_default.add_report(Report(7, seconds=0))
    assert transfer(tmp_path).execute(context())["size"]


def test_this_airflow_takes_what_is_told() -> None:
    metrics._stats().incr("clarus.test", 1, tags={"tenant": "acme"})
    metrics._stats().gauge("clarus.test", 1, tags={"tenant": "acme"})
    metrics._stats().timing("clarus.test", 1, tags={"tenant": "acme"})


def test_the_page_has_every_metric_and_its_type() -> None:
    told = dict(re.findall(r"^\| `(clarus[a-z.]+)` \| (\w+) \|", PAGE, re.MULTILINE))
    names = {value: name for name, value in vars(metrics).items() if str(value).startswith("clarus.")}
    assert told.keys() == names.keys()
    source = "\n".join(path.read_text() for path in Path(metrics.__file__).parent.rglob("*.py"))
    calls = {"timer": {"timed", "took"}, "counter": {"count"}, "gauge": {"gauge"}}
    for name, kind in told.items():
        used = set(re.findall(rf"metrics\.(\w+)[(,]\s*metrics\.{names[name]}\b", source))
        assert used, name
        assert used <= calls[kind], name
