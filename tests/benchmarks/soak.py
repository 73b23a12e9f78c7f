# SPDX-License-Identifier: Apache-2.0
"""Waits that come and go while everything goes wrong: ``python -m tests.benchmarks.soak --seconds 3600``.

So many waits at a time, over fifty tenants of one connection, in one event loop; the sandbox is in a thread
of the same process. All the time something goes wrong: errors of a proxy and of GraphQL, resets, bodies cut
short, rate limits, answers that hang, revoked tokens, tenants that are down, documents that break the server.
Most documents become available, some fail, some never end, and some triggers are cancelled.

Each wait has one fate that is its own, and anything else is counted. The exit code is 0 when there was none,
and when file descriptors, threads and pollers are at the end what they were before.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from typing import Any

import psutil

from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

TENANTS = [f"tenant-{number}" for number in range(50)]
READY, FAILS, NEVER = 7, 8, 9
TIMEOUT = 240.0
"""Seconds, of a wait whose document becomes available: trouble lasts for less."""
SHORT = 20.0
"""Seconds, of a wait whose document never does."""
LATE = 2.0 + 3.0
"""Seconds after its deadline at which a wait must be over: two, and what a busy machine adds."""


def trouble(chance: random.Random, sandbox: Sandbox) -> Fault:
    """Return something that goes wrong for a few seconds."""
    tenant = chance.choice([*TENANTS, None])
    seconds = chance.uniform(1, 5)
    where: dict[str, Any] = {"tenant": tenant, "for_seconds": seconds}
    errors = {"data": None, "errors": [{"message": "Internal server error"}]}
    return chance.choice(
        [
            Fault("graphql", status=500, **where),
            Fault("graphql", status=502, body=HTML_ERROR, **where),
            Fault("graphql", status=503, headers={"Retry-After": "2"}, times=3, tenant=tenant),
            Fault("graphql", status=429, headers={"Retry-After": "1"}, times=3, tenant=tenant),
            Fault("graphql", status=403, body=HTML_ERROR, **where),
            Fault("graphql", status=404, body={"errors": [{"details": "No."}]}, **where),
            Fault("graphql", status=302, headers={"Location": "/sign-in"}, **where),
            Fault("graphql", status=200, body=errors, **where),
            Fault("graphql", status=200, body=HTML_ERROR, **where),
            Fault("graphql", reset=True, **where),
            Fault("graphql", cut_at=7, **where),
            Fault("graphql", delay=40, times=2, tenant=chance.choice(TENANTS)),
            Fault("graphql", before=sandbox.revoke_tokens, times=2),
            Fault("token", status=503, for_seconds=seconds),
            Fault("token", reset=True, for_seconds=seconds),
        ]
    )


class Soak:
    """Waits, each with the fate that it is to have."""

    def __init__(self, sandbox: Sandbox, waiting: int, seed: int) -> None:
        self.sandbox, self.waiting = sandbox, waiting
        self.chance = random.Random(seed)
        self.fates: Counter[str] = Counter()
        self.others: list[str] = []
        self.most_late = 0.0

    async def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        waits: set[asyncio.Task[None]] = set()
        injecting = asyncio.ensure_future(self._inject(end))
        while time.monotonic() < end:
            for _ in range(min(self.waiting - len(waits), 50)):
                waits.add(asyncio.ensure_future(self._one()))
            await asyncio.sleep(0.2)
            waits = {wait for wait in waits if not wait.done()}
        await injecting
        self.sandbox.clear_faults()
        await asyncio.gather(*waits)

    async def _inject(self, end: float) -> None:
        while time.monotonic() < end:
            self.sandbox.inject(trouble(self.chance, self.sandbox))
            self.sandbox.requests.clear()
            await asyncio.sleep(self.chance.uniform(0.2, 1.0))

    async def _one(self) -> None:
        from airflow_provider_clarus.triggers.document import ClarusDocumentTrigger

        chance, tenant = self.chance, self.chance.choice(TENANTS)
        kind = chance.choices(
            ["document", "report_failed", "timeout", "poison", "cancelled"], [80, 5, 5, 1, 9]
        )[0]
        report = {"report_failed": FAILS, "timeout": NEVER, "cancelled": NEVER}.get(kind, READY)
        (document_id,) = self.sandbox.add_documents(1, report, tenant=tenant)
        document = self.sandbox.documents[document_id]
        document.seconds = 1e9 if report == NEVER else chance.expovariate(1 / 10)
        document.poisoned = kind == "poison"
        timeout = SHORT if kind in ("timeout", "poison") else TIMEOUT
        now = time.time()
        trigger = ClarusDocumentTrigger(
            document_id, "clarus_default", tenant, chance.choice([1, 5, 10]), now, now + timeout
        )
        waiting = asyncio.ensure_future(_event(trigger))
        if kind == "cancelled":
            await asyncio.sleep(chance.uniform(0, 20))
            waiting.cancel()
            await asyncio.wait([waiting])
            self.fates[kind] += 1
        else:
            event = await waiting
            fate = "document" if "document" in event else event["error"]["kind"]
            self.most_late = max(self.most_late, time.time() - now - timeout)
            self.fates[kind] += 1
            if fate != kind and not (kind == "poison" and fate == "timeout"):
                self.others.append(f"{kind} became {fate}: {event}")
        del self.sandbox.documents[document_id]


async def _event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("no event")


def state() -> dict[str, float]:
    """Return what a leak would show in."""
    from airflow_provider_clarus.waiting.poller import Poller

    gc.collect()
    process = psutil.Process()
    return {
        "file descriptors": process.num_fds(),
        "threads": threading.active_count(),
        "pollers": len(Poller._running),
        "MB": round(process.memory_info().rss / 1e6, 1),
    }


async def soak(sandbox: Sandbox, waiting: int, seconds: float, seed: int) -> bool:
    warm = Soak(sandbox, 50, seed)
    await warm.run(5)
    await _settled()
    before, run = state(), Soak(sandbox, waiting, seed + 1)
    await run.run(seconds)
    await _settled()
    after = state()
    print("| | start | end |\n|---|---|---|")
    for name in before:
        print(f"| {name} | {before[name]:g} | {after[name]:g} |")
    print(
        f"\n{sum(run.fates.values()):,} waits over {len(TENANTS)} tenants in {seconds:g} s: {dict(run.fates)}"
    )
    print(
        f"ended by other than their own fate: {len(run.others)}; "
        f"at most {run.most_late:.1f} s after a deadline"
    )
    for other in run.others[:10]:
        print(f"  {other}")
    same = all(
        after[name] <= before[name] + few for name, few in {"file descriptors": 8, "threads": 2}.items()
    )
    return not run.others and run.most_late <= LATE and same and not after["pollers"]


async def _settled() -> None:
    """Let pollers end that nobody needs any more, and requests that hang."""
    from airflow_provider_clarus.waiting import poller

    await asyncio.sleep(poller.LINGER + 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3600, help="default: an hour")
    parser.add_argument("--waiting", type=int, default=2000, help="at a time (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"AIRFLOW_HOME": folder, "TMPDIR": folder, "XDG_STATE_HOME": folder}
        logging.disable(logging.WARNING)
        reports = [
            Report(id=number, seconds=0, outcome="failed" if number == FAILS else "available", tenant=tenant)
            for number in (READY, FAILS, NEVER)
            for tenant in TENANTS
        ]
        with Sandbox(reports, tenants=TENANTS, token_lifetime=60) as sandbox:
            os.environ["AIRFLOW_CONN_CLARUS_DEFAULT"] = f"{sandbox.connection_uri}?timeout=5"
            holds = asyncio.run(soak(sandbox, arguments.waiting, arguments.seconds, arguments.seed))
    print("holds" if holds else "DOES NOT HOLD")
    sys.exit(not holds)


if __name__ == "__main__":
    main()
