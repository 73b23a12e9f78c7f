# SPDX-License-Identifier: Apache-2.0
"""Waits that come and go while everything goes wrong: ``python -m tests.benchmarks.soak --seconds 3600``.

So many waits at a time, over fifty tenants of one connection, in one event loop; the sandbox is in a thread
of the same process. All the time something goes wrong, several things at once: :func:`troubles` has every
kind of fault that the sandbox knows and that a wait can meet, the token endpoint's included; between them
the server forgets its filter for ids, limits complexity, hides its schema, or redacts its errors. Most
documents become available, some fail, some never end or were never there, some break the server's answer, and
some triggers are cancelled.

Each wait has one fate that is its own, and anything else is counted. Each deadline is held against a plain
timer in the same event loop, set two seconds later, so that a busy machine is no excuse and no culprit. The
exit code is 0 when every fate was met, every kind of fault was, too, no wait outlasted its timer, and when
file descriptors, threads, pollers and memory are at the end what they were before.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import math
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import psutil

from airflow_provider_clarus.sandbox._graphql import GraphQL
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

TENANTS = [f"tenant-{number}" for number in range(50)]
READY, FAILS, NEVER, LOUD, ODD = 7, 8, 9, 10, 11
OUTCOMES = {READY: "available", FAILS: "failed", NEVER: "available", LOUD: "AVAILABLE", ODD: "archiving"}
FATES = {"loud": "document", "odd": "timeout", "missing": "timeout", "poison": "timeout", "gone": "not_found"}
ALSO = [("gone", "timeout"), ("poison", "document")]
"""Looks that fail tell nothing, so one that is gone may be waited for until its deadline. A file may tell of
one that GraphQL cannot read."""
TIMEOUT = 600.0
"""Seconds, of a wait whose document becomes available. Half of all looks fail here, and pauses grow to a
minute: with 240 s, three waits in 80,000 met nothing but failures in their seven or eight looks."""
SHORT = 20.0
"""Seconds at most, of a wait whose document never does."""
GRACE = 2.0
"""Seconds after its deadline at which a wait must be over."""
SLACK = 0.5
"""Seconds between a timer that fires and what follows from it, in an event loop with much to do."""
MORE_MB = 100.0
"""Megabytes that Python's allocator may keep after the peak."""

ERRORS = {"data": None, "errors": [{"message": "Internal server error"}]}
OWN = {"errors": [{"code": 1, "symbol": "no", "details": "No."}]}
HALF = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"
GARBAGE = b"SSH-2.0-OpenSSH_9.6\r\n"


def troubles(chance: random.Random, sandbox: Sandbox, tenant: str | None) -> dict[str, Fault]:
    """Return all that may go wrong, each for a few seconds or requests, for one tenant or for all."""
    seconds = chance.uniform(1, 5)
    document_id = chance.choice(list(sandbox.documents) or [1])

    def read(**what: Any) -> Fault:
        return Fault("graphql", **({"for_seconds": seconds, "tenant": tenant} | what))

    def few(**what: Any) -> Fault:
        return Fault("graphql", **({"times": 3, "tenant": tenant} | what))

    def download(**what: Any) -> Fault:
        # Longer, since it is asked for only while the server has no filter for ids; but what the API itself
        # says for a minute, several times in a row, is believed.
        return Fault("download", **({"for_seconds": 3 * seconds, "tenant": tenant} | what))

    def token(**what: Any) -> Fault:
        # For the next request, which comes once a minute, or when tokens are revoked.
        return Fault("token", **({"times": 1} | what))

    return {
        **{f"graphql {status}": read(status=status, body=HTML_ERROR) for status in (408, 500, 502, 504)},
        **{
            f"graphql {status}, a page": read(status=status, body=HTML_ERROR)
            for status in (400, 401, 403, 404)
        },
        **{f"graphql {status}, own": read(status=status, body=OWN) for status in (400, 403, 404, 409)},
        "graphql 401, own": read(status=401, body={"error": "The access token expired"}),
        "graphql 503, Retry-After": few(status=503, headers={"Retry-After": "2"}),
        "graphql 429, Retry-After": few(status=429, headers={"Retry-After": "1"}),
        "graphql 429": few(status=429),
        "graphql 302": read(status=302, headers={"Location": "/sign-in"}),
        "graphql errors": read(status=200, body=ERRORS),
        "graphql errors, every other": few(status=200, body=ERRORS, times=1, tenant=None),
        "graphql 200, a page": read(status=200, body=HTML_ERROR),
        "graphql reset": read(reset=True),
        "graphql acts, then reset": read(acts=True),
        "graphql cut": read(cut_at=7),
        "graphql cut, no length": read(cut_at=7, content_length=False),
        "graphql no length": read(content_length=False),
        "graphql half an answer": read(raw=HALF),
        "graphql another protocol": read(raw=GARBAGE),
        "graphql hangs": few(delay=40, times=2, tenant=chance.choice(TENANTS)),
        "graphql slow": read(delay=chance.uniform(0.3, 2)),
        "graphql revoked tokens": few(before=sandbox.revoke_tokens, times=2),
        "graphql introspection": few(asks_for="__type", status=200, body=ERRORS),
        "graphql one document": read(document_id=document_id, tenant=None, status=500, body=HTML_ERROR),
        "download 500": download(status=500, body=HTML_ERROR),
        "download 403, own": download(status=403, body=OWN),
        "download 404, a page": download(status=404, body=HTML_ERROR),
        "download reset": download(reset=True),
        "token 503": token(status=503),
        "token 429": token(status=429, headers={"Retry-After": "1"}),
        "token 401, own": token(status=401, body={"error": "invalid_client"}),
        "token 403, a page": token(status=403, body=HTML_ERROR),
        "token reset": token(reset=True),
        "token cut": token(cut_at=7),
        "token 200, a page": token(status=200, body=HTML_ERROR),
        "token acts, then reset": token(acts=True),
        "token hangs": Fault("token", delay=40, times=1),
    }


class Soak:
    """Waits, each with the fate that it is to have."""

    def __init__(self, sandbox: Sandbox, waiting: int, seed: int, *, gone: bool = True) -> None:
        self.sandbox, self.waiting = sandbox, waiting
        self.chance, self.gone = random.Random(seed), gone
        self.fates: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.others: list[str] = []
        self.late: list[str] = []
        self.most_late = 0.0

    async def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        waits: set[asyncio.Task[None]] = set()
        injecting = [
            asyncio.ensure_future(self._inject(end, everywhere=False, pause=0.6)),
            # What hits all tenants at once comes rarely, or nothing would ever be answered.
            asyncio.ensure_future(self._inject(end, everywhere=True, pause=15.0)),
        ]
        telling = asyncio.ensure_future(self._tell())
        while time.monotonic() < end:
            for _ in range(min(self.waiting - len(waits), 50)):
                waits.add(asyncio.ensure_future(self._one()))
            await asyncio.sleep(0.2)
            for wait in [wait for wait in waits if wait.done()]:
                wait.result()
                waits.discard(wait)
        await asyncio.gather(*injecting)
        self.sandbox.clear_faults()
        await asyncio.gather(*waits)
        telling.cancel()

    async def _inject(self, end: float, *, everywhere: bool, pause: float) -> None:
        """Let everything go wrong in turn, in another order each time: for one tenant, or for all of them."""
        left: list[str] = []
        while time.monotonic() < end:
            known = troubles(self.chance, self.sandbox, None if everywhere else self.chance.choice(TENANTS))
            if not left:
                left = [name for name in known if everywhere or not name.startswith("token")]
                self.chance.shuffle(left)
            name = left.pop()
            self.sandbox.inject(self._counted(name, known[name]))
            if everywhere:
                self._deploy()
            self.sandbox.requests.clear()
            await asyncio.sleep(self.chance.uniform(0.3, 1.7) * pause)

    def _deploy(self) -> None:
        """Let the server have another GraphQL from now on."""
        chance = self.chance
        another = GraphQL(
            self.sandbox._store,
            without=["id_filter"] if chance.random() < 0.2 else [],
            introspection=chance.random() < 0.7,
            max_complexity=chance.choice([math.inf, math.inf, 150]),
            redacted=chance.random() < 0.3,
        )
        self.sandbox._graphql.__dict__.update(another.__dict__)

    def _counted(self, name: str, fault: Fault) -> Fault:
        before = fault.before

        def met() -> None:
            self.met[name] += 1
            if before:
                before()

        return replace(fault, before=met)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(60)
            late, others = len(self.late), len(self.others)
            told = [line[:300] for line in [*self.late[:2], *self.others[:2]]]
            print(
                f"{time.strftime('%H:%M:%S')} {sum(self.fates.values())} over, {late} late, {others} others"
            )
            print(
                f"  {self.most_late:.1f} s at most, {state()}, {told}",
                flush=True,
            )

    async def _one(self) -> None:
        from airflow_provider_clarus.triggers.document import ClarusDocumentTrigger

        chance, tenant = self.chance, self.chance.choice(TENANTS)
        kind = chance.choices(
            ["document", "loud", "report_failed", "timeout", "odd", "missing", "gone", "poison", "cancelled"],
            [75, 5, 5, 5, 1, 1, int(self.gone), 1, 8],
        )[0]
        report = {"loud": LOUD, "report_failed": FAILS, "odd": ODD}.get(kind, READY)
        if kind in ("timeout", "missing", "gone", "cancelled"):
            report = NEVER
        (document_id,) = self.sandbox.add_documents(1, report, tenant=tenant)
        document = self.sandbox.documents[document_id]
        document.seconds = 1e9 if report == NEVER else chance.expovariate(1 / 10)
        document.poisoned = kind == "poison"
        if kind in ("missing", "gone"):
            del self.sandbox.documents[document_id]
        fate = FATES.get(kind, kind)
        timeout = chance.uniform(0.5, SHORT) if fate == "timeout" else TIMEOUT
        now = time.time()
        trigger = ClarusDocumentTrigger(
            document_id, "clarus_default", tenant, chance.choice([1, 5, 10]), now, now + timeout
        )
        waiting = asyncio.ensure_future(_event(trigger))
        if kind == "cancelled":
            await asyncio.sleep(chance.uniform(0, 20))
            waiting.cancel()
            await asyncio.wait([waiting])
        else:
            event = await self._in_time(waiting, kind, timeout)
            self.most_late = max(self.most_late, time.time() - now - timeout)
            met = "document" if "document" in event else event["error"]["kind"]
            if met != fate and (kind, met) not in ALSO:
                self.others.append(f"{kind} became {met}: {event}")
        self.fates[kind] += 1
        self.sandbox.documents.pop(document_id, None)
        self.sandbox._store._by_tenant[tenant].remove(document)

    async def _in_time(self, waiting: asyncio.Future[Any], kind: str, timeout: float) -> Any:
        """Return the event, and say whether it came after a timer of the same event loop."""
        await asyncio.wait([waiting], timeout=timeout + GRACE)
        if not waiting.done():
            await asyncio.wait([waiting], timeout=SLACK)
        if not waiting.done():
            fired = time.time()
            await asyncio.wait([waiting])
            self.late.append(
                f"{kind} with timeout {timeout:.1f}: {time.time() - fired:.1f} s after its timer"
            )
        return waiting.result()


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
    warm = Soak(sandbox, waiting, seed, gone=False)
    await warm.run(15)
    await _settled()
    before, run = state(), Soak(sandbox, waiting, seed + 1)
    await run.run(seconds)
    await _settled()
    after = state()
    print("| | start | end |\n|---|---|---|")
    for name in before:
        print(f"| {name} | {before[name]:g} | {after[name]:g} |")
    fates = ", ".join(f"{count:,} {kind}" for kind, count in run.fates.most_common())
    print(f"\n{sum(run.fates.values()):,} waits over {len(TENANTS)} tenants in {seconds:g} s: {fates}")
    unmet = sorted(troubles(run.chance, sandbox, None).keys() - run.met.keys())
    print(f"{sum(run.met.values()):,} requests met {len(run.met)} kinds of fault; not met: {unmet or 'none'}")
    print(f"ended by other than their own fate: {len(run.others)}")
    print(f"later than their own timer: {len(run.late)}; at most {run.most_late:.1f} s after a deadline")
    for other in [*run.others[:10], *run.late[:10]]:
        print(f"  {other}")
    more = {"file descriptors": 8, "threads": 2, "pollers": 0, "MB": MORE_MB}
    same = all(after[name] <= before[name] + few for name, few in more.items())
    return same and not (run.others or run.late or unmet)


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
            Report(id=number, seconds=0, outcome=outcome, tenant=tenant)
            for number, outcome in OUTCOMES.items()
            for tenant in TENANTS
        ]
        with Sandbox(reports, tenants=TENANTS, token_lifetime=60) as sandbox:
            os.environ["AIRFLOW_CONN_CLARUS_DEFAULT"] = f"{sandbox.connection_uri}?timeout=5"
            holds = asyncio.run(soak(sandbox, arguments.waiting, arguments.seconds, arguments.seed))
    print("holds" if holds else "DOES NOT HOLD")
    sys.exit(not holds)


if __name__ == "__main__":
    main()
