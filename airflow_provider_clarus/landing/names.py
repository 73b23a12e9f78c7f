# SPDX-License-Identifier: Apache-2.0
"""Name the place where a document lands: pure rules for destinations and file names."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from os.path import splitext

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.landing._storage import KINDS

SCHEMES = tuple(KINDS)
"""The storages whose way to publish an object in one step was measured."""

MAX_NAME = 200
"""Bytes; file systems allow 255, and a temporary name needs some of them."""
MAX_EXTENSION = 20
MAX_KEY = 1024
"""Bytes of an object's whole key, in UTF-8; Azure allows as many characters."""
SHORTEST_ROOM = 40
"""Bytes that a folder must leave for the name of a file."""


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
    _check_key(destination, scheme, key)
    if scheme != "file":
        _check_object(destination, scheme, authority, key)
    if not any(map(_shows, key.rpartition("/")[2])) and not destination.endswith("/"):
        raise ClarusInputError(
            f"destination {destination!r} names no object: end it in / to use the document's file name"
        )
    room = MAX_NAME if scheme == "file" else MAX_KEY - len(key.encode())
    if room < (SHORTEST_ROOM if destination.endswith("/") else 0):
        raise ClarusInputError(
            f"destination {destination[:200]!r}… is too long: object storage takes keys of {MAX_KEY} bytes"
        )
    if destination.endswith("/"):
        destination += safe_file_name(file_name, document_id, min(MAX_NAME, room))
    return destination


def _check_key(destination: str, scheme: str, key: str) -> None:
    """Refuse what would land elsewhere than it says.

    :raises ClarusInputError: with what is wrong
    """
    if {".", ".."} & set(key.split("/")):
        raise ClarusInputError(
            f"destination {destination!r} has . or .. in it, which object storage does not resolve, and which"
            " leads to another folder than the one that is named: write the place itself"
        )
    if "::" in key:
        raise ClarusInputError(
            f"destination {destination!r} has :: in it, at which the libraries cut it off: leave it out"
        )
    if scheme == "file" and key.startswith("/"):
        raise ClarusInputError(
            f"destination {destination!r} begins with an empty folder, as a template makes it of a value that"
            f" is empty or ends in /, and would land in the worker's current one: write file:///{key.lstrip('/')}"
        )
    if scheme == "file" and _EMPTY_QUERY.match(key):
        raise ClarusInputError(
            f"destination {destination!r} has a ? or # with nothing behind it, which is cut off: leave it out"
        )


#: As the libraries read it, for they take a path for a URL.
_EMPTY_QUERY = re.compile(r"[^?#]*\?(#|$)|[^#]*#$")
#: What tells that somebody took the address of a storage's server for the name of a bucket.
_SERVERS = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "core.windows.net",
    "core.chinacloudapi.cn",
    "core.usgovcloudapi.net",
    "fabric.microsoft.com",
    "googleapis.com",
    "cloudflarestorage.com",
    "digitaloceanspaces.com",
)
_AZURE = ("abfs", "abfss")


def _check_object(destination: str, scheme: str, authority: str, key: str) -> None:
    """Refuse what a storage's library would take for something else.

    :raises ClarusInputError: with the form that is right
    """
    connection, _, bucket = authority.rpartition("@")
    shown = f"{scheme}://{{connection}}@{{bucket}}/{{key}}"
    # No container has a dot in its name; buckets may.
    if bucket.endswith(_SERVERS) or (scheme in _AZURE and "." in bucket):
        container = connection if scheme in _AZURE else bucket.partition(".")[0]
        right = shown.format(connection="CONNECTION", bucket=container or "CONTAINER", key=key)
        raise ClarusInputError(
            f"destination {destination!r} names a server, not a bucket or container: write {right}, where"
            " CONNECTION is the id of the Airflow connection in which the account stands."
        )
    if ":" in authority:
        right = shown.format(connection="CONNECTION", bucket=bucket.partition(":")[0], key=key)
        raise ClarusInputError(
            f"destination {scheme}://…@{bucket}/{key} has a port or a password in it, which belong"
            f" in the Airflow connection: write {right}"
        )
    if any(character in destination for character in "?#"):
        right = re.split("[?#]", destination)[0]
        raise ClarusInputError(
            f"destination {destination!r} has a query or a fragment, which would name a version of an object"
            f" and not its place: write {right}"
        )
    if scheme in _AZURE and ("\\" in key or any(part.endswith(".") for part in key.split("/"))):
        raise ClarusInputError(
            f"destination {destination!r} has a backslash, or a dot at an end, which Azure makes another name"
            " of: leave it out"
        )


def safe_file_name(file_name: str | None, document_id: int, longest: int = MAX_NAME) -> str:
    """Make a name from a server fit to be the last part of any path; ``document-<id>`` if nothing is left.

    One that is too long is cut, and told from others that begin alike by a digest of the whole: as with a
    whole name, the same name is the same place in every run, and another name is another.

    :param longest: bytes
    """
    name = unicodedata.normalize("NFC", file_name or "")
    name = "".join("_" if _unsafe(character) else character for character in name)
    name = re.sub(r"\.{2,}", ".", name).strip(" .")
    if len(name.encode()) > longest:
        stem, extension = splitext(name)
        if len(extension.encode()) > MAX_EXTENSION:
            stem, extension = name, ""
        extension = f"-{sha256(name.encode()).hexdigest()[:8]}{extension}"
        room = longest - len(extension.encode())
        name = stem.encode()[:room].decode(errors="ignore").rstrip(" .") + extension
    return name if name.strip("_") else f"document-{document_id}"


def _shows(character: str) -> bool:
    return character.isprintable() and not character.isspace()


def _unsafe(character: str) -> bool:
    """Separators, what URIs and globs give a meaning to, and what cannot be seen."""
    category = unicodedata.category(character)
    return character in '/\\:*?"<>|#%' or category[0] == "C" or category in ("Zl", "Zp")
