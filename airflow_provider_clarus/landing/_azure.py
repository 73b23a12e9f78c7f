# SPDX-License-Identifier: Apache-2.0
"""Write to Azure Blob Storage: blocks that are staged, then committed as a list.

https://learn.microsoft.com/rest/api/storageservices/put-block
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.landing._parts import PartsWriter
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

CHATTY = ("azure.core.pipeline.policies.http_logging_policy", "azure.identity")
#: As keyword arguments of ``BlobClient.upload_blob``.
EXTRA_ARGS = frozenset({"content_settings", "encryption_scope", "legal_hold", "standard_blob_tier", "tags"})
#: As arguments of ``ContentSettings``.
CONTENT_SETTINGS = frozenset(
    {"cache_control", "content_disposition", "content_encoding", "content_language", "content_type"}
)
#: Bytes of all names and values, and tags of a blob.
METADATA = 8192
TAGS = 10
TIERS = ("Hot", "Cool", "Cold", "Archive")
_TAG = re.compile("[A-Za-z0-9 +./:=_-]{0,256}")


def check(key: str, options: ObjectOptions) -> None:
    """Refuse names that the client does not take, and metadata that Azure does not."""
    check_names(options, allowed=EXTRA_ARGS, storage="Azure")
    settings, tags = (options.extra_args.get(name) or {} for name in ("content_settings", "tags"))
    if (
        not isinstance(settings, Mapping)
        or settings.keys() - CONTENT_SETTINGS
        or not all(isinstance(setting, str) and setting.isascii() for setting in settings.values())
    ):
        raise ClarusInputError(
            f"extra_args content_settings is {settings!r}; it is a mapping to texts of ASCII, with any of"
            f" {', '.join(sorted(CONTENT_SETTINGS))}."
        )
    if (
        not isinstance(tags, Mapping)
        or len(tags) > TAGS
        or not all(isinstance(tag, str) for tag in tags.values())
        or not all(_TAG.fullmatch(text) for text in (*tags, *tags.values()))
        or not all(0 < len(name) <= 128 for name in tags)
    ):
        raise ClarusInputError(
            f"extra_args tags is {tags!r}; it is a mapping of up to {TAGS} texts, of letters, digits, spaces"
            " and + - . / : = _"
        )
    if not isinstance(options.extra_args.get("legal_hold", False), bool):
        raise ClarusInputError(
            f"extra_args legal_hold is {options.extra_args['legal_hold']!r}; it is a bool."
        )
    check_choices(options, {"standard_blob_tier": TIERS})
    scope = options.extra_args.get("encryption_scope", "scope")
    if not isinstance(scope, str) or not re.fullmatch("[A-Za-z0-9-]{3,63}", scope):
        raise ClarusInputError(f"extra_args encryption_scope is {scope!r}; it is the name of a scope.")
    check_metadata(options.metadata, limit=METADATA, storage="Azure")
    for name, value in options.metadata.items():
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            raise ClarusInputError(
                f"metadata has the name {name!r}: on Azure it has letters, digits and _, and no digit first."
            )
        if not value.isascii():
            raise ClarusInputError(f"metadata {name!r} is {value!r}: Azure takes visible ASCII only.")


def look(path: ObjectStoragePath) -> Stored | None:
    """Return the blob at ``path``."""
    from azure.core.exceptions import HttpResponseError

    container, key, _ = path.fs.split_path(path.path)
    try:
        properties = _call(path.fs, container, key, "get_blob_properties")
    except HttpResponseError as error:
        if error.status_code in (403, 404):
            return None
        raise
    return Stored(properties.size, properties.metadata or {})


def open_writer(path: ObjectStoragePath, options: ObjectOptions) -> AzureWriter:
    """Begin a blob."""
    return AzureWriter(path.fs, path.path, options)


def console_url(bucket: str, key: str, connection: Any) -> str:
    """Return the blob's own URL: the portal names its pages after subscriptions, which nobody here knows."""
    host = str(connection.host or "") if connection else ""
    if connection and not host and connection.login:
        host = str(connection.login)
    if not host or "connection_string" in connection.extra_dejson:
        return ""
    host = host.partition("://")[2] or host
    host = host.strip("/") if "." in host else f"{host}.blob.core.windows.net"
    return f"https://{host}/{quote(bucket)}/{quote(key)}"


#: Codes of Azure and of Azurite (https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes).
BLOCKS_GONE = ("InvalidBlockList", "InvalidBlobOrBlock")


class AzureWriter(PartsWriter):
    """Staged blocks need no cleaning up: Azure drops them with the blob's next commit, or after a week."""

    PARTS = 50_000
    _md5: str | None = None

    def _put_whole(self, body: bytes) -> Any:
        self._md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return self._make("upload_blob", body, overwrite=not self._options.if_absent)

    def _begin(self) -> None:
        # Ids of a blob have one length, and those of two tries must differ.
        self._try = f"clarus-{secrets.token_hex(8)}"

    def _put_part(self, number: int, part: bytes) -> str:
        block_id = base64.b64encode(f"{self._try}-{number:05d}".encode()).decode()
        scope = {k: v for k, v in self._options.extra_args.items() if k == "encryption_scope"}
        # Azure tells no digest of blocks, nor of what is made of them: it compares each with the one sent.
        options = {"validate_content": True, **scope}
        self._send("stage_block", block_id, part, len(part), **options)
        return block_id

    def _publish(self, parts: list[Any]) -> Any:
        from azure.core import MatchConditions
        from azure.storage.blob import BlobBlock

        blocks = [BlobBlock(block_id) for block_id in parts]
        absent = {"match_condition": MatchConditions.IfMissing} if self._options.if_absent else {}
        return self._make("commit_block_list", blocks, **absent)

    def _make(self, method: str, body: Any, **conditions: Any) -> Any:
        from azure.storage.blob import ContentSettings, StandardBlobTier

        arguments = dict(self._options.extra_args)
        settings = {"content_type": self._options.content_type, **arguments.pop("content_settings", {})}
        if any(settings.values()):
            arguments["content_settings"] = ContentSettings(**settings)
        if self._options.metadata:
            arguments["metadata"] = dict(self._options.metadata)
        if tier := arguments.pop("standard_blob_tier", None):
            # The client takes no text.
            arguments["standard_blob_tier"] = StandardBlobTier(tier)
        return self._send(method, body, **arguments, **conditions)

    def _send(self, method: str, *body: Any, **arguments: Any) -> Any:
        """Call Azure; what another landing has made of the object in between is told as that."""
        from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError

        try:
            return _call(self._fs, self._bucket, self._key, method, *body, **arguments)
        except HttpResponseError as error:
            if not self._options.if_absent:
                raise
            exists = isinstance(error, ResourceExistsError | ResourceModifiedError)
            if getattr(error, "error_code", "") in BLOCKS_GONE:
                # Whoever lands in between drops the blocks that were staged, and Azure may say that first. A
                # role that may only write is not told.
                with suppress(HttpResponseError):
                    exists = _call(self._fs, self._bucket, self._key, "exists")
            if exists:
                raise ObjectExistsError from None
            raise

    def _verify(self, version: Any) -> None:
        from azure.core.exceptions import HttpResponseError

        try:
            said = _call(self._fs, self._bucket, self._key, "get_blob_properties")
        except HttpResponseError as error:
            if error.status_code == 403:
                # A role that may only write.
                return
            raise OSError(f"Azure took {self._name}, and does not show it: {error.reason}") from error
        has = Stored(said.size, said.metadata or {})
        is_ours = said.etag.strip('"') == version["etag"].strip('"')
        if not is_ours and not has.carries(self._options.metadata):
            # Azure names each change of a blob anew: another task has landed there since.
            return
        digest = said.content_settings.content_md5
        if said.size != self._size or (self._md5 and digest and bytes(digest).hex() != self._md5):
            raise OSError(f"Azure has {said.size} other bytes than the {self._size} sent to {self._name}")

    def _drop(self) -> None:
        pass


def _call(fs: Any, container: str, key: str, method: str, *arguments: Any, **options: Any) -> Any:
    from fsspec.asyn import sync  # type: ignore[import-untyped]

    client = fs.service_client.get_blob_client(container, key)
    return sync(fs.loop, getattr(client, method), *arguments, **options)
