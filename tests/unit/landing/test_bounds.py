# SPDX-License-Identifier: Apache-2.0
"""What waits for a storage that is slower than the download: so much at most, whatever the file's size."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_clarus.landing import _parts, land
from airflow_provider_clarus.landing._parts import PART, SIDE_BY_SIDE, PartsWriter
from airflow_provider_clarus.landing._storage import ObjectOptions


class Slow:
    """Threads that begin nothing until somebody asks what became of it."""

    def __init__(self) -> None:
        self.waiting = self.most = 0

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Any:
        self.waiting += 1
        self.most = max(self.most, self.waiting)

        def result() -> Any:
            self.waiting -= 1
            return work(*arguments)

        return SimpleNamespace(result=result)

    def shutdown(self, **_: Any) -> None:
        pass


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    slow = Slow()
    for module in (land, _parts):
        monkeypatch.setattr(module, "ThreadPoolExecutor", lambda *_, **__: slow)
    return slow


def test_so_many_chunks_wait_for_a_slow_storage_and_all_arrive_in_order(slow: Slow) -> None:
    written = bytearray()
    with land._Lane(written.extend) as lane:
        for number in range(100):
            lane.give(bytes([number]))
        assert slow.waiting == land.QUEUED
        lane.finish()
    # One more is handed over before the oldest is waited for.
    assert slow.most == land.QUEUED + 1
    assert written == bytes(range(100))


class Parts(PartsWriter):
    """Notes the sizes of the parts that were sent."""

    PARTS = 10_000

    def _put_whole(self, body: bytes) -> Any:
        return [len(body)]

    def _begin(self) -> None:
        pass

    def _put_part(self, number: int, part: bytes) -> int:
        return len(part)

    def _publish(self, parts: list[Any]) -> Any:
        return parts

    def _verify(self, version: Any) -> None:
        self.version = version

    def _drop(self) -> None:
        pass


def test_so_many_parts_are_under_way_at_a_time_and_all_are_published(slow: Slow) -> None:
    storage = SimpleNamespace(split_path=lambda path: (*path.split("/"), None), invalidate_cache=print)
    writer = Parts(storage, "bucket/key", ObjectOptions())
    for _ in range(12):
        writer.write(bytes(PART))
    writer.write(b"rest")
    writer.commit()
    assert slow.most == SIDE_BY_SIDE
    assert writer.version == [PART] * 12 + [4]
