# SPDX-License-Identifier: Apache-2.0
"""Where a document lands: pure rules for destinations and file names."""

from __future__ import annotations

import re
import unicodedata
from os.path import splitext

from airflow_provider_clarus.exceptions import ClarusInputError

SCHEMES = ("file", "s3", "s3a", "gs", "gcs", "abfs", "abfss")
"""The storages whose way to publish an object in one step was measured; see :mod:`.writers`."""

MAX_NAME = 200
"""Bytes; file systems allow 255, and a temporary name needs some of them."""
MAX_EXTENSION = 20


def destination_path(destination: str, file_name: str | None, document_id: int) -> str:
    """Complete ``destination`` with the document's file name if it ends in ``/``.

    :param destination: object storage URI with the Airflow connection in it,
        ``s3://aws_default@bucket/reports/stock.csv``.
    :raises ClarusInputError: it is not such a URI, or names no object.
    """
    scheme, separator, rest = destination.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ClarusInputError(
            f"destination {destination!r} is not a URI of a storage that a report can land in:"
            f" it must begin with one of {', '.join(f'{known}://' for known in SCHEMES)}"
        )
    if any(unicodedata.category(character) == "Cc" for character in destination):
        raise ClarusInputError(f"destination {destination!r} contains a control character")
    authority, slash, key = rest.partition("/")
    bucket = authority.rpartition("@")[2]
    if scheme == "file" and (bucket or not slash):
        raise ClarusInputError(f"destination {destination!r} has no absolute path: write file:///folder/name")
    if scheme != "file" and not bucket:
        raise ClarusInputError(f"destination {destination!r} names no bucket or container")
    if destination.endswith("/"):
        return destination + safe_file_name(file_name, document_id)
    if not key:
        raise ClarusInputError(
            f"destination {destination!r} names no object: end it in / to use the document's file name"
        )
    return destination


def safe_file_name(file_name: str | None, document_id: int) -> str:
    """Make a name from a server fit to be the last part of any path; ``document-<id>`` if nothing is left."""
    name = unicodedata.normalize("NFC", file_name or "")
    name = "".join("_" if _unsafe(character) else character for character in name)
    name = re.sub(r"\.{2,}", ".", name).strip(" .")
    if len(name.encode()) > MAX_NAME:
        stem, extension = splitext(name)
        if len(extension.encode()) > MAX_EXTENSION:
            stem, extension = name, ""
        room = MAX_NAME - len(extension.encode())
        name = stem.encode()[:room].decode(errors="ignore").rstrip(" .") + extension
    return name if name.strip("_") else f"document-{document_id}"


def _unsafe(character: str) -> bool:
    """Separators, what URIs and globs give a meaning to, and what cannot be seen."""
    category = unicodedata.category(character)
    return character in '/\\:*?"<>|#%' or category[0] == "C" or category in ("Zl", "Zp")
