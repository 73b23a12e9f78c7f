# SPDX-License-Identifier: Apache-2.0
"""Read through one Airflow connection from an event loop: one client, seen as each tenant."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.api.documents import NOBODY
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import ClarusError, ClarusTransientError
from airflow_provider_clarus.hooks import connections
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.http.limit import Limit
from airflow_provider_clarus.waiting.threads import in_thread

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds between two fetches of a connection that is refused.
FETCHED_FOR = 10.0


class Reader:
    """Reads through one Airflow connection, which is fetched when it is first needed, and kept."""

    def __init__(self, clarus_conn_id: str) -> None:
        self._clarus_conn_id = clarus_conn_id
        self._client: ClarusClient | None = None
        self._views: dict[str | None, ClarusClient] = {}
        self._opening: asyncio.Task[ClarusClient] | None = None
        self._fetched_at = float("-inf")

    def close(self) -> None:
        """Close the connections to the server, and forget the Airflow connection."""
        if self._opening:
            self._opening.cancel()
        self._replace(None)

    def forget(self, subdomain: str | None) -> None:
        """Forget what is known of a tenant."""
        self._views.pop(subdomain, None)

    @property
    def is_open(self) -> bool:
        """Whether the connection is known."""
        return self._client is not None

    def has_id_filter(self, subdomain: str | None) -> bool:
        """Whether one request can ask for 100 documents of a tenant, as far as anyone knows yet."""
        view = self._views.get(subdomain)
        return view is None or view.has_id_filter

    def tenant_of(self, subdomain: str | None) -> str:
        """Return the name of the tenant that is asked."""
        return subdomain or (self._client.connection.tenant if self._client else "")

    async def open(self) -> None:
        """Fetch the connection, unless it is known.

        All who need it wait for one fetch, which goes on, whoever stops waiting. One that does not return in
        :data:`~airflow_provider_clarus.hooks.connections.LONGEST_FETCH` is given up, and the next is made.

        :raises ClarusError: when it cannot be had
        """
        if self._client is None:
            self._replace(await self._fetched())

    async def renew(self) -> None:
        """Fetch the connection again: it may have been given other credentials since.

        :raises ClarusError: when it cannot be had
        """
        now = asyncio.get_running_loop().time()
        if now < self._fetched_at + FETCHED_FOR:
            return
        log.info("Fetching connection %r again.", self._clarus_conn_id)
        client = await self._fetched()
        if self._client and client.connection == self._client.connection:
            client.close()
        else:
            self._replace(client)

    async def read(
        self, subdomain: str | None, document_ids: Sequence[int], limit: Limit
    ) -> dict[int, Document]:
        """Return what Clarus says of some documents of a tenant; of none: whether it answers at all.

        :raises ClarusError: when it cannot be had
        """
        # Asking for nobody tells whether Clarus answers at all.
        wanted = document_ids or NOBODY[-1:]
        return await self.put(subdomain, lambda client: client.get_documents(wanted), limit)

    async def put(self, subdomain: str | None, question: Callable[[ClarusClient], T], limit: Limit) -> T:
        """Return what a function makes of the client of a tenant, in a thread of its own.

        :raises ClarusError: when it cannot be had
        """
        assert self._client is not None  # noqa: S101 - it was opened
        view = self._views.get(subdomain)
        if view is None:
            view = self._views[subdomain] = self._client.for_tenant(subdomain)
        return await in_thread(partial(_put, view, question, limit))

    async def _fetched(self) -> ClarusClient:
        loop = asyncio.get_running_loop()
        if self._opening is None:
            self._opening = loop.create_task(ClarusHook.aopen(self._clarus_conn_id, any_tenant=True))
        opening = self._opening
        # Not wait_for, which would cancel it for all who wait when one gives up.
        await asyncio.wait({opening}, timeout=connections.LONGEST_FETCH)
        if self._opening is opening:
            self._opening = None
        if not opening.done() or opening.cancelled():
            opening.cancel()
            raise self._not_fetched(
                f"no answer from Airflow, or the secrets backend, within {connections.LONGEST_FETCH:.0f} s"
            )
        try:
            client = opening.result()
        except ClarusError:
            raise
        except Exception as error:
            log.exception("Fetching connection %r broke", self._clarus_conn_id)
            raise self._not_fetched(repr(error)) from error
        self._fetched_at = loop.time()
        return client

    def _not_fetched(self, why: str) -> ClarusTransientError:
        return ClarusTransientError(
            f"Could not fetch connection {self._clarus_conn_id!r}: {why}. Nothing was sent.",
            may_have_acted=False,
        )

    def _replace(self, client: ClarusClient | None) -> None:
        old, self._client = self._client, client
        if old is not client:
            self._views.clear()
            if old:
                old.close()


def _put(client: ClarusClient, question: Callable[[ClarusClient], T], limit: Limit) -> T:
    with limit:
        return question(client)
