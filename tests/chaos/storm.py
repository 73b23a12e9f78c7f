# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, and when: from one seed, so that a bad night can be had again."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from airflow_provider_clarus.demo.processes import BackgroundProcess, session_members
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.chaos.cluster import TRIGGERERS, WORKERS, Cluster
from tests.chaos.services import Postgres

log = logging.getLogger(__name__)


@dataclass
class Storm:
    """Faults of Clarus with fixed odds, and kills and outages at random moments, until :meth:`end`.

    :param outage: seconds for which the database, and Clarus, are away once
    """

    seed: int
    sandbox: Sandbox
    cluster: Cluster
    database: Postgres
    broker: BackgroundProcess
    outage: float
    counts: Counter[str] = field(default_factory=Counter)
    foreign: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True, name=work.__name__)
            for work in (self._kill, self._watch_addresses)
        ]

    def begin(self) -> None:
        """Let it begin."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Let everything work again, and start what lies dead."""
        self._over.set()
        self._threads[0].join()
        self.sandbox.clear_faults()
        self.cluster.revive()

    def close(self) -> None:
        """Stop looking where connections go."""
        self._threads[1].join()

    def meet(self, request: LoggedRequest) -> None:
        """Decide, after each request to the sandbox, how the next one fares."""
        if self._over.is_set():
            return
        odds, endpoint = self._random.random(), request.endpoint
        choices: list[tuple[float, str, Fault]] = [
            (0.02, "5xx", Fault(endpoint, status=self._random.choice([500, 502, 503, 504]), body=HTML_ERROR)),
            (0.02, "acts, then 5xx", Fault(endpoint, acts=True, status=502, body=HTML_ERROR)),
            (0.01, "acts, then reset", Fault(endpoint, acts=True, reset=True)),
            (0.03, "429", Fault(endpoint, status=429, headers={"Retry-After": "1"})),
            (0.02, "reset", Fault(endpoint, reset=True)),
            (0.01, "slow", Fault(endpoint, delay=3.0)),
            (0.01, "maintenance page", Fault(endpoint, status=200, body=HTML_ERROR)),
            (0.02, "cut", Fault(endpoint, cut_at=20)),
        ]
        if endpoint == "graphql":
            words = {"errors": [{"message": "Timeout on Query.documents"}]}
            choices.append((0.02, "GraphQL errors", Fault(endpoint, status=200, body=words)))
        if endpoint in ("token", "authorize", "other"):
            choices = choices[:1]
        for chance, name, fault in choices:
            odds -= chance
            if odds < 0:
                self.counts[name] += 1
                self.sandbox.inject(Fault(**{**vars_of(fault), "times": 1}))
                return

    def _kill(self) -> None:
        events = [
            *[self._kill_task] * 8,
            *[self._kill_supervisor] * 2,
            *[self._kill_worker] * 2,
            *[self._kill_triggerer] * 3,
            self._end_tokens,
            self._end_tokens,
            self._forbid,
        ]
        once = [self._clarus_away, self._database_away, self._restart_redis]
        self._random.shuffle(once)
        turn = 0
        while not self._over.wait(self._random.uniform(4, 10)):
            turn += 1
            event = once.pop() if once and turn % 6 == 0 else self._random.choice(events)
            try:
                event()
            except Exception:
                log.exception("The storm itself failed at %s", event.__name__)
            for name in self.cluster.revive():
                log.info("%s was started again", name)

    def _note(self, what: str) -> None:
        self.counts[what] += 1
        log.info("Storm: %s", what)

    def _kill_task(self) -> None:
        """SIGKILL the process that runs a task's code, or its supervisor's other children."""
        if victim := self._task_process(parent=False):
            self._note("task killed")
            os.kill(victim, signal.SIGKILL)

    def _kill_supervisor(self) -> None:
        if victim := self._task_process(parent=True):
            self._note("supervisor killed")
            os.kill(victim, signal.SIGKILL)

    def _task_process(self, *, parent: bool) -> int | None:
        """Return a task's process, or the Celery process above it."""
        worker = self.cluster.process(self._random.choice(WORKERS))
        found = []
        for pid in session_members(worker.pid) if worker.running else []:
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                depth = len(process.parents()) - len(psutil.Process(worker.pid).parents())
                if depth == (1 if parent else 2):
                    found.append(pid)
        return self._random.choice(sorted(found)) if found else None

    def _kill_worker(self) -> None:
        self._note("worker killed")
        self.cluster.process(self._random.choice(WORKERS)).kill()

    def _kill_triggerer(self) -> None:
        self._note("triggerer killed")
        self.cluster.process(self._random.choice(TRIGGERERS)).kill()

    def _end_tokens(self) -> None:
        self._note("tokens ended")
        self.sandbox.revoke_tokens()

    def _forbid(self) -> None:
        self._note("403 for 12 s")
        self.sandbox.inject(Fault("graphql", status=403, body=HTML_ERROR, for_seconds=12))

    def _clarus_away(self) -> None:
        self._note("Clarus away")
        for endpoint in ("token", "generate", "graphql", "download"):
            self.sandbox.inject(Fault(endpoint, status=503, body=HTML_ERROR, for_seconds=self.outage))

    def _database_away(self) -> None:
        self._note("database away")
        self.database.stop()
        self._over.wait(self.outage)
        self.database.start()

    def _restart_redis(self) -> None:
        self._note("Redis restarted")
        self.broker.kill()
        time.sleep(3)
        self.broker.start()

    def _watch_addresses(self) -> None:
        """Note each address, other than this machine's, to which a process of Airflow connects."""
        while not self._over.wait(0.5):
            for name in self.cluster.names():
                process = self.cluster.process(name)
                for pid in session_members(process.pid) if process.running else []:
                    with suppress(psutil.Error):
                        for connection in psutil.Process(pid).net_connections("inet"):
                            if connection.raddr and not connection.raddr.ip.startswith(("127.", "::1")):
                                self.foreign.add(f"{name}: {connection.raddr.ip}:{connection.raddr.port}")


def vars_of(fault: Fault) -> dict[str, object]:
    """Return a fault's fields."""
    return {name: getattr(fault, name) for name in fault.__dataclass_fields__}
