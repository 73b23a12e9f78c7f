# SPDX-License-Identifier: Apache-2.0
"""Link a landing task to its object, in Airflow's UI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_clarus.landing._storage import KINDS, storage_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator


class LandedObjectLink(BaseOperatorLink):
    """Leads to the page of the object in its storage's console, if it has one."""

    name: ClassVar[str] = "Landed object"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the page's address, empty where a task has landed nothing or its storage has no console."""
        # In the task's own process, which asks when it defers or fails, too: that of a result which is not
        # there would be an error in the worker's log.
        work = getattr(operator, "worked_on", None)
        landed = work.landed if work else _returned(ti_key)
        uri = landed.get("uri") if isinstance(landed, dict) else None
        return console_url(uri) if isinstance(uri, str) else ""


def _returned(ti_key: Any) -> Any:
    from airflow.providers.common.compat.sdk import XCom

    return XCom.get_value(ti_key=ti_key, key="return_value")


def console_url(uri: str) -> str:
    """Return the address of an object's page, empty where there is none."""
    from airflow.providers.common.compat.sdk import BaseHook

    scheme, _, rest = uri.partition("://")
    if scheme not in KINDS:
        return ""
    authority, _, key = rest.partition("/")
    conn_id, named, bucket = authority.rpartition("@")
    try:
        connection = BaseHook.get_connection(unquote(conn_id)) if named else None
    except Exception:
        # A link is no reason for a task that has landed its file to complain.
        return ""
    return storage_of(uri).console_url(bucket, key, connection)
