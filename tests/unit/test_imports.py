# SPDX-License-Identifier: Apache-2.0
"""What a DAG file pays for its imports, each time that Airflow parses it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from airflow.triggers import base

# What a process of its own finds out serves all tests here.
pytestmark = pytest.mark.xdist_group("imports")

MODULES = [
    f"airflow_provider_clarus.{name}"
    for name in (
        "hooks.clarus",
        "operators.report",
        "operators.document",
        "sensors.document",
        "transfers.clarus_to_object_storage",
        "triggers.document",
        *(["triggers.documents"] if hasattr(base, "BaseEventTrigger") else []),
    )
]

# What an import of each module adds to what any DAG file has loaded.
PROBE = """
import importlib, json, sys
from airflow.providers.common.compat.sdk import (
    DAG, Asset, AirflowException, AirflowNotFoundException, BaseHook, BaseOperator, BaseSensorOperator, conf,
)
import airflow.triggers.base

known = set(sys.modules)
added = {}
for name in sys.argv[1:]:
    importlib.import_module(name)
    added[name] = sorted(set(sys.modules) - known)
    known |= set(sys.modules)
print(json.dumps(added))
"""


@pytest.fixture(scope="module")
def added() -> dict[str, list[str]]:
    command = [sys.executable, "-W", "ignore", "-c", PROBE, *MODULES]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    return dict(json.loads(output.splitlines()[-1]))


@pytest.mark.parametrize("module", MODULES)
def test_an_import_adds_nothing_but_our_own_modules_and_the_standard_library(
    added: dict[str, list[str]], module: str
) -> None:
    # Airflow 3.0 has masking in a small module, which DAG files do not load otherwise.
    packages = {name.partition(".")[0] for name in added[module] if name != "airflow.sdk.log"}
    assert packages - sys.stdlib_module_names <= {"airflow_provider_clarus"}


def test_nothing_of_ours_that_needs_a_network_or_a_storage_is_imported(added: dict[str, list[str]]) -> None:
    ours = {name.removeprefix("airflow_provider_clarus.") for names in added.values() for name in names}
    heavy = {"api.client", "auth.tokens", "http.transport", "landing.land", "waiting.poller", "sandbox"}
    assert not ours & heavy
