# SPDX-License-Identifier: Apache-2.0
"""Upload objects in parts which nobody sees, side by side, and that one request makes of them.

The ``open`` of s3fs and of adlfs uploads one part after another; and adlfs publishes what it has when the
file is closed or collected.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar

from airflow_provider_clarus.landing._storage import ObjectOptions

MIB = 1024 * 1024
#: Bytes of a part, as long as there are enough parts.
PART = 8 * MIB
#: Parts under way at a time, and the bytes of memory that they may take; there is always one.
SIDE_BY_SIDE = 4
IN_FLIGHT = 128 * MIB


def part_size(number: int, size: int | None, parts: int) -> int:
    """Return the bytes of the part with this number, so that ``parts`` of them are enough for any object.

    :param number: from 1
    :param size: bytes of the object. Where it is known, all parts are equal, as some stores insist. Where it
        is not, a tenth of them are small, and the others grow: 10,000 make 5.2 TiB.
    """
    if size is not None:
        return max(PART, -(-size // parts // MIB) * MIB if size > parts * PART else 0)
    return PART * (1 + max(0, number - parts // 10) // max(1, parts * 6 // 1000))


class PartsWriter(ABC):
    """An object cut into parts; a small one goes in one request."""

    #: How many parts the storage takes.
    PARTS: ClassVar[int]

    def __init__(self, fs: Any, path: str, options: ObjectOptions) -> None:
        self._fs = fs
        self._bucket, self._key, _ = fs.split_path(path)
        self._options = options
        self._size = 0
        self._buffer = bytearray()
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE)
        self._pending: deque[Future[Any]] = deque()
        self._parts: list[Any] = []

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``; wait while enough parts are under way, and raise what an earlier one met."""
        self._buffer += chunk
        self._size += len(chunk)
        while len(self._buffer) >= (part := self._next_size()):
            self._upload(part)

    def commit(self) -> None:
        """Upload the rest and make the object."""
        if self._pending or self._parts:
            if self._buffer:
                self._upload(len(self._buffer))
            self._wait(0)
            version = self._publish(self._parts)
        else:
            version = self._put_whole(bytes(self._buffer))
        self._threads.shutdown()
        self._fs.invalidate_cache(f"{self._bucket}/{self._key}")
        self._verify(version)

    def discard(self) -> None:
        """Wait for the parts under way, and drop all of them."""
        self._threads.shutdown(cancel_futures=True)
        self._drop()

    @property
    def _name(self) -> str:
        return f"{self._bucket}/{self._key}"

    def _next_size(self) -> int:
        return part_size(len(self._parts) + len(self._pending) + 1, self._options.size, self.PARTS)

    def _upload(self, size: int) -> None:
        self._wait(max(0, min(SIDE_BY_SIDE, IN_FLIGHT // size) - 1))
        number = len(self._parts) + len(self._pending) + 1
        if number == 1:
            self._begin()
        with memoryview(self._buffer) as buffer:
            part = bytes(buffer[:size])
        del self._buffer[:size]
        self._pending.append(self._threads.submit(self._put_part, number, part))

    def _wait(self, allowed: int) -> None:
        while len(self._pending) > allowed:
            self._parts.append(self._pending.popleft().result())

    @abstractmethod
    def _put_whole(self, body: bytes) -> Any:
        """Make an object that is smaller than a part; return what :meth:`_verify` needs to know of it."""

    @abstractmethod
    def _begin(self) -> None:
        """Prepare for parts."""

    @abstractmethod
    def _put_part(self, number: int, part: bytes) -> Any:
        """Upload a part, counted from 1, in a thread; return what :meth:`_publish` needs to know of it."""

    @abstractmethod
    def _publish(self, parts: list[Any]) -> Any:
        """Make the object of all its parts; return what :meth:`_verify` needs to know of it."""

    @abstractmethod
    def _verify(self, version: Any) -> None:
        """Compare what the storage says of this version with what was sent; a role may not be told."""

    @abstractmethod
    def _drop(self) -> None:
        """Forget the parts that were uploaded."""
