# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterable
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import ClarusRejectedError
from airflow_provider_clarus.landing._packed import Packer, Unpacker, unpackers
from airflow_provider_clarus.landing._source import ObjectChangedError


@given(
    st.binary(max_size=5000), st.lists(st.integers(1, 700), max_size=9), st.sampled_from(["gzip", "deflate"])
)
def test_what_was_packed_comes_out_whatever_the_pieces(body: bytes, sizes: list[int], encoding: str) -> None:
    packed = gzip.compress(body) + gzip.compress(body) if encoding == "gzip" else zlib.compress(body + body)
    unpacker, out = Unpacker(encoding), []
    for size in [*sizes, len(packed)]:
        piece, packed = packed[:size], packed[size:]
        if piece:
            out += unpacker.feed(piece)
    out += unpacker.finish()
    assert b"".join(out) == body + body


@given(st.binary(max_size=5000), st.lists(st.integers(1, 700), max_size=9))
def test_packing_is_the_same_whatever_the_pieces(body: bytes, sizes: list[int]) -> None:
    def packed(sizes: list[int]) -> bytes:
        packer, rest, out = Packer(), body, []
        for size in [*sizes, len(body)]:
            piece, rest = rest[:size], rest[size:]
            out += packer.feed(piece)
        return b"".join([*out, *packer.finish()])

    assert packed(sizes) == packed([])
    assert gzip.decompress(packed(sizes)) == body


def test_a_bomb_is_not_unpacked() -> None:
    packed = gzip.compress(bytes(100_000_000))
    unpacker = Unpacker("gzip")
    with pytest.raises(ClarusRejectedError, match="unpacks to over"):
        for _ in unpacker.feed(packed):
            pass


@pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda packed: packed[:50] + b"x" * 50])
def test_a_packed_body_that_is_damaged_is_not_taken(damage: Callable[[bytes], bytes]) -> None:
    unpacker = Unpacker("gzip")
    with pytest.raises(ObjectChangedError, match="packed body"):
        list(chain(unpacker.feed(damage(gzip.compress(os.urandom(999)))), unpacker.finish()))


def test_bare_deflate_is_understood() -> None:
    pack = zlib.compressobj(wbits=-15)
    packed = pack.compress(b"a,b\n" * 99) + pack.flush()
    unpacker = Unpacker("deflate")
    assert b"".join(chain(unpacker.feed(packed), unpacker.finish())) == b"a,b\n" * 99


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, br", "whatever"])
def test_another_way_of_packing_is_refused(encoding: str) -> None:
    with pytest.raises(ClarusRejectedError, match="asked not to pack it"):
        unpackers(encoding, plain=True)


def unpacked(packed: bytes, encoding: str, *, plain: bool = True) -> bytes:
    pieces: Iterable[bytes] = [packed[at : at + 7] for at in range(0, len(packed), 7)]
    for stage in unpackers(encoding, plain=plain):
        pieces = [*chain.from_iterable(map(stage.feed, pieces)), *stage.finish()]
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", lambda body: gzip.compress(gzip.compress(body))),
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
        ("deflate, gzip", lambda body: gzip.compress(zlib.compress(body))),
        ("x-gzip", gzip.compress),
        ("gzip", gzip.compress),
        ("gzip", lambda body: gzip.compress(body) + bytes(512)),
    ],
)
def test_what_is_packed_twice_is_unpacked_twice(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = os.urandom(900)
    assert unpacked(pack(body), encoding) == body


def test_what_is_packed_itself_is_unpacked_once() -> None:
    packed = gzip.compress(b"a,b\n")
    assert unpacked(gzip.compress(packed), "gzip", plain=False) == packed


def test_a_bomb_in_a_bomb_is_measured_on_the_wire() -> None:
    packed = gzip.compress(gzip.compress(bytes(100_000_000)))
    outer, inner = unpackers("gzip", plain=True)
    with pytest.raises(ClarusRejectedError, match=rf"over 200 times its {len(packed)} bytes"):
        for _ in chain.from_iterable(map(inner.feed, outer.feed(packed))):
            pass


@pytest.mark.parametrize("body", [b"", b"a", b"a,b", b"\x1fa"])
def test_what_is_called_packed_and_is_not_comes_out_as_it_is(body: bytes) -> None:
    unpacker = Unpacker("gzip")
    pieces = [unpacker.feed(body[n : n + 1]) for n in range(len(body))]
    assert b"".join(chain(*pieces, unpacker.finish())) == body
