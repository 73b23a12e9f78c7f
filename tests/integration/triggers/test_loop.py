# SPDX-License-Identifier: Apache-2.0
"""A trigger keeps the triggerer's event loop free, and lets a process end."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox

START = """
import asyncio, sys, time
from airflow_provider_clarus.triggers.document import ClarusDocumentTrigger

def trigger(document_id, timeout):
    now = time.time()
    return ClarusDocumentTrigger(document_id, "clarus_default", None, 1, now, now + timeout)

async def first(trigger):
    async for event in trigger.run():
        return event
"""
IMPORTS = """
class Disk:
    # A slow one, so that what a fast one takes to load a library counts for little.
    def find_spec(name, path=None, target=None):
        if name == "airflow_provider_clarus.waiting.poller":
            time.sleep(1)

sys.meta_path.insert(0, Disk)

async def main():
    lag = 0.0
    waiting = asyncio.ensure_future(first(trigger(1, 60)))
    started = time.perf_counter()
    while "airflow_provider_clarus.waiting.poller" not in sys.modules or not waiting_for_it():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        lag = max(lag, time.perf_counter() - before)
    print(lag / (time.perf_counter() - started))
    waiting.cancel()

def waiting_for_it():
    return sys.modules["airflow_provider_clarus.waiting.poller"].__dict__.get("Poller")

assert "airflow_provider_clarus.api.client" not in sys.modules
asyncio.run(main())
"""
HANGS = """
import atexit
# What is registered first runs last: when no thread is waited for any more.
atexit.register(print, "over", flush=True)
from airflow_provider_clarus.waiting import _waiter
_waiter.FIRST_LOOK = 0.2

async def main():
    asyncio.get_running_loop().call_later(600, sys.exit, 1)
    waiting = asyncio.ensure_future(first(trigger(int(sys.argv[1]), 600)))
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


def test_it_imports_beside_the_event_loop(clarus_default: Sandbox) -> None:
    command = [sys.executable, "-W", "ignore", "-c", START + IMPORTS]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert float(output.splitlines()[-1]) < 0.5


@pytest.mark.long
def test_a_process_that_is_told_to_stop_ends_while_a_request_hangs(clarus_default: Sandbox) -> None:
    clarus_default.inject(Fault("graphql", delay=90))
    (document_id,) = clarus_default.add_documents(1, 7)
    command = [sys.executable, "-W", "ignore", "-c", START + HANGS, str(document_id)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        while not clarus_default.count("graphql"):
            assert process.poll() is None
            time.sleep(0.05)
        told = time.monotonic()
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert b"over\n" in process.stdout
        # The request would take 30 s, the connection's timeout; the interpreter's own end is not counted.
        assert time.monotonic() - told < 15
    assert process.returncode == 0
