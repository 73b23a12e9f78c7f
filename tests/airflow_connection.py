# SPDX-License-Identifier: Apache-2.0
"""Airflow's connections, as each version of it reads them."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import Connection


def from_uri(uri: str) -> Any:
    """Return the connection that a URI means."""
    if hasattr(Connection, "from_uri"):
        return Connection.from_uri(uri, conn_id="c")
    from airflow.models.connection import Connection as OfDatabase  # 2.11 and 3.0

    return OfDatabase(conn_id="c", uri=uri)
