# SPDX-License-Identifier: Apache-2.0
"""Unpack bodies that a storage packed, and pack files that land packed: both as streams, both gzip."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

from airflow_provider_clarus.exceptions import ClarusRejectedError
from airflow_provider_clarus.landing._source import ObjectChangedError

#: Bytes that come out of a packed body at a time.
STEP = 1024 * 1024
#: How many times its size a body may unpack to, once it is larger than ``SUSPECT`` bytes. Zeros make
#: 1,030 times, the most repetitive reports some fifty.
RATIO = 200
SUSPECT = 16 * 1024 * 1024
GZIP_MAGIC = b"\x1f\x8b"
#: Ways of packing that Python's own library unpacks.
KNOWN = ("gzip", "x-gzip", "deflate")
#: zlib's names of formats: gzip, either of gzip and zlib by the header, and deflate without any header.
_GZIP, _EITHER, _RAW = 31, 47, -15


class Stage(Protocol):
    """What becomes of a body on its way, piece by piece."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what comes out for ``chunk``."""

    def finish(self) -> Iterator[bytes]:
        """Yield what comes out at the end."""


class Unpacker:
    """Unpacks ``Content-Encoding: gzip`` or ``deflate``, which was not asked for, within bounds.

    A body that is not packed, whatever its header says, comes out as it is.

    :param around: what unpacks before it, where a body is packed twice
    :raises ClarusRejectedError: it unpacks to too much, or is packed in a way that is not known here.
    :raises ObjectChangedError: it is damaged, or ends too early; starting over may help.
    """

    def __init__(self, encoding: str, around: Unpacker | None = None) -> None:
        if encoding not in KNOWN:
            raise ClarusRejectedError(
                f"The storage packed the file as {encoding!r}, though it was asked not to pack it"
            )
        self._gzip = encoding != "deflate"
        self._around = around
        self._read = self._made = 0
        self._held = b""
        self._unpack: zlib._Decompress | None = None

    @property
    def on_the_wire(self) -> int:
        """The bytes that have arrived, however often they are packed."""
        return self._around.on_the_wire if self._around else self._read

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the unpacked pieces of ``chunk``."""
        if self._read < 2:
            # The first two bytes tell what it is.
            chunk = self._held + chunk
            self._held = chunk if len(chunk) < 2 else b""
            if not self._held and (not self._gzip or chunk.startswith(GZIP_MAGIC)):
                self._unpack = zlib.decompressobj(_window(chunk, self._gzip))
            self._read = len(chunk)
        else:
            self._read += len(chunk)
        if self._held:
            return
        if not self._unpack:
            yield chunk
            return
        try:
            yield from self._pieces(chunk)
        except zlib.error as error:
            raise ObjectChangedError(f"the packed body is damaged: {error}") from None

    def finish(self) -> Iterator[bytes]:
        """Yield what was held back, and check that nothing is missing."""
        if self._unpack and not self._unpack.eof:
            raise ObjectChangedError("the packed body ended too early")
        if self._held:
            yield self._held

    def _pieces(self, rest: bytes) -> Iterator[bytes]:
        assert self._unpack  # noqa: S101 - for the type
        while True:
            if self._unpack.eof:
                # A gzip file may have several members; what follows may also be padding.
                rest = rest.lstrip(b"\0") if self._gzip else b""
                if not rest:
                    return
                self._unpack = zlib.decompressobj(_GZIP)
            piece = self._unpack.decompress(rest, STEP)
            self._made += len(piece)
            if self._made > SUSPECT and self._made > RATIO * (came := self.on_the_wire):
                raise ClarusRejectedError(
                    f"The packed file unpacks to over {RATIO} times its {came} bytes: no report does"
                )
            if piece:
                yield piece
            rest = self._unpack.unused_data if self._unpack.eof else self._unpack.unconsumed_tail
            if not rest and len(piece) < STEP:
                return


def unpackers(encoding: str, *, plain: bool) -> list[Stage]:
    """Return what unpacks a body, stage by stage.

    :param encoding: as the header says it, ``gzip`` or ``gzip, gzip``
    :param plain: whether the file itself is known to be no packed one: what is packed still is unpacked, too
    """
    stages: list[Unpacker] = []
    codings = encoding.split(", ")[::-1]
    for coding in codings + ["gzip"] * (plain and encoding == "gzip"):
        stages.append(Unpacker(coding, stages[-1] if stages else None))
    return [*stages]


def tells_its_end(chunk: bytes, encoding: str) -> bool:
    """Tell by its first bytes whether a body that is to be unpacked cannot be cut off unnoticed."""
    last = encoding.rpartition(", ")[2]
    return last == "deflate" or (last in KNOWN and chunk.startswith(GZIP_MAGIC))


class Packer:
    """Packs as gzip, the same each time: there is no name and no time in it."""

    def __init__(self) -> None:
        self._pack = zlib.compressobj(wbits=_GZIP)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what is packed so far, if there is enough of it."""
        if packed := self._pack.compress(chunk):
            yield packed

    def finish(self) -> Iterator[bytes]:
        """Yield the rest."""
        yield self._pack.flush()


def head_of(chunk: bytes, encoding: str, size: int) -> bytes:
    """Return the first bytes of a body, unpacked as far as they can be."""
    for coding in encoding.split(", ")[::-1] if encoding else ():
        try:
            # What is packed inside needs some more bytes to show as many.
            chunk = zlib.decompressobj(_window(chunk, coding != "deflate")).decompress(chunk, 16 * size)
        except zlib.error:
            break
    return chunk[:size]


def _window(chunk: bytes, gzip: bool) -> int:
    # Some say deflate and send it bare, against RFC 9110, 8.4.1.2.
    bare = not gzip and (chunk[:1] != b"\x78" or int.from_bytes(chunk[:2], "big") % 31)
    return _RAW if bare else _EITHER
