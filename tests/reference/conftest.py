# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.conftest import hurry as hurry
from tests.reference.server import Reference


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave Rails out of a newcomer's tests, and start it once for those of a module."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.long)
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


class Served(Protocol):
    """What the sandbox and the reference server have in common."""

    url: str
    client_id: str
    client_secret: str
    tenant: str

    @property
    def connection_json(self) -> str: ...

    def revoke_tokens(self) -> None: ...

    def add(self, **report: Any) -> None: ...


class SandboxServed(Sandbox):
    def add(self, **report: Any) -> None:
        """Add a report by the fields that both servers know."""
        self.add_report(Report(**report))


class ReferenceServed(Reference):
    def add(self, **report: Any) -> None:
        """Add a report by the fields that both servers know."""
        self.add_report(**report)


@pytest.fixture(scope="module")
def sandbox_served() -> Iterator[Served]:
    with SandboxServed(client_secret="reference-secret") as served:
        yield served


@pytest.fixture(scope="module")
def reference_served() -> Iterator[Served]:
    with ReferenceServed(reports=[]) as served:
        yield served


@pytest.fixture(params=["sandbox", "reference"])
def clarus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Each of the two servers in turn, as the connection ``clarus_default``."""
    served: Served = request.getfixturevalue(f"{request.param}_served")
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", served.connection_json)
    return served
