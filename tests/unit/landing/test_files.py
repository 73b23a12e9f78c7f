# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_clarus.landing._files import BEGINNINGS, FileWriter


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


@pytest.mark.parametrize("finish", [FileWriter.commit, FileWriter.discard])
def test_a_file_that_is_done_with_is_closed(tmp_path: Path, finish: Callable[[FileWriter], None]) -> None:
    writer = FileWriter(str(tmp_path / "report.csv"))
    finish(writer)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writer._file)


def test_where_each_lock_is_said_to_be_held_a_file_lands_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def flock(file: int, how: int) -> None:
        asked.append(file)
        assert len(asked) <= BEGINNINGS, "it goes on for ever"
        raise BlockingIOError

    monkeypatch.setattr(fcntl, "flock", flock)
    writer = FileWriter(str(tmp_path / "report.csv"))
    assert len(list(tmp_path.iterdir())) == 1
    writer.write(b"sku,quantity\n")
    writer.commit()
    assert [file.name for file in tmp_path.iterdir()] == ["report.csv"]


def test_a_task_that_is_stopped_while_it_asks_for_a_lock_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: int, how: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(KeyboardInterrupt):
        FileWriter(str(tmp_path / "report.csv"))
    assert list(tmp_path.iterdir()) == []


def test_a_leftover_is_removed_where_locks_need_a_file_that_is_open_for_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS."""

    def flock(file: Any, how: int) -> None:
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", flock)
    killed = FileWriter(str(tmp_path / "report.csv"))
    os.close(killed._file)
    writer = FileWriter(str(tmp_path / "report.csv"))
    assert len(list(tmp_path.iterdir())) == 1
    writer.discard()
