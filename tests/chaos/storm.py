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
from dataclasses import dataclass, field, replace

import psutil

from airflow_provider_clarus.demo.processes import session_members
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from tests.cluster.lab import Lab
from tests.cluster.machines import TRIGGERERS, WORKERS

log = logging.getLogger("chaos")
#: Seconds for which Clarus is down once, and forbids everything now and then.
DOWN, FORBIDDEN = 60.0, 12.0
PASSING = {"errors": [{"message": "Timeout on Query.documents"}]}
#: How the next request fares, and with which chance; whatever is left over is answered.
ODDS: list[tuple[float, str, Fault]] = [
    (0.01, "500", Fault("", status=500, body=HTML_ERROR)),
    (0.01, "503", Fault("", status=503, body=HTML_ERROR)),
    (0.01, "504 after acting", Fault("", acts=True, status=504, body=HTML_ERROR)),
    (0.02, "502 after acting", Fault("", acts=True, status=502, body=HTML_ERROR)),
    (0.05, "429", Fault("", status=429, headers={"Retry-After": "1"})),
    (0.02, "reset", Fault("", reset=True)),
    (0.01, "reset after acting", Fault("", acts=True, reset=True)),
    (0.02, "body cut", Fault("", cut_at=20)),
    (0.01, "slow", Fault("", delay=3.0)),
    (0.01, "maintenance page", Fault("", status=200, body=HTML_ERROR)),
    (0.01, "GraphQL error", Fault("", status=200, body=PASSING)),
]


@dataclass
class Storm:
    """Faults of Clarus with fixed odds, and kills and outages at random moments, until :meth:`end`.

    :param outage: seconds for which the database is away once
    :param pace: by which the pauses between two events are longer than on an idle machine
    """

    seed: int
    lab: Lab
    outage: float
    pace: float
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._faults = random.Random(self.seed)
        self._over = threading.Event()
        self._once = [self._clarus_down, self._database_away, self._restart_redis]
        self._random.shuffle(self._once)
        self._thread = threading.Thread(target=self._rage, daemon=True)

    @property
    def had_all(self) -> bool:
        """Whether each outage was."""
        return not self._once

    def begin(self) -> None:
        """Let it begin."""
        self._thread.start()

    def end(self) -> None:
        """Let everything work again, and start what lies dead."""
        self._over.set()
        if self._thread.ident:
            self._thread.join()
        self.lab.sandbox.clear_faults()

    def meet(self, request: LoggedRequest) -> None:
        """Decide, after each request to the sandbox, how the next one to that endpoint fares."""
        if self._over.is_set() or not self._thread.ident:
            return
        odds = self._faults.random()
        for chance, name, fault in ODDS:
            odds -= chance
            if odds < 0:
                if name != "GraphQL error" or request.endpoint == "graphql":
                    self.counts[name] += 1
                    self.lab.sandbox.inject(replace(fault, endpoint=request.endpoint, times=1))
                return

    def _rage(self) -> None:
        events = [
            *[self._kill_task] * 8,
            *[self._kill_supervisor] * 2,
            *[self._kill_worker] * 2,
            *[self._kill_triggerer] * 3,
            *[self._end_tokens] * 2,
            self._forbid,
        ]
        turn = 0
        while not self._over.wait(self.pace * self._random.uniform(4, 10)):
            turn += 1
            event = self._once.pop() if self._once and turn % 5 == 0 else self._random.choice(events)
            try:
                event()
            except Exception:
                log.exception("The storm itself failed at %s", event.__name__)
            for name in self.lab.cluster.revive():
                log.info("%s was started again", name)

    def _note(self, what: str) -> None:
        self.counts[what] += 1
        log.info("Storm: %s", what)

    def _kill_task(self) -> None:
        """SIGKILL a process that runs a task's code."""
        if victim := self._task_process(depth=2):
            self._note("task killed")
            os.kill(victim, signal.SIGKILL)

    def _kill_supervisor(self) -> None:
        """SIGKILL the process above it, which talks to Airflow."""
        if victim := self._task_process(depth=1):
            self._note("supervisor killed")
            os.kill(victim, signal.SIGKILL)

    def _task_process(self, *, depth: int) -> int | None:
        worker = self.lab.cluster.process(self._random.choice(WORKERS))
        found = []
        for pid in session_members(worker.pid) if worker.running else []:
            with suppress(psutil.Error):
                above = [process.pid for process in psutil.Process(pid).parents()]
                if worker.pid in above[depth - 1 : depth]:
                    found.append(pid)
        return self._random.choice(sorted(found)) if found else None

    def _kill_worker(self) -> None:
        self._note("worker killed")
        self.lab.cluster.process(self._random.choice(WORKERS)).kill()

    def _kill_triggerer(self) -> None:
        self._note("triggerer killed")
        self.lab.cluster.process(self._random.choice(TRIGGERERS)).kill()

    def _end_tokens(self) -> None:
        self._note("tokens revoked")
        self.lab.sandbox.revoke_tokens()

    def _forbid(self) -> None:
        self._note(f"403 for {FORBIDDEN:g} s")
        self._everywhere(403, FORBIDDEN)

    def _clarus_down(self) -> None:
        self._note(f"Clarus down for {DOWN:g} s")
        self._everywhere(503, DOWN)

    def _everywhere(self, status: int, seconds: float) -> None:
        for endpoint in ("token", "generate", "graphql", "download"):
            self.lab.sandbox.inject(Fault(endpoint, status=status, body=HTML_ERROR, for_seconds=seconds))

    def _database_away(self) -> None:
        self._note(f"PostgreSQL away for {self.outage:g} s")
        self.lab.database.stop()
        self._over.wait(self.outage)
        self.lab.database.start()

    def _restart_redis(self) -> None:
        self._note("Redis restarted")
        self.lab.broker.kill()
        time.sleep(3)
        self.lab.broker.start()
