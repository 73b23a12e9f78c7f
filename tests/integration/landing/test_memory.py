# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.landing import GIB, MEMORY_BOUND, Origin, background, run, serve

from .stores import free_ports


@pytest.mark.long
@pytest.mark.parametrize("name", ["local", "seaweedfs", "azurite", "sink"])
def test_memory_stays_flat(name: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with background(serve, port, Origin):
        assert run("landing", name, GIB, port, tmp_path)["memory"] < MEMORY_BOUND
