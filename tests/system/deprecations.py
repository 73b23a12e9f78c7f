# SPDX-License-Identifier: Apache-2.0
"""Look into an Airflow's logs for what this package uses that will be taken away.

Airflow shows deprecations of modules whose names begin with ``airflow``, as this package's does. What it
meets while it parses a DAG file it keeps to itself: there, pytest's filter in pyproject.toml finds it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import airflow_provider_clarus

PACKAGE = f"{Path(airflow_provider_clarus.__file__).parent}{os.sep}"
#: Airflow's own classes, and others', have such names, too.
WARNING = re.compile(r"\b\w*(?:Deprecat|Future|MovedIn|RemovedIn)\w*Warning\b")
#: What the canary says: dags/deprecated.py, which warns as if it were a file of this package.
CANARY = "said by the canary"


def met(logs: Path, *, by_canary: bool = False) -> list[str]:
    """Return the lines that tell of a deprecation which a file of this package met, or the canary."""
    files = sorted(path for path in logs.rglob("*") if path.is_file())
    lines = (line for file in files for line in file.read_text(errors="replace").splitlines())
    told = [line for line in lines if PACKAGE in line and WARNING.search(line)]
    return [line for line in told if (CANARY in line) == by_canary]
