# SPDX-License-Identifier: Apache-2.0
"""Tell whether an object is a task's own: landed by an earlier try, killed before it could say so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.landing._storage import ObjectOptions, Stored, storage_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_clarus.receipts import Receipts

#: Bytes of an object that are read back at a time.
READ = 8 * 1024 * 1024


class DamagedError(Exception):
    """An object is what an earlier try has published, and its storage has other bytes than were sent."""


def own_result(
    path: ObjectStoragePath, found: Stored, receipts: Receipts, is_wanted: Callable[[int], bool], log: Any
) -> dict[str, Any] | None:
    """Return what an earlier try was to return, if the object at ``path`` is the one that it has landed.

    Told by its size, by the metadata that name document and tenant, where it carries any, and by its digest.

    :param is_wanted: whether this try, too, is to land a document: what it depends on may have changed
    :raises DamagedError: only the metadata tell it: the earlier try has failed after it had published it
    """
    result, metadata = receipts.read() or ({}, {})
    if result.get("uri") != str(path) or not is_wanted(result["document_id"]):
        return None
    is_told = found.carries(metadata)
    if found.metadata and not is_told:
        return None
    if result["size"] != found.size or sha256_of(path) != result["sha256"]:
        if is_told:
            raise DamagedError
        # A file carries nothing, and is whole before it is published: it is another's.
        return None
    log.info("%s is what an earlier try of this task has landed: there is nothing to do", path)
    # A writer sweeps what the killed one has left beside the object.
    storage_of(path.protocol).open_writer(path, ObjectOptions()).discard()
    return result


def sha256_of(path: ObjectStoragePath) -> str:
    """Read an object and return its digest, hexadecimal."""
    digest = hashlib.sha256()
    with path.fs.open(path.path, "rb") as file:
        while chunk := file.read(READ):
            digest.update(chunk)
    return digest.hexdigest()
