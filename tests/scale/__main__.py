# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.scale --reports 100``: a calm night; exit code 0 when nothing was lost.

The cluster of ``tests.chaos`` without its storm: each report is landed by one task.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from airflow_provider_clarus.demo.airflow_api import LocalAirflowError
from airflow_provider_clarus.demo.local_airflow import FINISHED
from airflow_provider_clarus.sandbox.reports import Report
from tests.cluster.lab import LARGE, Lab, end_after, lab, one_task
from tests.cluster.machines import TRIGGERERS, WORKERS
from tests.cluster.meter import Meter, longest_block
from tests.cluster.verdict import Form

log = logging.getLogger("scale")
#: Seconds: for starting all of it, for one report, and for the verdict.
START, EACH, JUDGE = 400.0, 6.0, 300.0
ENDPOINTS = ("token", "generate", "graphql", "download", "file")


def main() -> int:
    """Run one night and print what it took."""
    options = _options()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stdout)
    log.setLevel(logging.INFO)
    limit = 300 + EACH * options.reports
    end_after(START + limit + JUDGE)
    folder = Path(tempfile.mkdtemp(prefix="clarus-scale-"))
    reports = [
        Report(number, seconds=3 + number % 7, size=LARGE if number % 10 == 0 else None)
        for number in range(1, options.reports + 1)
    ]
    try:
        with lab(folder, reports, slots=options.slots) as found:
            wrong = _night(found, one_task(range(1, options.reports + 1)), limit)
    finally:
        if options.keep:
            log.info("Logs: %s", folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for problem in wrong:
        print(f"WRONG: {problem}")
    return 1 if wrong else 0


def _night(lab: Lab, form: Form, limit: float) -> list[str]:
    """Land all reports, print the table, and return what is wrong."""
    count = len(form.reports)
    lab.start(timeout=START)
    run_id = lab.run(form, START)
    meter = Meter(lab.cluster.processes)
    idle = dict(meter.seconds)
    began = time.monotonic()
    state = ""
    while state not in FINISHED and time.monotonic() - began < limit:
        time.sleep(5)
        # A busy server may take longer than one waits for it.
        with suppress(LocalAirflowError, OSError):
            state = lab.cluster.runs(form.dag_id)[run_id]
    seconds = time.monotonic() - began
    meter.end()
    verdict = lab.judge({form: run_id}, failing=set())
    wrong = [*verdict.wrong, *verdict.foreign]
    if state not in FINISHED:
        wrong.append(f"the run is {state} after {seconds:.0f} s")
    starts = sum(
        (lab.cluster.logs / f"{name}.log").read_text(errors="replace").count("Executing workload in Celery")
        for name in WORKERS
    )
    requests = Counter(request.endpoint for request in lab.sandbox.requests)
    taken = {kind: taken - idle.get(kind, 0) for kind, taken in sorted(meter.seconds.items())}
    rows: dict[str, str] = {
        "landed, right byte for byte": str(verdict.landed),
        "generated more than once": str(verdict.second),
        "lost or wrong": str(len(wrong)),
        "wall time": f"{seconds:.0f} s",
        "worker starts per report": f"{starts / count:.2f}",
        **{f"`{name}` requests per report": f"{requests[name] / count:.2f}" for name in ENDPOINTS},
        **{f"CPU of {kind} per report": f"{seconds_of / count:.2f} s" for kind, seconds_of in taken.items()},
        "CPU of all, of what the cores have": f"{sum(taken.values()) / seconds / (os.cpu_count() or 1):.0%}",
        **{f"memory of one {kind}": f"{size / 2**20:.0f} MB" for kind, size in sorted(meter.memory.items())},
        f"most event-loop lag in {len(TRIGGERERS)} triggerers": f"{longest_block(lab.cluster.logs):.2f} s",
    }
    print(f"\n| what | {count} reports |\n|---|---|")
    print("\n".join(f"| {what} | {value} |" for what, value in rows.items()))
    return wrong


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--reports", type=int, default=100, help="how many (default: %(default)s)")
    parser.add_argument(
        "--slots", type=int, default=4, help="tasks at a time of each worker (default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
