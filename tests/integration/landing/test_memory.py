# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from tests.benchmarks.landing import GIB, MEMORY_BOUND, RIVALS, run, serve

from .stores import free_ports


@pytest.mark.long
@pytest.mark.parametrize("name", RIVALS)
def test_memory_stays_flat(name: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    origin = multiprocessing.get_context("spawn").Process(target=serve, args=[port], daemon=True)
    origin.start()
    try:
        assert run("landing", name, GIB, port, tmp_path)["memory"] < MEMORY_BOUND
    finally:
        origin.terminate()
        origin.join()
