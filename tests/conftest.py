# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

# Airflow writes its configuration where it finds none, as soon as it is imported.
_AIRFLOW_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ["AIRFLOW_HOME"] = _AIRFLOW_HOME.name


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A Clarus API with report 7, which takes 0.3 s."""
    with Sandbox(reports=[Report(id=7, seconds=0.3)]) as sandbox:
        yield sandbox
