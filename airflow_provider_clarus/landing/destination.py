# SPDX-License-Identifier: Apache-2.0
"""Open a destination as Airflow does: an ``ObjectStoragePath``, where its library is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from airflow_provider_clarus.exceptions import ClarusConfigError, ClarusInputError, ClarusTransientError
from airflow_provider_clarus.hooks import connections
from airflow_provider_clarus.landing._storage import KINDS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection, ObjectStoragePath


def storage_path(destination: str) -> ObjectStoragePath:
    """Return a destination as a path of its storage.

    Airflow loads the libraries of all storages that are installed for this, which may take a second: call it
    when the path is needed, and not before.

    The Airflow connection that the destination names is fetched here, and is the one that opens the storage:
    the libraries go on without one that they do not find, to a bucket of the same name somewhere else.

    :raises ClarusConfigError: when the storage's library is not installed
    :raises ClarusInputError: when the destination's connection has no name
    :raises ClarusTransientError: when Airflow does not find it, just now or at all
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    check_library(destination)
    connection = fetch_connection(destination)
    if connection is None:
        return ObjectStoragePath(destination)
    try:
        from airflow.sdk.io import attach
    except ImportError:
        from airflow.io.store import attach  # type: ignore  # 2.11

    store = attach(destination.partition("://")[0], connection.conn_id)
    with connections.at_hand(connection):
        # Airflow keeps what it has opened by the connection's id: that may have been without a connection.
        store.__dict__.pop("fs", None)
        # Opened here, where it raises what goes wrong. A path hides that, and opens something else later.
        opened = store.fs
        path = ObjectStoragePath(destination)
    if path.fs is not opened:
        raise ClarusTransientError(f"{destination} did not open with connection {connection.conn_id!r}.")
    return path


def fetch_connection(destination: str) -> Connection | None:
    """Return the Airflow connection that a destination names, ``None`` where it names none.

    Called before anything is generated, too: a report that could not land costs nothing then.

    :raises ClarusInputError: when there is an ``@`` without a name before it
    :raises ClarusTransientError: when Airflow does not find it, just now or at all
    """
    conn_id, named, _ = destination.partition("://")[2].partition("/")[0].rpartition("@")
    if named and not conn_id.strip():
        raise ClarusInputError(
            f"destination {destination!r} has an @, and no connection before it: name one, or drop it."
        )
    return connections.fetch(conn_id) if named else None


def check_library(destination: str) -> None:
    """Raise when what opens a destination's storage is not installed; nothing is loaded to find out.

    :raises ClarusConfigError: with the command that installs it
    """
    _, library, extra = KINDS[destination.partition("://")[0]]
    if library and find_spec(library) is None:
        raise ClarusConfigError(
            f"destination {destination!r} needs {library}: pip install 'airflow-provider-clarus[{extra}]'"
        )
