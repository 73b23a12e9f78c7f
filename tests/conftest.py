# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A Clarus API with report 7, which takes 0.3 s."""
    with Sandbox(reports=[Report(id=7, seconds=0.3)]) as sandbox:
        yield sandbox
