# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.chaos --reports 100 --seed 1``: one bad night; exit code 0 when nothing needed a person.

PostgreSQL, Redis, Celery with two workers, two triggerers and SeaweedFS, all started here; the sandbox
misbehaves all the time, processes are killed, the database, Redis and Clarus are away for a while. Half of
the reports are landed by one task each, half by three.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from airflow_provider_clarus.demo.airflow_api import LocalAirflowError, TaskInstance
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from tests.chaos.storm import Storm
from tests.cluster.lab import LARGE, end_after, lab, one_task, three_tasks
from tests.cluster.machines import Cluster
from tests.cluster.verdict import Verdict

log = logging.getLogger("chaos")
#: Seconds: for starting all of it, for the reports when the storm is over, and for the verdict.
START, CALM, JUDGE = 400.0, 900.0, 120.0
#: Seconds that two idle cores need to start Airflow. Where it takes longer, what is killed does so, too.
IDLE = 40.0


def main() -> int:
    """Run one night and print what came of it."""
    options = _options()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stdout)
    log.setLevel(logging.INFO)
    log.info("%d reports, seed %d", options.reports, options.seed)
    end_after(START + options.limit + CALM + JUDGE)
    folder = Path(tempfile.mkdtemp(prefix="clarus-chaos-"))
    try:
        with ExitStack() as started:
            verdict, storm, seconds = _night(folder, options, started)
    finally:
        if options.keep:
            log.info("Logs: %s", folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    rows = {
        "landed, right byte for byte": verdict.landed,
        "failed in Clarus, and said so": verdict.failed_in_clarus,
        "generated once more, with the reason in a log": verdict.second,
        "connections to other addresses": len(verdict.foreign),
        "wrong, stuck or left behind": len(verdict.wrong),
        "seconds": round(seconds),
        **{f"storm: {what}": count for what, count in sorted(storm.counts.items())},
        **{f"tasks with {tries} tries": count for tries, count in sorted(verdict.tries.items())},
    }
    print(f"\n| what | {options.reports} reports, seed {options.seed} |\n|---|---|")
    print("\n".join(f"| {what} | {count} |" for what, count in rows.items()))
    for problem in [*verdict.wrong, *verdict.foreign]:
        print(f"WRONG: {problem}")
    return 1 if verdict.wrong or verdict.foreign else 0


def _night(folder: Path, options: argparse.Namespace, started: ExitStack) -> tuple[Verdict, Storm, float]:
    """Start everything, run both forms in the storm, and judge."""
    count = options.reports
    failing = {number for number in range(1, count + 1) if number % 100 == min(50, count // 2)}
    forms = [one_task(range(1, count // 2 + 1)), three_tasks(range(count // 2 + 1, count + 1))]
    storm: Storm | None = None

    def meet(request: LoggedRequest) -> None:
        if storm:
            storm.meet(request)

    reports = [_report(number, failing) for number in range(1, count + 1)]
    here = started.enter_context(lab(folder, reports, token_lifetime=20, url_lifetime=5, on_request=meet))
    began = time.monotonic()
    here.start(timeout=START / 2)
    pace = max(1.0, (time.monotonic() - began) / IDLE)
    log.info("Airflow is up; the storm's pauses are %.1f times as long as on an idle machine", pace)
    runs = {form: here.run(form, timeout=START / 2) for form in forms}
    storm = Storm(options.seed, here, options.outage, pace)
    started.callback(storm.end)
    began = time.monotonic()
    storm.begin()
    named = {form.dag_id: run_id for form, run_id in runs.items()}
    _watch(here.cluster, named, storm, count, began + options.limit)
    seconds = time.monotonic() - began
    return here.judge(runs, failing), storm, seconds


def _report(number: int, failing: set[int]) -> Report:
    return Report(
        number,
        seconds=3 + number % 7,
        outcome="failed" if number in failing else "available",
        size=LARGE if number % 10 == 0 else None,
        replica_lag=number % 3,
        download_lag=5 + number % 7,
    )


def _watch(cluster: Cluster, runs: dict[str, str], storm: Storm, count: int, deadline: float) -> None:
    """Wait until both runs have finished; the storm is over when most have landed, or the time is."""
    told = 0.0
    rages = True
    while time.monotonic() < deadline + CALM:
        time.sleep(5)
        try:
            states = {dag_id: cluster.runs(dag_id)[run_id] for dag_id, run_id in runs.items()}
            tasks = [task for run in runs.items() for task in cluster.task_instances(*run)]
        except (LocalAirflowError, OSError, KeyError):
            states, tasks = {}, list[TaskInstance]()
        finished = sum(task.state == "success" and task.task_id == "land" for task in tasks)
        if time.monotonic() - told > 20:
            told = time.monotonic()
            generated = len(storm.lab.sandbox.documents)
            log.info("%d generated, %d landed, %s", generated, finished, states or "(?)")
        if rages and ((finished >= 0.8 * count and storm.had_all) or time.monotonic() > deadline):
            rages = False
            storm.end()
            log.info("The storm is over")
        if not rages:
            cluster.revive()
        if states and all(state in ("success", "failed") for state in states.values()):
            break
    storm.end()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--reports", type=int, default=100, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of the storm")
    parser.add_argument("--outage", type=float, default=100, help="seconds without database (default: 100)")
    parser.add_argument("--limit", type=float, default=1800, help="seconds of storm at most (default: 1800)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
