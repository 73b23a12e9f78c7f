# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from airflow.providers.common.compat import sdk
from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

from .conftest import Destination
from .origin import Answer, Origin


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What Airflow collects of a task, as it does when a plugin reads it; OpenLineage is one."""
    collector = sdk.HookLineageCollector()
    for name in ("airflow.providers.common.compat.sdk", "airflow.sdk.lineage", "airflow.lineage.hook"):
        with suppress(ModuleNotFoundError):
            module = importlib.import_module(name)
            monkeypatch.setattr(module, "get_hook_lineage_collector", lambda: collector, raising=False)
    return get_hook_lineage_collector()


def test_the_object_is_reported_once_and_nothing_else(destination: Destination, collector: Any) -> None:
    with Origin(os.urandom(20 * 1024 * 1024)) as origin:
        destination.land(lambda: origin.url)
    lineage = collector.collected_assets
    assert lineage.inputs == []
    assert [(info.asset.uri, info.count) for info in lineage.outputs] == [(sdk.Asset(destination.uri).uri, 1)]


def test_a_failed_landing_reports_nothing(destination: Destination, collector: Any) -> None:
    # Another one each time, under an ETag that is the MD5 of neither.
    damaged = [Answer(200, body, {"ETag": f'"{"0" * 32}"'}) for body in (b"damaged", b"damagde")]
    with Origin(b"", *damaged) as origin, pytest.raises(Exception, match="MD5"):
        destination.land(lambda: origin.url)
    assert not collector.has_collected
