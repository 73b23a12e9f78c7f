# SPDX-License-Identifier: Apache-2.0
"""Make the bytes of a generated file when they are read, the same for every read."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

BLOCK = 1024 * 1024
PART = 8 * 1024 * 1024


@dataclass(frozen=True)
class Content:
    """A header, then one block of lines over and over, then a tail.

    The blocks differ in their first eight bytes, a running number, so that a reader that mixes them up is
    caught.
    """

    head: bytes
    block: bytes = b""
    repeats: int = 0
    tail: bytes = b""

    @property
    def size(self) -> int:
        """All of it, in bytes."""
        return len(self.head) + len(self.block) * self.repeats + len(self.tail)

    @cached_property
    def md5(self) -> str:
        """The hexadecimal digest; reads everything."""
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in self.chunks(0, self.size):
            digest.update(chunk)
        return digest.hexdigest()

    @cached_property
    def multipart_etag(self) -> str:
        """A digest with a count of parts, as S3 gives after a multi-part upload: no MD5 of the content."""
        digest = hashlib.md5(self.head + self.block + self.tail, usedforsecurity=False)
        return f"{digest.hexdigest()}-{-(-self.size // PART) or 1}"

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to, not including, ``stop``."""
        yield from _cut(self.head, start, stop)
        offset = len(self.head)
        if self.block:
            first = max(0, start - offset) // len(self.block)
            last = min(self.repeats, -(-(stop - offset) // len(self.block)))
            rest = self.block[8:]
            for number in range(first, last):
                begin = offset + number * len(self.block)
                yield from _cut(b"%08d" % (number + 1) + rest, start - begin, stop - begin)
        offset += len(self.block) * self.repeats
        yield from _cut(self.tail, start - offset, stop - offset)


def csv_content(columns: Mapping[str, str], *, rows: int, size: int | None) -> Content:
    """Return a stock list of so many rows, or of exactly so many bytes, with ``columns`` in every line."""
    head = _line(["line", *columns, "sku", "location", "quantity"])
    if size is None:
        lines = (_row(number, columns) for number in range(1, rows + 1))
        return Content(head + b"".join(lines))
    return _sized(head, columns, size)


def _sized(head: bytes, columns: Mapping[str, str], size: int) -> Content:
    """Fill up to ``size`` with lines of one width; the last one is stretched to end there."""
    width = len(_row(1, columns))
    if size < len(head) + width:
        return Content((head + _row(1, columns))[:size])
    per_block = max(1, BLOCK // width)
    block = b"".join(_row(number, columns) for number in range(1, per_block + 1))
    repeats, left = divmod(size - len(head), len(block))
    if left < width:
        # Not even one line fits behind the last block: take that block back, so that there is one to stretch.
        repeats, left = repeats - 1, left + len(block)
    lines = left // width
    tail = (block * 2)[: lines * width - 1] + b"0" * (left - lines * width) + b"\n"
    return Content(head, block, repeats, tail)


def _row(number: int, columns: Mapping[str, str]) -> bytes:
    location = f"{chr(65 + number % 26)}-{number % 97:02d}-{number % 13:02d}"
    return _line([f"{number:08d}", *columns.values(), f"SKU-{number * 7919 % 100_000:05d}", location, "1.0"])


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _cut(piece: bytes, start: int, stop: int) -> Iterator[bytes]:
    if part := piece[max(0, start) : max(0, stop)]:
        yield part
