# SPDX-License-Identifier: Apache-2.0
"""What each kind of process takes: memory at most, and CPU seconds."""

from __future__ import annotations

import os
import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from airflow_provider_clarus.demo.processes import BackgroundProcess

#: Seconds between two looks; what lives shorter may be missed, and what it takes is counted by its parent.
EVERY = 1.0
#: Within a worker: what takes messages, what watches one task, and the task.
IN_WORKER = ("worker", "supervisor", "task")
BLOCKED = re.compile(r"async thread was blocked for ([0-9.]+) seconds")
#: Seconds that the triggerer's watchdog sleeps, which its message counts as blocked.
WATCH = 0.1


class Meter:
    """Look at the processes of all components now and then, until :meth:`end`."""

    def __init__(self, processes: Mapping[str, BackgroundProcess]) -> None:
        """Take the components by name; a number at a name's end is no part of its kind."""
        self.memory: dict[str, int] = defaultdict(int)
        """Bytes that one process of a kind had resident at most; what a fork shares counts for each."""
        self._seconds: dict[tuple[str, int], float] = {}
        self._processes = processes
        self._over = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._measure, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look once more, and no longer."""
        self._over.set()
        self._thread.join()
        self._look()

    @property
    def seconds(self) -> dict[str, float]:
        """CPU seconds of a component and of all that it has waited for, of all processes of a kind."""
        found: dict[str, float] = defaultdict(float)
        for (kind, _), seconds in self._seconds.items():
            found[kind] += seconds
        return dict(found)

    def _measure(self) -> None:
        while not self._over.wait(EVERY):
            self._look()

    def _look(self) -> None:
        kinds = {
            process.pid: re.sub(r"-\d+$", "", name)
            for name, process in self._processes.items()
            if process.running
        }
        children: dict[int, float] = defaultdict(float)
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                component = os.getsid(process.pid)
                if component not in kinds:
                    continue
                children[component] += sum(process.cpu_times()[:4])
                kind = kinds[component]
                if kind == "worker":
                    above = [parent.pid for parent in process.parents()]
                    kind = IN_WORKER[min(above.index(component) + 1 if component in above else 0, 2)]
                self.memory[kind] = max(self.memory[kind], process.memory_info().rss)
        for component, seconds in children.items():
            key = kinds[component], component
            self._seconds[key] = max(self._seconds.get(key, 0.0), seconds)


def longest_block(logs: Path) -> float:
    """Return the longest seconds for which a triggerer's event loop ran late, as its own watchdog tells."""
    found = [
        float(seconds) - WATCH
        for log in logs.glob("triggerer-*.log")
        for seconds in BLOCKED.findall(log.read_text(errors="replace"))
    ]
    return max(found, default=0.0)
