# SPDX-License-Identifier: Apache-2.0
"""Each look of a rescheduled sensor is a process of its own; what it has seen is kept for the next."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_clarus.api import models
from airflow_provider_clarus.exceptions import ClarusNotFoundError
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor


class Store(dict[str, Any]):
    """What Airflow 3.3 hands a task: a store with ``get`` and ``set``."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


def look(store: Store | None, max_tries: int = 0) -> bool:
    context: Any = {"task_state_store": store, "ti": SimpleNamespace(max_tries=max_tries)}
    sensor = ClarusDocumentSensor(task_id="wait", document_id=99, mode="reschedule", deferrable=False)
    return bool(sensor.poke(context).is_done)


@pytest.fixture(autouse=True)
def _grace(clarus_default: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MISSING_GRACE", 0.5)


def test_a_document_that_stays_away_is_given_up_after_the_grace() -> None:
    store = Store()
    assert not look(store)
    time.sleep(0.6)
    assert not look(store)
    with pytest.raises(ClarusNotFoundError, match="Document 99 is not to be found"):
        look(store)


def test_an_outage_between_two_looks_is_no_absence(clarus_default: Sandbox) -> None:
    store = Store()
    assert not look(store)
    assert not look(store)
    clarus_default.inject(Fault("graphql", status=503))
    assert not look(store)
    clarus_default.clear_faults()
    time.sleep(0.6)
    assert not look(store)
    assert not look(store)
    time.sleep(0.6)
    with pytest.raises(ClarusNotFoundError, match="Document 99 is not to be found"):
        look(store)


def test_a_cleared_task_begins_anew() -> None:
    store = Store()
    assert not look(store)
    time.sleep(0.6)
    assert not look(store, max_tries=1)


def test_a_store_that_is_away_or_not_there_ends_no_look() -> None:
    class Away(Store):
        def get(self, *args: Any) -> Any:
            raise RuntimeError("the API is away")

        def set(self, key: str, value: Any) -> None:
            raise RuntimeError("the API is away")

    assert not look(Away())
    assert not look(None)
