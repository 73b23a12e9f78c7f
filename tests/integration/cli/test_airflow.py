# SPDX-License-Identifier: Apache-2.0
"""The command line as a person starts it: Airflow's own from 3.2 on, and this package's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report
from airflow_provider_clarus.sandbox.server import Sandbox

HAS_CLI = tuple(map(int, version("apache-airflow").split(".")[:2])) >= (3, 2)
WAYS = {
    "airflow": pytest.param(
        ["-m", "airflow", "clarus"],
        marks=[
            pytest.mark.long,
            pytest.mark.skipif(not HAS_CLI, reason="airflow clarus is of 3.2"),
        ],
    ),
    "module": ["-m", "airflow_provider_clarus"],
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_results_go_to_standard_output_and_one_line_tells_of_an_error(
    way: list[str], clarus_default: Sandbox, tmp_path: Path
) -> None:
    clarus_default.add_report(Report(id=8, name="Stock Summary", query=STOCK_QUERY))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *way, *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        )

    listed = run("reports", "list", "--name", "summary", "--output", "json")
    assert listed.returncode == 0, listed.stderr
    (report,) = json.loads(listed.stdout)
    assert (report["name"], report["variables"]["account_id"]) == ("Stock Summary", "Integer")
    shown = run("reports", "show", "Stock Sumary")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.strip().splitlines()[-1] == (
        "This user sees no report 'Stock Sumary' in tenant 'acme': did you mean 'Stock Summary'?"
    )
    assert "Traceback" not in shown.stderr
    assert clarus_default.client_secret not in listed.stdout + listed.stderr + shown.stderr
