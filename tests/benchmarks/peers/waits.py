# SPDX-License-Identifier: Apache-2.0
"""Print what waiting costs by whose triggers wait: for documents that are never ready, every 5 s.

The columns are those of :mod:`tests.benchmarks.waiting`. ``ended`` are triggers that gave up, mostly with an
error, before the time was over.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers.services import serve
from tests.benchmarks.peers.triggers import TRIGGERS
from tests.benchmarks.waiting import Measured, ServerProcess, Way, looks, measure, shared

NEVER = 1e9
"""Seconds."""

VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def compare(waiting: Sequence[int], seconds: float, folder: Path) -> None:
    """Print a line for each number of waits and each provider, one measured after the other."""
    # Some hold a socket for each wait, here and in the server.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    requests = f"requests in {seconds:g} s | on time"
    print(f"| waiting | triggers of | {requests} | most event-loop lag | memory above idle | CPU | ended |")
    print("|---|---|---|---|---|---|---|---|")
    for count in waiting:
        for name, trigger in TRIGGERS.items():
            measured = _measured(trigger, count, seconds, folder / "authorities.pem")
            cells = [
                f"{count:,}",
                name.removeprefix("apache-airflow-providers-").removeprefix("airflow-provider-"),
                f"{measured.requests:,}",
                "-" if trigger is shared else f"{looks([NEVER] * count, seconds):,}",
                f"{measured.lag * 1000:,.0f} ms",
                f"{measured.memory / 1e6:.1f} MB",
                f"{measured.cpu:.1f} s",
                f"{measured.ended:,}",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


def _measured(trigger: Way, count: int, seconds: float, bundle: Path) -> Measured:
    with ServerProcess(serve, bundle) as server:
        os.environ |= server.connections | dict.fromkeys(VARIABLES, str(bundle))
        return measure(server, trigger, [NEVER] * count, seconds)
