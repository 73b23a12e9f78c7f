# SPDX-License-Identifier: Apache-2.0
"""Write to Google Cloud Storage: a resumable upload, of which nothing shows before its last request.

https://cloud.google.com/storage/docs/performing-resumable-uploads#chunked-upload
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import secrets
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.landing._storage import (
    ObjectExistsError,
    ObjectOptions,
    Stored,
    check_choices,
    check_metadata,
    check_names,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

CHATTY = ("gcsfs", "google.auth", "google.auth.transport.requests")
#: Bytes per request, kept until they have arrived, so that gcsfs can send them again. Each request costs a
#: round trip in which nothing is sent, so few large ones are faster; Google's own client takes 100 MiB.
REQUEST = 96 * 1024 * 1024
#: Bytes of which every request but the last has a multiple.
UNIT = 256 * 1024
#: Bytes of an object that goes in one request, at most.
WHOLE = 8 * 1024 * 1024
#: Fields of an object, and parameters of the request that makes it, by the names of Google's JSON API
#: (https://cloud.google.com/storage/docs/json_api/v1/objects/insert).
FIELDS = frozenset(
    {
        "cacheControl",
        "contentDisposition",
        "contentEncoding",
        "contentLanguage",
        "contentType",
        "customTime",
        "eventBasedHold",
        "storageClass",
        "temporaryHold",
    }
)
PARAMETERS = frozenset({"kmsKeyName", "predefinedAcl"})
#: The values that they may have, and the forms (https://cloud.google.com/storage/docs/storage-classes).
CHOICES = {
    "predefinedAcl": (
        "authenticatedRead",
        "bucketOwnerFullControl",
        "bucketOwnerRead",
        "private",
        "projectPrivate",
        "publicRead",
    ),
    "storageClass": (
        "STANDARD",
        "NEARLINE",
        "COLDLINE",
        "ARCHIVE",
        "RAPID",
        "MULTI_REGIONAL",
        "REGIONAL",
        "DURABLE_REDUCED_AVAILABILITY",
    ),
}
FORMS = {
    "customTime": r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)",
    "kmsKeyName": "projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+",
}
#: Bytes of all names and values.
METADATA = 8192


def check(key: str, options: ObjectOptions) -> None:
    """Refuse names and types that the JSON API does not take."""
    check_names(options, allowed=FIELDS | PARAMETERS, storage="Google Cloud Storage")
    for name, value in options.extra_args.items():
        wanted = bool if name in ("eventBasedHold", "temporaryHold") else str
        if not isinstance(value, wanted):
            raise ClarusInputError(f"extra_args {name} is {value!r}; it is a {wanted.__name__}.")
    check_choices(options, CHOICES)
    for name, form in FORMS.items():
        if name in options.extra_args and not re.fullmatch(form, options.extra_args[name]):
            raise ClarusInputError(
                f"extra_args {name} is {options.extra_args[name]!r}; it has the form {form}."
            )
    check_metadata(options.metadata, limit=METADATA, storage="Google")


def look(path: ObjectStoragePath) -> Stored | None:
    """Return the object at ``path``."""
    return _look(path.fs, *path.fs.split_path(path.path)[:2])


def _look(fs: Any, bucket: str, key: str) -> Stored | None:
    try:
        said = fs.call("GET", "b/{}/o/{}", bucket, key, json_out=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        if "Forbidden" in str(error):
            return None
        raise
    return Stored(int(said["size"]), said.get("metadata", {}))


def open_writer(path: ObjectStoragePath, options: ObjectOptions) -> GCSWriter:
    """Begin an object."""
    return GCSWriter(path.fs, path.path, options)


def console_url(bucket: str, key: str, connection: Any) -> str:
    """Return the object's page in Google's console; emulators have none."""
    if connection and any("endpoint" in name for name in connection.extra_dejson):
        return ""
    return f"https://console.cloud.google.com/storage/browser/_details/{quote(bucket)}/{quote(key)}"


class GCSWriter:
    """One upload session. Google drops the one that a killed process leaves after a week."""

    def __init__(self, fs: Any, path: str, options: ObjectOptions) -> None:
        self._fs = fs
        self._path = path
        self._options = options
        self._bucket, self._key, _ = fs.split_path(path)
        # gcsfs knows such buckets since 2025.12.
        kind = getattr(fs, "_sync_lookup_bucket_type", None)
        if kind and kind(self._bucket).name == "ZONAL_HIERARCHICAL":
            raise ClarusInputError(
                f"{path} is in a zonal bucket (Rapid Storage), which shows an object while it is written"
            )
        self._session: str | None = None
        self._sent = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._body = _Body()

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``; send when there is enough."""
        self._md5.update(chunk)
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
        if self._session or size > WHOLE:
            # Emulators do not know the condition here, so they are asked just before, too.
            if self._options.if_absent and _look(self._fs, self._bucket, self._key):
                raise ObjectExistsError
            content = self._send(size, str(self._sent + size))
        else:
            content = self._put_whole(self._body.getvalue())
        self._fs.invalidate_cache(self._path)
        try:
            said = json.loads(content)
            kept, digest = int(said["size"]), said.get("md5Hash")
        except (ValueError, KeyError, TypeError):
            # 308: it has not kept all of the last request, and there is no object yet.
            raise OSError(
                f"Google Cloud Storage has not kept all {self._sent} bytes of {self._path}: nothing landed"
            ) from None
        sent = b64encode(self._md5.digest()).decode()
        if kept != self._sent or digest not in (None, sent):
            raise OSError(
                f"Google Cloud Storage has {kept} bytes with MD5 {digest} of {self._path},"
                f" and {self._sent} with MD5 {sent} were sent"
            )

    def discard(self) -> None:
        """Cancel the upload."""
        if self._session:
            self._fs.call("DELETE", self._session)

    def _send(self, size: int, total: str) -> bytes:
        if not self._session:
            kind = {"X-Upload-Content-Type": self._fields["contentType"]}
            answer, _ = self._insert("resumable", json=self._fields, headers=kind)
            self._session = str(answer["Location"])
        span = f"{self._sent}-{self._sent + size - 1}" if size else "*"
        headers = {
            "Content-Range": f"bytes {span}/{total}",
            "Content-Length": str(size),
            "Content-Type": self._fields["contentType"],
        }
        answer, content = self._call("PUT", self._session, headers=headers, data=self._body if size else None)
        self._sent += size
        if total == "*" and answer.get("Range") != f"bytes=0-{self._sent - 1}":
            raise OSError(
                f"Google Cloud Storage kept {answer.get('Range')} of {self._sent} bytes of {self._path}"
            )
        return bytes(content)

    def _put_whole(self, body: bytes) -> bytes:
        """Send a small object and its fields in one request (multipart/related, RFC 2387)."""
        self._sent = len(body)
        mark = secrets.token_hex(16)
        parts = (
            ("application/json; charset=UTF-8", json.dumps(self._fields).encode()),
            (
                self._fields["contentType"],
                body,
            ),
        )
        data = b"".join(
            b"--%b\r\nContent-Type: %b\r\n\r\n%b\r\n" % (mark.encode(), kind.encode(), part)
            for kind, part in parts
        )
        _, content = self._insert(
            "multipart",
            data=data + f"--{mark}--\r\n".encode(),
            headers={"Content-Type": f'multipart/related; boundary="{mark}"'},
        )
        return bytes(content)

    @property
    def _fields(self) -> dict[str, Any]:
        arguments = self._options.extra_args
        fields = {name: value for name, value in arguments.items() if name in FIELDS}
        fields.setdefault("contentType", self._options.content_type or "application/octet-stream")
        if self._options.metadata:
            fields["metadata"] = dict(self._options.metadata)
        return {"name": self._key, **fields}

    def _insert(self, upload_type: str, **request: Any) -> Any:
        arguments = self._options.extra_args
        parameters = {name: value for name, value in arguments.items() if name in PARAMETERS}
        if self._options.if_absent:
            parameters["ifGenerationMatch"] = "0"
        url = f"{self._fs.base.replace('/storage/v1/', '/upload/storage/v1/')}b/{quote(self._bucket)}/o"
        return self._call("POST", url, name=self._key, uploadType=upload_type, **parameters, **request)

    def _call(self, *arguments: Any, **options: Any) -> Any:
        try:
            return self._fs.call(*arguments, **options)
        except FileExistsError:
            # 412, which gcsfs has one reason for.
            raise ObjectExistsError from None


class _Body(io.BytesIO):
    """Stays open when it has been sent: it may have to be sent again."""

    def close(self) -> None:
        pass
