# SPDX-License-Identifier: Apache-2.0
"""A destination as Airflow opens it: an ``ObjectStoragePath``, where its library is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from airflow_provider_clarus.exceptions import ClarusConfigError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

#: The library that opens each storage, and the extra of this package that brings it.
LIBRARIES = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gcs"),
    "gcs": ("gcsfs", "gcs"),
    "abfs": ("adlfs", "azure"),
    "abfss": ("adlfs", "azure"),
}


def storage_path(destination: str) -> ObjectStoragePath:
    """Return a destination as a path of its storage.

    Airflow loads the libraries of all storages that are installed for this, which may take a second: call it
    when the path is needed, and not before.

    :raises ClarusConfigError: when the storage's library is not installed
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    check_library(destination)
    return ObjectStoragePath(destination)


def check_library(destination: str) -> None:
    """Raise when what opens a destination's storage is not installed; nothing is loaded to find out.

    :raises ClarusConfigError: with the command that installs it
    """
    library, extra = LIBRARIES.get(destination.partition("://")[0], ("", ""))
    if library and find_spec(library) is None:
        raise ClarusConfigError(
            f"destination {destination!r} needs {library}: pip install 'airflow-provider-clarus[{extra}]'"
        )
