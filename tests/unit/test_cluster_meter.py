# SPDX-License-Identifier: Apache-2.0
"""What a calm night says of memory, CPU and lag is what there was."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from airflow_provider_clarus.demo.processes import BackgroundProcess
from tests.cluster.meter import Meter, longest_block

#: A process with a child, which has a child, which takes 100 MB and 0.4 s, and says so when it has.
TREE = """
import os, sys, time
depth = int(sys.argv[1])
taken = bytearray(100 << 20) if depth == 0 else b""
while depth == 0 and time.process_time() < 0.4:
    pass
if depth == 0:
    open(sys.argv[2], "w").close()
else:
    os.spawnl(os.P_NOWAIT, sys.executable, "python", "-c", sys.argv[3], str(depth - 1), *sys.argv[2:])
time.sleep(600)
"""


def test_a_process_is_known_by_its_component_and_its_place_in_a_worker(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = [sys.executable, "-c", TREE, "2", str(ready), TREE]
    process = BackgroundProcess("worker-2", command, log=tmp_path / "log", env=os.environ, cwd=tmp_path)
    process.start()
    try:
        while not ready.exists():
            assert process.running, process.tail()
            time.sleep(0.05)
        meter = Meter({"worker-2": process})
        meter.end()
    finally:
        process.kill()
    assert set(meter.memory) == {"worker", "supervisor", "task"}
    assert meter.memory["task"] > 100 << 20 > meter.memory["supervisor"]
    assert set(meter.seconds) == {"worker"}
    # What the kernel tells is in hundredths, for each process.
    assert meter.seconds["worker"] >= 0.3


def test_the_longest_lag_is_the_longest_of_all_triggerers(tmp_path: Path) -> None:
    assert longest_block(tmp_path) == 0
    for name, seconds in {"triggerer-1": "0.15", "triggerer-2": "1.60", "scheduler": "9.00"}.items():
        line = f"Triggerer's async thread was blocked for {seconds} seconds, exceeding\n"
        (tmp_path / f"{name}.log").write_text(line)
    assert longest_block(tmp_path) == 1.5
