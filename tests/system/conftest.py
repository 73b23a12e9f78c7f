# SPDX-License-Identifier: Apache-2.0
"""One Airflow with one sandbox for all system tests: starting them takes longer than most tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests import readme
from tests.examples import EXAMPLES
from tests.integration.landing import stores
from tests.system import deprecations

REPOSITORY = Path(__file__).parents[2]
DAGS = Path(__file__).parent / "dags"
AIRFLOW_2 = version("apache-airflow").startswith("2.")
START_THEIR_OWN = ("test_connection_ui", "test_demo", "test_leaks", "test_link", "test_poison")
REPORTS = [Report(number, seconds=5, tenant=tenant) for tenant in ("acme", "globex") for number in (7, 8)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep those that share an Airflow to one worker, and those that start their own to another.

    Backfills take so long that they are worth an Airflow of another worker.
    """
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            stem = item.path.stem
            shared = "backfill" if stem == "test_backfill" else "airflow"
            item.add_marker(pytest.mark.xdist_group("own_airflow" if stem in START_THEIR_OWN else shared))


@pytest.fixture(scope="session", autouse=True)
def stop_as_on_ctrl_c() -> None:
    """Let SIGTERM, too, end the tests by way of the fixtures that stop Airflow."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def clarus() -> Iterator[Sandbox]:
    """Two tenants, whose reports take long enough for a sensor to find them unfinished."""
    with Sandbox(REPORTS, tenants=("acme", "globex")) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example DAG puts its files."""
    return tmp_path_factory.mktemp("landing")


@pytest.fixture(scope="session")
def dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example DAGs, those that the README shows, and those of these tests."""
    folder = tmp_path_factory.mktemp("dags")
    for example in [*EXAMPLES, *DAGS.glob("*.py")]:
        (folder / example.name).write_text(example.read_text())
    for number, code in enumerate(readme.dags()):
        (folder / f"readme_{number}.py").write_text(code)
    return folder


@pytest.fixture(scope="session")
def settings(
    clarus: Sandbox, landing: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The connections and variables that the example DAGs ask for, as an environment."""
    with stores.moto(tmp_path_factory.mktemp("moto")) as s3:
        assert s3.connection
        yield {
            "AIRFLOW_CONN_CLARUS_DEFAULT": clarus.connection_uri,
            "AIRFLOW_CONN_CLARUS_LONDON": f"{clarus.connection_uri}?timezone=Europe%2FLondon",
            "AIRFLOW_CONN_AWS_DEFAULT": s3.connection,
            "AIRFLOW_VAR_CLARUS_BUCKET": stores.BUCKET,
            "AIRFLOW_VAR_CLARUS_DESTINATION": f"file://{landing}",
        }


@pytest.fixture(scope="module")
def environment(settings: dict[str, str]) -> Iterator[None]:
    """Let this process find them, too."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="package")
def airflow(
    settings: dict[str, str], dags_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    """Scheduler, worker, DAG processor, triggerer and API server with the example DAGs."""
    if AIRFLOW_2:
        pytest.skip("LocalAirflow starts the components of Airflow 3")
    with LocalAirflow(
        tmp_path_factory.mktemp("airflow"),
        dags_folder=dags_folder,
        # Of a backfill's active runs, the scheduler looks at the first 20 only, until these have finished.
        config={"scheduler.max_dagruns_per_loop_to_schedule": "40"},
        env=settings,
    ) as airflow:
        airflow.call("POST", "pools", json={"name": "clarus", "slots": 8, "include_deferred": True})
        yield airflow
    # All that its processes ran of this package, in whichever test.
    assert not deprecations.met(airflow.logs)
