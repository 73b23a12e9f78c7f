# SPDX-License-Identifier: Apache-2.0
"""Read the body of an answer within a bound, whatever becomes of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import requests
from requests.exceptions import ContentDecodingError

#: Bytes of an answer that are read. A page of 100 documents has about 20 kB.
MAX_BODY = 8 * 1024 * 1024
_PIECE = 64 * 1024
#: What zlib reads: nobody is asked for it, and some proxies pack all the same.
_PACKED = {"gzip", "x-gzip", "deflate"}


def body_of(response: requests.Response) -> bytes:
    """Read a body, and unpack it here, where it is packed unasked: a library does that without a bound.

    :raises ContentDecodingError: when it has over :data:`MAX_BODY` bytes, or cannot be unpacked
    """
    body = bytearray()
    for piece in _pieces(response):
        body += piece
        if len(body) > MAX_BODY:
            raise ContentDecodingError(f"the answer has over {MAX_BODY} bytes")
    return bytes(body)


def _pieces(response: requests.Response) -> Iterator[bytes]:
    sent = iter(lambda: response.raw.read(_PIECE, decode_content=False), b"")
    said = response.headers.get("Content-Encoding", "").lower().split(",")
    packed = [encoding.strip() for encoding in said if encoding.strip() not in ("", "identity")]
    if not packed:
        yield from sent
    elif len(packed) > 1 or packed[0] not in _PACKED:
        raise ContentDecodingError(f"the answer is packed ({', '.join(packed)!r}), unasked")
    else:
        yield from _unpacked(sent)


def _unpacked(sent: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    received = False
    for piece in sent:
        received = True
        while piece:
            if unpacker.eof:
                raise ContentDecodingError("the answer is packed, unasked, and goes on after its end")
            try:
                yield unpacker.decompress(piece, _PIECE)
            except zlib.error as error:
                raise ContentDecodingError(f"the answer is packed, unasked, and spoilt: {error}") from None
            piece = unpacker.unconsumed_tail or unpacker.unused_data
    if received and not unpacker.eof:
        raise ContentDecodingError("the answer is packed, unasked, and ends too early")
