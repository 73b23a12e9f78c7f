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
from tests import readme

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def stop_as_on_ctrl_c() -> None:
    """Let SIGTERM, too, end the tests by way of the fixtures that stop Airflow."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def clarus() -> Iterator[Sandbox]:
    """Two tenants, whose report 7 takes long enough for a sensor to find it unfinished."""
    reports = [Report(id=7, seconds=5, tenant=tenant) for tenant in ("acme", "globex")]
    with Sandbox(reports, tenants=("acme", "globex")) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example DAG puts its files."""
    return tmp_path_factory.mktemp("landing")


@pytest.fixture(scope="session")
def dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example DAGs, and those that the README shows."""
    folder = tmp_path_factory.mktemp("dags")
    for example in (REPOSITORY / "dags_examples").glob("*.py"):
        (folder / example.name).write_text(example.read_text())
    for number, code in enumerate(readme.blocks("python", "Write DAGs")):
        (folder / f"readme_{number}.py").write_text(code)
    return folder


@pytest.fixture(scope="session")
def airflow(
    clarus: Sandbox, landing: Path, dags_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    """Scheduler, worker, DAG processor, triggerer and API server with the example DAGs."""
    if version("apache-airflow").startswith("2."):
        pytest.skip("LocalAirflow starts the components of Airflow 3")
    with LocalAirflow(
        tmp_path_factory.mktemp("airflow"),
        dags_folder=dags_folder,
        connections={"clarus_default": clarus.connection_uri},
        env={"AIRFLOW_VAR_CLARUS_DESTINATION": f"file://{landing}"},
    ) as airflow:
        yield airflow
