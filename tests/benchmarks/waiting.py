# SPDX-License-Identifier: Apache-2.0
"""The shared poller against triggers that each poll for themselves: ``python -m tests.benchmarks.waiting``.

Both ways wait for the same number of documents, one way after the other, each in an event loop and a process
of its own, for a minute; the sandbox is a third process. The documents take as long as reports do, mostly
some seconds, seldom a minute: 5 s from when the trigger starts, and 5 s more on average, exponentially
distributed.

``requests``
    that the sandbox got, of any kind
``on time``
    those that triggers which poll for themselves would send, were each look made when it is due: with no CPU
    left for that, they are late instead, and what they send is no measure
``lag``
    the most that a sleep of 10 ms took longer. Python's garbage collector is told to leave out what was there
    before, as it would otherwise walk over all of Airflow's own objects, either way.
``memory``
    the peak of the resident set over what the process had after it had waited for one document
``CPU``
    of the process with the triggers
``delay``
    from when a document is available until its trigger fires, on average, of those that fired

The second table has documents that are never ready, so that all go on waiting. There, triggers that poll for
themselves would have to send what the last column says; at 10,000 they cannot, and are late instead.

The third table has one connection's documents spread over tenants, each of which needs requests of its own,
on a server that takes its time, by how many requests ``[clarus] requests_at_once`` allows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextvars
import gc
import logging
import math
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, TypeAlias

import psutil

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_provider_clarus.sandbox.server import Sandbox

Way: TypeAlias = Callable[[int, str], Any]
"""Makes a trigger for a document of a tenant."""

INTERVAL = 5.0
"""Seconds."""

LEAST, MEAN = 5.0, 5.0
"""Seconds that a report takes, at least, and on average after that."""

MOST_MEMORY = {1_000: 10_000_000, 10_000: 50_000_000}
"""Bytes, by how many wait."""

STARTS = 2_000
"""Triggers that are started per second. A triggerer starts about 50, too few for one measurement."""

SEED = 7


class ServerProcess:
    """A server with documents to wait for, in a process of its own.

    :param serve: is called there with a pipe and the arguments; sends how to connect, then calls
        :func:`answer`
    """

    def __init__(self, serve: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=[theirs, *arguments], daemon=True)
        self._process.start()
        theirs.close()
        self.connections: dict[str, str] = self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pipe.close()
        self._process.join()

    def add_documents(self, durations: Sequence[float]) -> dict[int, tuple[float, str]]:
        """Start documents that take so many seconds each; return when and where each will be available."""
        self._pipe.send(durations)
        return self._pipe.recv()

    def requests(self) -> int:
        """Return the requests since the last call."""
        self._pipe.send(None)
        return self._pipe.recv()


class SandboxProcess(ServerProcess):
    """The sandbox alone."""

    def __init__(self, tenants: int = 1, latency: float = 0.0) -> None:
        super().__init__(_serve, tenants, latency)


def _serve(pipe: Connection, tenants: int, latency: float) -> None:
    from airflow_provider_clarus.sandbox.faults import Fault
    from airflow_provider_clarus.sandbox.reports import Report
    from airflow_provider_clarus.sandbox.server import Sandbox

    names = [f"tenant-{number}" for number in range(tenants)]
    reports = [Report(id=7, seconds=math.inf, tenant=name) for name in names]
    with Sandbox(reports, tenants=names) as sandbox:
        if latency:
            sandbox.inject(Fault("graphql", delay=latency))
        pipe.send({"AIRFLOW_CONN_CLARUS_DEFAULT": sandbox.connection_uri})
        answer(pipe, sandbox, names, sandbox.requests)


def answer(pipe: Connection, sandbox: Sandbox, tenants: Sequence[str], *logs: list[Any]) -> None:
    """Add documents, and count the requests in the logs, as the other end asks, until it is closed."""
    while True:
        try:
            durations = pipe.recv()
        except EOFError:
            return
        if durations is None:
            pipe.send(sum(map(len, logs)))
            for log in logs:
                log.clear()
            continue
        added = {}
        for number, seconds in enumerate(durations):
            name = tenants[number % len(tenants)]
            (document_id,) = sandbox.add_documents(1, 7, tenant=name)
            document = sandbox.documents[document_id]
            document.seconds = seconds
            added[document_id] = (document.created + seconds, name)
        pipe.send(added)


@dataclass
class Measured:
    """What waiting came to."""

    lag: float = 0.0
    """Seconds, the most."""
    memory: int = 0
    """Bytes above idle, the most."""
    cpu: float = 0.0
    """Seconds."""
    requests: int = 0
    ended: int = 0
    """Triggers that wait no more."""
    delays: list[float] = field(default_factory=list)


def shared(document_id: int, tenant: str) -> Any:
    """Return the trigger of this provider."""
    from airflow_provider_clarus.triggers.document import ClarusDocumentTrigger

    now = time.time()
    return ClarusDocumentTrigger(
        document_id, "clarus_default", tenant, INTERVAL, since=now, deadline=now + 3600
    )


def alone(document_id: int, tenant: str) -> Any:
    """Return a trigger that has a client of its own and polls for itself, as those of other providers do."""
    from airflow.triggers.base import BaseTrigger, TriggerEvent

    from airflow_provider_clarus.api.status import DocumentStatus
    from airflow_provider_clarus.hooks.clarus import ClarusHook

    class Alone(BaseTrigger):
        def serialize(self) -> tuple[str, dict[str, Any]]:
            raise NotImplementedError

        async def run(self) -> AsyncIterator[TriggerEvent]:
            client = await ClarusHook.aopen("clarus_default", tenant)
            while True:
                document = await asyncio.to_thread(client.get_document, document_id)
                if document and document.status is DocumentStatus.AVAILABLE:
                    yield TriggerEvent(document.as_dict())
                    return
                await asyncio.sleep(INTERVAL)

    return Alone()


WAYS: dict[str, Way] = {"shared": shared, "alone": alone}


def _measure(way: Way, seconds: float, pipe: Connection) -> None:
    logging.disable(logging.INFO)
    pipe.send(asyncio.run(_waited(way, seconds, pipe)))
    os._exit(0)  # Not one request more: threads may still be at theirs.


async def _waited(trigger: Way, seconds: float, pipe: Connection) -> Measured:
    measured = Measured()

    async def fire(document_id: int, available_at: float, tenant: str) -> None:
        async for _ in trigger(document_id, tenant).run():
            measured.delays.append(time.time() - available_at)

    async def start(documents: dict[int, tuple[float, str]]) -> list[asyncio.Task[None]]:
        tasks = []
        begin = time.perf_counter()
        for count, (document_id, (available_at, tenant)) in enumerate(documents.items()):
            if (early := begin + count / STARTS - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            run = fire(document_id, available_at, tenant)
            tasks.append(contextvars.Context().run(asyncio.get_running_loop().create_task, run))
        return tasks

    await asyncio.gather(*await start(pipe.recv()))
    measured.delays.clear()
    gc.collect()
    gc.freeze()
    process = psutil.Process()
    idle = process.memory_info().rss

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            measured.lag = max(measured.lag, time.perf_counter() - before - 0.01)
            measured.memory = max(measured.memory, process.memory_info().rss - idle)

    pipe.send("ready")
    documents = pipe.recv()
    end = time.perf_counter() + seconds
    used = time.process_time()
    watching = asyncio.ensure_future(watch())
    tasks = await start(documents)
    await asyncio.sleep(end - time.perf_counter())
    watching.cancel()
    measured.ended = sum(task.done() for task in tasks)
    measured.cpu = time.process_time() - used
    pipe.send("done")
    return measured


def measure(server: ServerProcess, way: Way, durations: Sequence[float], seconds: float) -> Measured:
    """Let one trigger wait for each of the documents."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=[way, seconds, theirs], daemon=True)
    process.start()
    theirs.close()
    ours.send(server.add_documents([0.0]))
    assert ours.recv() == "ready"
    server.requests()
    ours.send(server.add_documents(durations))
    assert ours.recv() == "done"
    requests = server.requests()
    measured: Measured = ours.recv()
    process.join()
    measured.requests = requests
    return measured


def reports(count: int) -> list[float]:
    """Return after how many seconds each of so many reports is ready, when its trigger starts in its turn."""
    chance = random.Random(SEED)
    return [number / STARTS + LEAST + chance.expovariate(1 / MEAN) for number in range(count)]


def looks(durations: Sequence[float], seconds: float) -> int:
    """Return how many looks come due when each is looked at by itself, from its trigger's start on."""
    due = 0
    for number, duration in enumerate(durations):
        start = number / STARTS
        last = math.ceil((duration - start) / INTERVAL)
        due += 1 + min(last, math.floor((seconds - start) / INTERVAL))
    return due


def compare(sandbox: SandboxProcess, seconds: float) -> bool:
    """Print both ways side by side, and whether the bounds hold."""
    print(f"| waiting | way | requests in {seconds:g} s | on time | most lag | memory | CPU | mean delay |")
    print("|---|---|---|---|---|---|---|---|")
    verdicts = []
    for waiting, most_memory in MOST_MEMORY.items():
        shared, alone = (measure(sandbox, way, reports(waiting), seconds) for way in WAYS.values())
        due = looks(reports(waiting), seconds)
        for way, measured in zip(WAYS, (shared, alone), strict=True):
            print(
                f"| {waiting:,} | {way} | {measured.requests:,} "
                f"| {f'{due:,}' if measured is alone else '-'} | {measured.lag * 1000:.0f} ms "
                f"| {measured.memory / 1e6:.1f} MB | {measured.cpu:.1f} s "
                f"| {statistics.fmean(measured.delays):.1f} s |",
                flush=True,
            )
        ratio = due / shared.requests
        verdicts += [
            (f"{waiting:,}: 1/{ratio:.0f} of the requests on time (at most 1/60)", ratio >= 60),
            (f"{waiting:,}: lag under 100 ms", shared.lag < 0.1),
            (f"{waiting:,}: lag below the other's", shared.lag < alone.lag),
            (f"{waiting:,}: memory under {most_memory / 1e6:.0f} MB", shared.memory < most_memory),
            (
                f"{waiting:,}: mean delay at most {INTERVAL / 2 + 1} s",
                statistics.fmean(shared.delays) <= INTERVAL / 2 + 1,
            ),
        ]
    print()
    for what, holds in verdicts:
        print(f"{'holds' if holds else 'DOES NOT HOLD'}: {what}")
    return all(holds for _, holds in verdicts)


def cost(sandbox: SandboxProcess, seconds: float) -> None:
    """Print what the shared poller's waiting costs, by how many wait."""
    print(f"\n| waiting | requests per round | requests in {seconds:g} s | CPU | memory | one by one |")
    print("|---|---|---|---|---|---|")
    for waiting in (100, 1_000, 10_000):
        measured = measure(sandbox, shared, [1e9] * waiting, seconds)
        print(
            f"| {waiting:,} | {math.ceil(waiting / 100)} | {measured.requests:,} "
            f"| {measured.cpu:.1f} s | {measured.memory / 1e6:.1f} MB "
            f"| {waiting * seconds / INTERVAL:,.0f} requests |",
            flush=True,
        )


def spread(seconds: float) -> None:
    """Print what it costs to wait in many tenants of one connection, and for a server that takes its time."""
    print(f"\n| tenants | latency | waiting | at once | requests in {seconds:g} s | most lag | mean delay |")
    print("|---|---|---|---|---|---|---|")
    for tenants, latency, waiting, at_once in (
        (1, 0.3, 3_000, 1),
        (1, 0.3, 3_000, 8),
        (300, 0.0, 3_000, 8),
        *((300, 0.3, 3_000, at_once) for at_once in (1, 2, 4, 8, 16)),
    ):
        with SandboxProcess(tenants, latency) as sandbox:
            os.environ |= sandbox.connections
            os.environ["AIRFLOW__CLARUS__REQUESTS_AT_ONCE"] = str(at_once)
            measured = measure(sandbox, shared, reports(waiting), seconds)
        print(
            f"| {tenants} | {latency * 1000:.0f} ms | {waiting:,} | {at_once} | {measured.requests:,} "
            f"| {measured.lag * 1000:.0f} ms | {statistics.fmean(measured.delays):.1f} s |",
            flush=True,
        )
    del os.environ["AIRFLOW__CLARUS__REQUESTS_AT_ONCE"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compare the shared poller with triggers that poll for themselves."
    )
    parser.add_argument(
        "--seconds", type=float, default=60, help="of each measurement (default: %(default)s)"
    )
    parser.add_argument("--spread", action="store_true", help="only the table of tenants and latencies")
    arguments = parser.parse_args()
    seconds = arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"AIRFLOW_HOME": folder, "TMPDIR": folder}
        spread(seconds)
        if arguments.spread:
            return
        with SandboxProcess() as sandbox:
            os.environ |= sandbox.connections
            holds = compare(sandbox, seconds)
            cost(sandbox, seconds)
    sys.exit(not holds)


if __name__ == "__main__":
    main()
