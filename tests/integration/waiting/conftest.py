# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting.poller import Poller
from tests.integration.waiting.waits import NEVER


@pytest.fixture(autouse=True)
def _hurry(hurry: None) -> None:
    pass


@pytest.fixture
def clarus(clarus_default: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, and afterwards the promise that no poller has outlived its event loop."""
    clarus_default.add_report(Report(id=NEVER, seconds=math.inf))
    yield clarus_default
    assert not Poller._running
