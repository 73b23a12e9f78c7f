# SPDX-License-Identifier: Apache-2.0
"""Read what a storage's answers say about an object, and whether they are still about the same one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


class ObjectChangedError(Exception):
    """What was read so far cannot be continued; only starting over helps."""


@dataclass
class Source:
    """The object as its first full answer described it.

    :param size: bytes, None where nothing says
    :param etag: as sent, quotes included
    :param validator: what ``If-Range`` can ask for, None where nothing tells two versions apart
    :param md5: hexadecimal, None where the ETag is none
    :param encoding: how the body is packed, against what was asked for, such as ``gzip`` or ``gzip, gzip``;
        empty where it is not
    """

    size: int | None = None
    etag: str | None = None
    validator: str | None = None
    md5: str | None = None
    encoding: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Source:
        """Read the headers of an answer with status 200."""
        # Next to Transfer-Encoding it says nothing (RFC 9112, 6.3).
        length = headers.get("Content-Length", "") if "Transfer-Encoding" not in headers else ""
        etag = headers.get("ETag")
        strong = etag if etag and not etag.startswith("W/") else None
        return cls(
            size=int(length) if length.isdecimal() else None,
            etag=etag,
            validator=strong or headers.get("Last-Modified"),
            md5=_md5(strong, headers),
            encoding=_encoding(headers),
        )

    def check_rest(self, offset: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer with status 206 to a request for everything from ``offset`` on.

        :raises ObjectChangedError: it is not what was asked for, or nothing says that it is the same object.
        """
        first, size = _content_range(headers)
        if self.validator is None:
            raise ObjectChangedError("the storage gave neither an ETag nor a date to tell versions apart")
        if first != offset:
            raise ObjectChangedError(f"the storage answered from byte {first} instead of {offset}")
        # A server that does not know If-Range sends the rest of whatever version it has.
        is_dated = self.validator != self.etag
        if (
            headers.get("ETag", self.etag) != self.etag
            or (is_dated and headers.get("Last-Modified", self.validator) != self.validator)
            or _encoding(headers) != self.encoding
            or (None not in (self.size, size) and size != self.size)
        ):
            raise ObjectChangedError("the object is another one now")
        self.size = self.size if size is None else size

    def check_end(self, offset: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer with status 416 that nothing comes after ``offset`` bytes.

        :raises ObjectChangedError: the object's size is another one.
        """
        _, size = _content_range(headers)
        if {self.size, size} - {None, offset}:
            raise ObjectChangedError(f"the object has {size} bytes now, not {offset}")
        self.size = offset


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return first byte and whole size, as far as ``Content-Range`` gives them (RFC 9110, 14.4)."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", headers.get("Content-Range", ""))
    first, size = match.groups() if match else (None, None)
    return int(first) if first else None, int(size) if size else None


#: What some write there that is no way of packing: how a client has sent it to S3, a charset, nothing.
_UNPACKED = frozenset({"", "identity", "aws-chunked", "none", "binary", "utf-8", "utf8"})


def _encoding(headers: Mapping[str, str]) -> str:
    codings = [coding.strip().lower() for coding in headers.get("Content-Encoding", "").split(",")]
    return ", ".join(coding for coding in codings if coding not in _UNPACKED)


def _md5(etag: str | None, headers: Mapping[str, str]) -> str | None:
    """Return the MD5 in an ETag.

    An object uploaded in parts, or encrypted with KMS or a customer's key, has none
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
    """
    encrypted = (
        headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
        or "x-amz-server-side-encryption-customer-algorithm" in headers
    )
    # Some write it in upper case, or without the quotes.
    match = re.fullmatch(r'("?)([0-9a-fA-F]{32})\1', etag or "")
    return match.group(2).lower() if match and not encrypted else None
