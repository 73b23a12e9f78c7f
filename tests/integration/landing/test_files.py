# SPDX-License-Identifier: Apache-2.0
"""What only a file system has: folders, links, permissions, and files in the making that anybody can see."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.landing._files import ABANDONED, PARTIAL, FileWriter
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


def abandoned(path: Path, machine: str | None = None, age: float = 0) -> Path:
    """What a killed process leaves, of this machine or of another one that writes to the same folder."""
    before = {*path.parent.iterdir()}
    os.close(FileWriter(str(path))._file)
    (partial,) = {*path.parent.iterdir()} - before
    stem, _, token, _ = partial.name.rsplit(".", 3)
    if machine:
        partial = partial.rename(partial.with_name(f"{stem}.{machine}.{token}{PARTIAL}"))
    os.utime(partial, (time.time() - age, time.time() - age))
    return partial


def test_only_what_nobody_writes_is_cleaned_up(tmp_path: Path) -> None:
    target = tmp_path / ("r" * 80 + ".csv")
    others = [
        abandoned(tmp_path / ("r" * 80 + ".txt")),
        abandoned(target, machine="0badcafe", age=ABANDONED - 60),
    ]
    for partial in (abandoned(target), abandoned(target, machine="0badcafe", age=ABANDONED + 60)):
        with Origin(b"first") as origin:
            land_at(target, origin)
        assert not partial.exists()
    with Origin(b"first" * 500_000, pause_at=1_000_000) as slow, Origin(b"second") as quick:
        landing = threading.Thread(target=land_at, args=[target, slow])
        landing.start()
        assert slow.paused.wait(10)
        land_at(target, quick)
        assert target.read_bytes() == b"second"
        slow.resume()
        landing.join()
    assert target.read_bytes() == slow.body
    assert sorted(tmp_path.iterdir()) == sorted([*others, target])


def test_two_that_land_side_by_side_leave_each_other_alone(tmp_path: Path) -> None:
    names = [tmp_path / (f"{'r' * 70}-{number}.csv") for number in range(12)]
    with ThreadPoolExecutor(12) as threads, Origin(os.urandom(3_000_000)) as origin:
        list(threads.map(lambda path: land_at(path, origin), names))
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {origin.body}
    assert len(list(tmp_path.iterdir())) == 12


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_bytes(b"old")
    (tmp_path / "report.csv").chmod(0o604)
    with Origin(b"new") as origin:
        land_at(tmp_path / "report.csv", origin)
    assert (tmp_path / "report.csv").stat().st_mode & 0o777 == 0o604


@pytest.mark.parametrize("by_now", ["gone", "locked"])
def test_what_another_task_sweeps_before_it_is_locked_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_now: str
) -> None:
    """Between making the file and locking it, another that lands here may take it for a leftover."""
    swept: list[int] = []
    really = os.open

    def opened(path: str | Path, flags: int, mode: int = 0o777) -> int:
        file = really(path, flags, mode)
        if str(path).endswith(PARTIAL) and not swept:
            swept.append(really(path, os.O_RDONLY))
            fcntl.flock(swept[0], fcntl.LOCK_EX)
            if by_now == "gone":
                os.unlink(path)
                os.close(swept[0])
        return file

    monkeypatch.setattr(os, "open", opened)
    writer = FileWriter(str(tmp_path / "report.csv"), if_absent=True)
    writer.write(b"a,b\n")
    writer.commit()
    if by_now == "locked":
        os.close(swept[0])
    assert [path.name for path in tmp_path.iterdir()] == ["report.csv"]
    assert (tmp_path / "report.csv").read_bytes() == b"a,b\n"
