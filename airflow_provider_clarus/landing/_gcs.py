# SPDX-License-Identifier: Apache-2.0
"""Google Cloud Storage: a resumable upload, of which nothing shows before its last request.

https://cloud.google.com/storage/docs/performing-resumable-uploads#chunked-upload
"""

from __future__ import annotations

import io
from mimetypes import guess_type
from typing import Any

from fsspec.asyn import sync  # type: ignore[import-untyped]

from airflow_provider_clarus.exceptions import ClarusInputError

#: Bytes per request, kept until they have arrived, so that gcsfs can send them again. Each request costs a
#: round trip in which nothing is sent, so few large ones are faster; Google's own client takes 100 MiB.
REQUEST = 96 * 1024 * 1024
#: Bytes of which every request but the last has a multiple.
UNIT = 256 * 1024


class GCSWriter:
    """One upload session. Google drops the one that a killed process leaves after a week."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs = fs
        self._path = path
        self._bucket, self._key, _ = fs.split_path(path)
        # gcsfs knows such buckets since 2025.12.
        kind = getattr(fs, "_sync_lookup_bucket_type", None)
        if kind and kind(self._bucket).name == "ZONAL_HIERARCHICAL":
            raise ClarusInputError(
                f"{path} is in a zonal bucket (Rapid Storage), which shows an object while it is written"
            )
        self._session: str | None = None
        self._sent = 0
        self._body = _Body()

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``; send when there is enough."""
        self._body.write(chunk)
        if self._body.tell() >= REQUEST:
            size = self._body.tell() // UNIT * UNIT
            rest = bytes(self._body.getbuffer()[size:])
            self._body.truncate(size)
            self._send(size, "*")
            self._body = _Body()
            self._body.write(rest)

    def commit(self) -> None:
        """Send the rest, and with it the size, which ends the upload."""
        size = self._body.tell()
        self._send(size, str(self._sent + size))
        self._fs.invalidate_cache(self._path)

    def discard(self) -> None:
        """Cancel the upload."""
        if self._session:
            self._fs.call("DELETE", self._session)

    def _send(self, size: int, total: str) -> None:
        from gcsfs.core import initiate_upload  # type: ignore[import-untyped]

        if not self._session:
            kind = guess_type(self._key)[0] or "application/octet-stream"
            self._session = sync(self._fs.loop, initiate_upload, self._fs, self._bucket, self._key, kind)
        span = f"{self._sent}-{self._sent + size - 1}" if size else "*"
        headers = {"Content-Range": f"bytes {span}/{total}", "Content-Length": str(size)}
        answer, _ = self._fs.call("PUT", self._session, headers=headers, data=self._body if size else None)
        self._sent += size
        if total == "*" and answer.get("Range") != f"bytes=0-{self._sent - 1}":
            raise OSError(
                f"Google Cloud Storage kept {answer.get('Range')} of {self._sent} bytes of {self._path}"
            )


class _Body(io.BytesIO):
    """Stays open when it has been sent: it may have to be sent again."""

    def close(self) -> None:
        pass
