# SPDX-License-Identifier: Apache-2.0
"""Run a task's operator as Airflow does, its deferral included, but in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.module_loading import import_string
from airflow.providers.common.compat.sdk import TaskDeferred

try:
    from airflow.sdk.execution_time.context import OutletEventAccessors as OutletEventAccessors
except ImportError:
    from airflow.utils.context import OutletEventAccessors as OutletEventAccessors


class Store:
    """A task state store: what is in it has been through JSON."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, key: str) -> Any:
        return json.loads(self._values.get(key, "null"))

    def set(self, key: str, value: Any) -> None:
        self._values[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self._values.pop(key, None)


def task_instance(**facts: Any) -> Any:
    """Return what operators use of a task instance; its ``xcoms`` are what was pushed."""
    xcoms: dict[str, Any] = {}
    return SimpleNamespace(
        **{
            "max_tries": 0,
            "try_number": 1,
            "get_first_reschedule_date": lambda context: None,
            "xcoms": xcoms,
            "xcom_push": lambda key, value: xcoms.update({key: json.loads(json.dumps(value))}),
            **facts,
        }
    )


def context(**values: Any) -> Any:
    return {
        "ti": task_instance(),
        "dag_run": SimpleNamespace(run_type="scheduled"),
        **values,
    }


def deferral(operator: Any, **values: Any) -> TaskDeferred:
    """Execute an operator that is expected to defer."""
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context(**values))
    return deferred.value


def restored(trigger: Any) -> Any:
    """Return a trigger as another process makes it from the database."""
    path, arguments = json.loads(json.dumps(trigger.serialize()))
    return import_string(path)(**arguments)


def event_of(trigger: Any) -> Any:
    """Run a trigger to its event, and return that as the database keeps it."""

    async def first() -> Any:
        return await anext(trigger.run())

    return json.loads(json.dumps(asyncio.run(first()).payload))


def run(make: Callable[[], Any], **values: Any) -> Any:
    """Execute an operator to its end; a deferred one ends in an instance of its own, as in a worker."""
    try:
        return make().execute(context(**values))
    except TaskDeferred as deferred:
        event = event_of(restored(deferred.trigger))
        return getattr(make(), deferred.method_name)(context(**values), event=event)
