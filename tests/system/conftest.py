# SPDX-License-Identifier: Apache-2.0
"""One Airflow with one sandbox for all system tests: starting them takes longer than most tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from airflow_provider_clarus.sandbox.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def stop_as_on_ctrl_c() -> None:
    """Let SIGTERM, too, end the tests by way of the fixtures that stop Airflow."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def clarus() -> Iterator[Sandbox]:
    """A sandbox whose report 7 takes long enough for a sensor to find it unfinished."""
    with Sandbox([Report(id=7, seconds=5)]) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example DAG puts its files."""
    return tmp_path_factory.mktemp("landing")


@pytest.fixture(scope="session")
def airflow(
    clarus: Sandbox, landing: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    """Scheduler, worker, DAG processor, triggerer and API server with the example DAGs."""
    if version("apache-airflow").startswith("2."):
        pytest.skip("LocalAirflow starts the components of Airflow 3")
    with LocalAirflow(
        tmp_path_factory.mktemp("airflow"),
        dags_folder=REPOSITORY / "dags_examples",
        connections={"clarus_default": clarus.connection_uri},
        env={"AIRFLOW_VAR_CLARUS_DESTINATION": f"file://{landing}"},
    ) as airflow:
        yield airflow
