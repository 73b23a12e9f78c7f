# SPDX-License-Identifier: Apache-2.0
"""Let ``requests`` connect in a way of one's own: to a server, and to a proxy before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


def pools_of(connection: type[HTTPConnection]) -> dict[str, Any]:
    """Return the pools that connect as ``connection`` does, with TLS and without, by their schemes."""
    secure = type(connection.__name__, (connection, HTTPSConnection), {})
    return {
        "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": connection}),
        "https": type("Pool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


class ConnectingAdapter(HTTPAdapter):
    """An adapter whose connections come from pools of its own."""

    pools: Mapping[str, Any]

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the connections to servers."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make such connections for a proxy, too; one that speaks SOCKS has its own."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self.pools
        return manager
