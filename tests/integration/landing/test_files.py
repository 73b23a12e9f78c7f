# SPDX-License-Identifier: Apache-2.0
"""What only a file system has: folders, links, permissions, and files in the making that anybody can see."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.landing._writers import PARTIAL
from airflow_provider_clarus.landing.land import land

from .origin import Origin


def land_at(path: Path, origin: Origin) -> None:
    land(lambda: origin.url, ObjectStoragePath(f"file://{path}"), log=logging.getLogger("test"))


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    with Origin(b"new") as origin:
        land_at(tmp_path / "a" / "b" / "report.csv", origin)
    assert (tmp_path / "a" / "b" / "report.csv").read_bytes() == b"new"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "report.csv")
    with Origin(b"new") as origin, pytest.raises(ClarusInputError, match="is no file"):
        land_at(tmp_path / "report.csv", origin)
    assert origin.requests == []
    assert not (tmp_path / "report.csv").is_file()


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "report.csv").symlink_to(tmp_path / "there" / "report.csv")
    with Origin(b"new") as origin:
        land_at(tmp_path / "report.csv", origin)
    assert (tmp_path / "report.csv").is_symlink()
    assert (tmp_path / "there" / "report.csv").read_bytes() == b"new"


def test_a_new_file_can_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with Origin(b"new") as origin:
            land_at(tmp_path / "report.csv", origin)
    finally:
        os.umask(before)
    assert (tmp_path / "report.csv").stat().st_mode & 0o777 == 0o640


def test_the_longest_name_that_a_file_system_has_can_be_landed(tmp_path: Path) -> None:
    path = tmp_path / ("r" * 255)
    with Origin(b"new") as origin:
        land_at(path, origin)
    assert path.read_bytes() == b"new"


def test_only_what_nobody_writes_is_cleaned_up(tmp_path: Path) -> None:
    abandoned = tmp_path / f".report.csv.0badcafe{PARTIAL}"
    abandoned.write_bytes(b"half")
    others = tmp_path / f".another.csv.0badcafe{PARTIAL}"
    others.write_bytes(b"half")
    with Origin(b"first" * 1000, pause_at=10) as slow, Origin(b"second") as quick:
        landing = threading.Thread(target=land_at, args=[tmp_path / "report.csv", slow])
        landing.start()
        assert slow.paused.wait(10)
        assert not abandoned.exists()
        land_at(tmp_path / "report.csv", quick)
        assert (tmp_path / "report.csv").read_bytes() == b"second"
        slow.resume()
        landing.join()
    assert (tmp_path / "report.csv").read_bytes() == slow.body
    assert sorted(tmp_path.iterdir()) == [others, tmp_path / "report.csv"]
