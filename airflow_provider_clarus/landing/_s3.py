# SPDX-License-Identifier: Apache-2.0
"""Write to Amazon S3, and to what speaks like it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
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

CHATTY = ("botocore.credentials", "aiobotocore.credentials", "botocore.configprovider")
#: As ``ExtraArgs`` of boto3, less what only makes sense for one request or belongs in no DAG: bodies'
#: checksums, and customers' keys.
EXTRA_ARGS = frozenset(
    {
        "ACL",
        "CacheControl",
        "ChecksumAlgorithm",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "ContentType",
        "ExpectedBucketOwner",
        "Expires",
        "GrantFullControl",
        "GrantRead",
        "GrantReadACP",
        "GrantWriteACP",
        "Metadata",
        "ObjectLockLegalHoldStatus",
        "ObjectLockMode",
        "ObjectLockRetainUntilDate",
        "RequestPayer",
        "SSEKMSEncryptionContext",
        "SSEKMSKeyId",
        "ServerSideEncryption",
        "StorageClass",
        "Tagging",
        "WebsiteRedirectLocation",
    }
)
#: Bytes of all names and values (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html).
METADATA = 2048


def check(key: str, options: ObjectOptions) -> None:
    """Refuse names and types that boto3 does not take, and metadata that a header cannot carry."""
    check_names(options, allowed=EXTRA_ARGS, storage="S3")
    if options.extra_args:
        _check_types(options)
    metadata = _arguments(options).get("Metadata", {})
    check_metadata(metadata, limit=METADATA, storage="S3")
    for name, value in metadata.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise ClarusInputError(f"metadata has the name {name!r}, which S3 cannot send as a header.")
        if not value.isascii():
            raise ClarusInputError(f"metadata {name!r} is {value!r}: S3 takes visible ASCII characters only.")


def _check_types(options: ObjectOptions) -> None:
    from botocore.session import Session  # type: ignore[import-untyped]
    from botocore.validate import ParamValidator  # type: ignore[import-untyped]

    shape = Session().get_service_model("s3").operation_model("PutObject").input_shape
    report = ParamValidator().validate({**options.extra_args, "Bucket": "bucket", "Key": "key"}, shape)
    if report.has_errors():
        raise ClarusInputError(f"extra_args are not as boto3 takes them: {report.generate_report()}")
    # boto3 itself leaves that to the server, which says it when the report has been generated.
    check_choices(
        options, {n: known for n, m in shape.members.items() if (known := getattr(m, "enum", None))}
    )
    given = options.extra_args
    key_names = {"SSEKMSKeyId", "SSEKMSEncryptionContext"} & given.keys()
    if key_names and not given.get("ServerSideEncryption", "").startswith("aws:kms"):
        raise ClarusInputError(
            "extra_args name a key of KMS, and need ServerSideEncryption='aws:kms' with it."
        )
    if "ACL" in given and (grants := [name for name in given if name.startswith("Grant")]):
        raise ClarusInputError(f"extra_args has ACL and {', '.join(grants)}, of which S3 takes one.")
    if ("ObjectLockMode" in given) != ("ObjectLockRetainUntilDate" in given):
        raise ClarusInputError(
            "extra_args need ObjectLockMode and ObjectLockRetainUntilDate together, for S3."
        )
    algorithm = given.get("ChecksumAlgorithm", "CRC32")
    if algorithm not in ("CRC32", "SHA1", "SHA256") and find_spec("awscrt") is None:
        raise ClarusInputError(
            f"extra_args ChecksumAlgorithm={algorithm!r} needs: pip install 'botocore[crt]'."
        )
    if not given.get("Tagging", "").isascii():
        raise ClarusInputError(
            f"extra_args Tagging is {given['Tagging']!r}; it is encoded as a URL's query is."
        )


def look(path: ObjectStoragePath) -> Stored | None:
    """Return the object at ``path``."""
    bucket, key, _ = path.fs.split_path(path.path)
    try:
        head = path.fs.call_s3("head_object", Bucket=bucket, Key=key)
    except (FileNotFoundError, PermissionError):
        return None
    return Stored(head["ContentLength"], head.get("Metadata", {}))


def open_writer(path: ObjectStoragePath, options: ObjectOptions) -> S3Writer:
    """Begin an object."""
    return S3Writer(path.fs, path.path, options)


def console_url(bucket: str, key: str, connection: Any) -> str:
    """Return the object's page in Amazon's console; other servers have other ones."""
    extra = connection.extra_dejson if connection else {}
    if extra.get("endpoint_url") or extra.get("service_config", {}).get("s3", {}).get("endpoint_url"):
        return ""
    return f"https://console.aws.amazon.com/s3/object/{quote(bucket)}?prefix={quote(key, safe='')}"


def _arguments(options: ObjectOptions) -> dict[str, Any]:
    arguments = dict(options.extra_args)
    metadata = {**options.metadata, **arguments.pop("Metadata", {})}
    if options.content_type:
        arguments.setdefault("ContentType", options.content_type)
    return {**arguments, "Metadata": metadata} if metadata else arguments


class S3Writer(PartsWriter):
    """A multi-part upload.

    What a killed process leaves is an unfinished upload of the very key: the next try aborts it.
    """

    PARTS = 10_000
    _upload_id: str | None = None

    def __init__(self, fs: Any, path: str, options: ObjectOptions) -> None:
        super().__init__(fs, path, options)
        #: Bytes and MD5 of each part that was sent, by its number.
        self._sent: dict[int, tuple[int, bytes]] = {}

    def _put_whole(self, body: bytes) -> Any:
        self._note(1, body)
        with self._conditions() as conditions:
            return self._call("put_object", Body=body, **_arguments(self._options), **conditions)

    def _begin(self) -> None:
        # Listing them is a permission of its own, which a landing does not need otherwise.
        with suppress(OSError):
            found = self._fs.call_s3("list_multipart_uploads", Bucket=self._bucket, Prefix=self._key)
            for upload in found.get("Uploads", []):
                if upload["Key"] == self._key:
                    self._call("abort_multipart_upload", UploadId=upload["UploadId"])
        self._upload_id = self._call("create_multipart_upload", **_arguments(self._options))["UploadId"]

    def _note(self, number: int, part: bytes) -> None:
        self._sent[number] = len(part), hashlib.md5(part, usedforsecurity=False).digest()

    def _put_part(self, number: int, part: bytes) -> dict[str, Any]:
        self._note(number, part)
        answer = self._call(
            "upload_part",
            UploadId=self._upload_id,
            PartNumber=number,
            Body=part,
            **self._chosen("ChecksumAlgorithm", "RequestPayer", "ExpectedBucketOwner"),
        )
        part_facts = {"PartNumber": number, "ETag": answer["ETag"]}
        if algorithm := self._options.extra_args.get("ChecksumAlgorithm"):
            part_facts[f"Checksum{algorithm}"] = answer[f"Checksum{algorithm}"]
        return part_facts

    def _publish(self, parts: list[Any]) -> Any:
        with self._conditions() as conditions:
            return self._call(
                "complete_multipart_upload",
                UploadId=self._upload_id,
                MultipartUpload={"Parts": parts},
                **self._chosen("RequestPayer", "ExpectedBucketOwner"),
                **conditions,
            )

    def _verify(self, version: Any) -> None:
        try:
            head = self._call("head_object", **self._chosen("RequestPayer", "ExpectedBucketOwner"))
        except PermissionError:
            # A role that may only write.
            return
        except FileNotFoundError:
            raise OSError(f"S3 took {self._name}, and has no such object") from None
        has = Stored(head["ContentLength"], head.get("Metadata", {}))
        if head["ETag"] != version["ETag"] and not has.carries(self._options.metadata):
            if head["LastModified"] >= _date(version):
                # Another task has landed there since.
                return
            raise OSError(f"S3 took {self._name}, and still has the older object")
        if head["ContentLength"] != self._size:
            raise OSError(f"S3 has {head['ContentLength']} bytes of {self._name}, and {self._size} were sent")
        if head["ETag"].strip('"') != self._etag() and self._is_damaged(head):
            raise OSError(f"S3 has other bytes than were sent to {self._name}")

    def _etag(self) -> str:
        """Return the ETag that S3 gives to an object which it does not encrypt with a key of somebody's."""
        sums = [md5 for _, (_, md5) in sorted(self._sent.items())]
        if not self._upload_id:
            return sums[0].hex()
        return f"{hashlib.md5(b''.join(sums), usedforsecurity=False).hexdigest()}-{len(sums)}"

    def _is_damaged(self, head: Any) -> bool:
        """Read the object back, part by part, where its ETag is another one: not all servers use MD5."""
        if "aws:kms" in head.get("ServerSideEncryption", ""):
            return False
        start = 0
        for _, (size, md5) in sorted(self._sent.items()):
            try:
                body = self._fs.cat_file(self._name, start=start, end=start + size) if size else b""
            except OSError:
                return False
            if hashlib.md5(body, usedforsecurity=False).digest() != md5:
                return True
            start += size
        return False

    def _drop(self) -> None:
        if self._upload_id:
            self._call("abort_multipart_upload", UploadId=self._upload_id)

    @contextmanager
    def _conditions(self) -> Iterator[dict[str, str]]:
        if not self._options.if_absent:
            yield {}
            return
        # Some servers do not know the condition, so they are asked just before, too.
        self._refuse_existing()
        try:
            yield {"IfNoneMatch": "*"}
        except OSError as error:
            if "PreconditionFailed" in f"{error} {error.__cause__}" or "412" in str(error.__cause__):
                raise ObjectExistsError from None
            if "ConditionalRequestConflict" in f"{error} {error.__cause__}":
                # Another one landed at the same moment.
                self._refuse_existing()
            raise

    def _refuse_existing(self) -> None:
        with suppress(FileNotFoundError, PermissionError):
            self._call("head_object", **self._chosen("RequestPayer", "ExpectedBucketOwner"))
            raise ObjectExistsError

    def _chosen(self, *names: str) -> dict[str, Any]:
        return {name: value for name, value in self._options.extra_args.items() if name in names}

    def _call(self, method: str, **arguments: Any) -> Any:
        return self._fs.call_s3(method, Bucket=self._bucket, Key=self._key, **arguments)


def _date(answer: Any) -> Any:
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
