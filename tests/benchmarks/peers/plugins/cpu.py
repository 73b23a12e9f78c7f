# SPDX-License-Identifier: Apache-2.0
"""Airflow tells when a task begins and when it has succeeded; write down its process' CPU then."""

from __future__ import annotations

import builtins
import json
import os
import sys
import time
from typing import Any, ClassVar

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

imported = 0.0
depth = 0
plain_import = builtins.__import__


def timed_import(*arguments: Any, **options: Any) -> Any:
    """Add up what the outermost imports take."""
    global imported, depth
    begun, depth = time.process_time(), depth + 1
    try:
        return plain_import(*arguments, **options)
    finally:
        depth -= 1
        if not depth:
            imported += time.process_time() - begun


class Listener:
    """Of this process, which runs one task."""

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        """Begin."""
        self.begun = time.process_time()
        builtins.__import__ = timed_import

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        """End: its XComs are stored."""
        builtins.__import__ = plain_import
        ended = time.process_time()
        row = {
            "task": task_instance.task_id,
            "until it begins": self.begun,
            "imports": imported,
            "its work": ended - self.begun - imported,
            "modules": len(sys.modules),
        }
        with open(os.environ["TASKS_CPU"], "a") as file:
            file.write(json.dumps(row) + "\n")


class CpuPlugin(AirflowPlugin):
    """Have the listener called."""

    name = "cpu"
    listeners: ClassVar = [Listener()]
