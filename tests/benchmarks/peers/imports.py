# SPDX-License-Identifier: Apache-2.0
"""Print what a DAG file pays for the import of each operator's module, in milliseconds of CPU.

On top of Airflow's own names, which any DAG file has loaded. Each is imported in a fork of its own of a fresh
interpreter, as Airflow's DAG processor forks for a file.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import time

MODULES = {
    "clarus": (
        "airflow_provider_clarus.operators.report",
        "airflow_provider_clarus.operators.document",
        "airflow_provider_clarus.sensors.document",
        "airflow_provider_clarus.transfers.clarus_to_object_storage",
    ),
    "dbt-cloud": ("airflow.providers.dbt.cloud.operators.dbt", "airflow.providers.dbt.cloud.sensors.dbt"),
    "databricks": (
        "airflow.providers.databricks.operators.databricks",
        "airflow.providers.databricks.sensors.databricks",
    ),
    "http": ("airflow.providers.http.operators.http", "airflow.providers.http.sensors.http"),
    "anthropic": ("airflow.providers.anthropic.operators.batch", "airflow.providers.anthropic.sensors.batch"),
    "amazon": ("airflow.providers.amazon.aws.transfers.http_to_s3",),
}


def compare(turns: int) -> None:
    """Print a line for each module: the median of so many interpreters."""
    names = [name for modules in MODULES.values() for name in modules]
    code = f"from {__name__} import probe; probe()"
    runs = []
    for _ in range(turns):
        command = [sys.executable, "-W", "ignore", "-c", code, *names]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        runs.append(json.loads(output.splitlines()[-1]))
    print(f"| of | module | CPU of its import, median of {turns} | modules that it loads |")
    print("|---|---|---|---|")
    for provider, modules in MODULES.items():
        for name in modules:
            cpu = statistics.median(run[name][0] for run in runs)
            print(f"| {provider} | `{name}` | {cpu * 1e3:,.0f} ms | {runs[0][name][1]:,} |", flush=True)


def probe() -> None:
    """Be the interpreter: print seconds and number of modules for each module of the command line."""
    import airflow.triggers.base  # noqa: F401
    from airflow.providers.common.compat.sdk import (  # noqa: F401
        DAG,
        AirflowException,
        Asset,
        BaseHook,
        BaseOperator,
        BaseSensorOperator,
        conf,
    )

    print(json.dumps({name: _forked(name) for name in sys.argv[1:]}))


def _forked(name: str) -> tuple[float, int]:
    reading, writing = os.pipe()
    if pid := os.fork():
        os.close(writing)
        with open(reading) as told:
            seconds, loaded = json.loads(told.read())
        os.waitpid(pid, 0)
        return seconds, loaded
    before, start = len(sys.modules), time.process_time()
    importlib.import_module(name)
    used = time.process_time() - start
    os.write(writing, json.dumps([used, len(sys.modules) - before]).encode())
    os._exit(0)
