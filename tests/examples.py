# SPDX-License-Identifier: Apache-2.0
"""The example DAGs that this Airflow can run."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

#: Airflow 2 has no watchers.
OF_AIRFLOW_3 = ("clarus_watch_documents",)

EXAMPLES = sorted(
    path
    for path in (Path(__file__).parents[1] / "dags_examples").glob("*.py")
    if path.stem not in OF_AIRFLOW_3 or not version("apache-airflow").startswith("2.")
)
