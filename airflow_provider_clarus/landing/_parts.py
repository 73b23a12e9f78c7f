# SPDX-License-Identifier: Apache-2.0
"""S3 and Azure Blob Storage: parts that nobody sees go up side by side, then one request makes the object.

The ``open`` of s3fs and of adlfs uploads one part after another; and adlfs publishes what it has when the
file is closed or collected.
"""

from __future__ import annotations

import base64
import secrets
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from fsspec.asyn import sync  # type: ignore[import-untyped]

#: Bytes. S3 takes 10,000 parts, and so objects of up to 80 GB; Azure takes 50,000 blocks.
PART = 8 * 1024 * 1024
#: Parts under way at a time.
SIDE_BY_SIDE = 4


class PartsWriter(ABC):
    """An object cut into parts of one size, as some stores insist; a small one goes in one request."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs = fs
        self._bucket, self._key, _ = fs.split_path(path)
        self._buffer = bytearray()
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE)
        self._pending: deque[Future[Any]] = deque()
        self._parts: list[Any] = []

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``; wait while enough parts are under way, and raise what an earlier one met."""
        self._buffer += chunk
        while len(self._buffer) >= PART:
            self._upload(PART)

    def commit(self) -> None:
        """Upload the rest and make the object."""
        if self._pending or self._parts:
            if self._buffer:
                self._upload(len(self._buffer))
            self._wait(0)
            self._publish(self._parts)
        else:
            self._put_whole(bytes(self._buffer))
        self._threads.shutdown()
        self._fs.invalidate_cache(f"{self._bucket}/{self._key}")

    def discard(self) -> None:
        """Wait for the parts under way, and drop all of them."""
        self._threads.shutdown(cancel_futures=True)
        self._drop()

    def _upload(self, size: int) -> None:
        self._wait(SIDE_BY_SIDE - 1)
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
    def _put_whole(self, body: bytes) -> None:
        """Make an object that is smaller than a part."""

    @abstractmethod
    def _begin(self) -> None:
        """Prepare for parts."""

    @abstractmethod
    def _put_part(self, number: int, part: bytes) -> Any:
        """Upload a part, counted from 1, in a thread; return what :meth:`_publish` needs to know of it."""

    @abstractmethod
    def _publish(self, parts: list[Any]) -> None:
        """Make the object of all its parts."""

    @abstractmethod
    def _drop(self) -> None:
        """Forget the parts that were uploaded."""


class S3Writer(PartsWriter):
    """A multi-part upload (https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html).

    What a killed process leaves is an unfinished upload of the very key: the next try aborts it.
    """

    _upload_id: str | None = None

    def _put_whole(self, body: bytes) -> None:
        self._call("put_object", Body=body)

    def _begin(self) -> None:
        # Listing them is a permission of its own, which a landing does not need otherwise.
        with suppress(OSError):
            found = self._fs.call_s3("list_multipart_uploads", Bucket=self._bucket, Prefix=self._key)
            for upload in found.get("Uploads", []):
                if upload["Key"] == self._key:
                    self._call("abort_multipart_upload", UploadId=upload["UploadId"])
        self._upload_id = self._call("create_multipart_upload")["UploadId"]

    def _put_part(self, number: int, part: bytes) -> dict[str, Any]:
        answer = self._call("upload_part", UploadId=self._upload_id, PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _publish(self, parts: list[Any]) -> None:
        self._call("complete_multipart_upload", UploadId=self._upload_id, MultipartUpload={"Parts": parts})

    def _drop(self) -> None:
        if self._upload_id:
            self._call("abort_multipart_upload", UploadId=self._upload_id)

    def _call(self, method: str, **arguments: Any) -> Any:
        return self._fs.call_s3(method, Bucket=self._bucket, Key=self._key, **arguments)


class AzureWriter(PartsWriter):
    """Blocks that are staged, then committed as a list (https://learn.microsoft.com/rest/api/storageservices/put-block).

    Staged blocks need no cleaning up: Azure drops them with the next commit to the blob, or after a week.
    """

    def _put_whole(self, body: bytes) -> None:
        self._call("upload_blob", body, overwrite=True)

    def _begin(self) -> None:
        # Ids of a blob have one length, and those of two tries must differ.
        self._try = f"clarus-{secrets.token_hex(8)}"

    def _put_part(self, number: int, part: bytes) -> str:
        block_id = base64.b64encode(f"{self._try}-{number:05d}".encode()).decode()
        self._call("stage_block", block_id, part, len(part))
        return block_id

    def _publish(self, parts: list[Any]) -> None:
        from azure.storage.blob import BlobBlock

        self._call("commit_block_list", [BlobBlock(block_id) for block_id in parts])

    def _drop(self) -> None:
        pass

    def _call(self, method: str, *arguments: Any, **options: Any) -> None:
        client = self._fs.service_client.get_blob_client(self._bucket, self._key)
        sync(self._fs.loop, getattr(client, method), *arguments, **options)
