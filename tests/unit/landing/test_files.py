# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus.landing._files import FileWriter


@pytest.mark.parametrize("if_absent", [False, True])
def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, if_absent: bool
) -> None:
    """After a power cut, what has the name must be whole."""
    done: list[str] = []
    for name in ("fsync", "replace", "link"):
        call = getattr(os, name)

        def noted(*arguments: Any, call: Any = call, name: str = name) -> Any:
            done.append(name)
            return call(*arguments)

        monkeypatch.setattr(os, name, noted)
    writer = FileWriter(str(tmp_path / "report.csv"), if_absent=if_absent)
    writer.write(b"sku,quantity\n")
    writer.commit()
    assert done == ["fsync", "link" if if_absent else "replace"]
    assert (tmp_path / "report.csv").read_bytes() == b"sku,quantity\n"
    assert len(list(tmp_path.iterdir())) == 1
