# SPDX-License-Identifier: Apache-2.0
"""Provide fixtures for pytest, by the entry point ``pytest11``; none costs anything until a test asks for it.

``clarus_sandbox``, ``clarus_connection``, ``clarus_clock`` and ``assert_generated``: see ``docs/testing.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_clarus.sandbox.documents import Document
    from airflow_provider_clarus.testing.clarus import ClarusSandbox, Connections


@pytest.fixture
def clarus_sandbox_options() -> Mapping[str, Any]:
    """Return what the sandbox is made with; override it: ``{"tenants": ("acme", "globex")}``."""
    return {}


@pytest.fixture
def clarus_sandbox(clarus_sandbox_options: Mapping[str, Any]) -> Iterator[ClarusSandbox]:
    """Run a Clarus API of the test's own, with the tenant ``acme`` and no reports yet."""
    try:
        from airflow_provider_clarus.testing.clarus import ClarusSandbox
    except ModuleNotFoundError as missing:
        pytest.fail(
            f"clarus_sandbox needs {missing.name!r}, which comes with the extra 'sandbox':\n"
            "  pip install 'airflow-provider-clarus[sandbox]'",
            pytrace=False,
        )
    sandbox = ClarusSandbox(**clarus_sandbox_options)
    with sandbox:
        yield sandbox


@pytest.fixture
def clarus_connection(
    clarus_sandbox: ClarusSandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connections]:
    """Make the sandbox the connection ``clarus_default``, with no token yet; called, make other ones."""
    from airflow_provider_clarus.testing.clarus import Connections

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("clarus-state")))
        connections = Connections(clarus_sandbox, patch)
        connections()
        yield connections


@pytest.fixture
def clarus_clock(clarus_sandbox: ClarusSandbox) -> Iterator[None]:
    """Have pauses in a worker take no time: they move the sandbox's clock, and the worker's, instead."""
    from tenacity import nap

    from airflow_provider_clarus.http import retries
    from airflow_provider_clarus.landing import document
    from airflow_provider_clarus.testing.clarus import MovedTime
    from airflow_provider_clarus.waiting import wait

    with pytest.MonkeyPatch.context() as patch:
        for module in (wait, retries, document, nap):
            patch.setattr(module, "time", MovedTime(clarus_sandbox.clock))
        yield


@pytest.fixture
def assert_generated(clarus_sandbox: ClarusSandbox) -> Callable[..., list[Document]]:
    """Return the sandbox's own ``assert_generated(report, variables)``."""
    return clarus_sandbox.assert_generated
