# SPDX-License-Identifier: Apache-2.0
"""Reading many documents from an event loop: in batches, and around those that spoil theirs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.api.documents import PAGE_SIZE
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusError,
    ClarusForbiddenError,
    ClarusNotFoundError,
    ClarusRejectedError,
    ClarusTransientError,
)
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.waiting._waiter import Answer

log = logging.getLogger(__name__)

#: No document has this id, the highest of a 32-bit column: asking for it tells whether Clarus answers at all.
NOBODY = 2**31 - 1


class Reader:
    """Reads through one Airflow connection, which is fetched when it is first needed, and kept.

    Its client blocks, so it runs in a worker thread; one call at a time.
    """

    def __init__(self, clarus_conn_id: str, subdomain: str | None) -> None:
        self.tenant = subdomain or ""
        self.requests = 0
        self._clarus_conn_id = clarus_conn_id
        self._subdomain = subdomain
        self._client: ClarusClient | None = None
        self._alone: set[int] = set()

    def close(self) -> None:
        """Close the connections to the server, and forget the Airflow connection."""
        if self._client:
            self._client.close()
            self._client = None

    def batches(self, document_ids: Iterable[int]) -> Iterator[Sequence[int]]:
        """Yield the documents in the order given, as many at a time as one request can ask for.

        One that spoilt its batch before is asked for alone.
        """
        together: list[int] = []
        alone: list[int] = []
        for document_id in document_ids:
            (alone if document_id in self._alone else together).append(document_id)
        while together:
            # Without a filter for ids, each request reads all that is unfinished: one batch, then.
            size = PAGE_SIZE if self._client is None or self._client.has_id_filter else len(together)
            yield together[:size]
            together = together[size:]
        yield from ([document_id] for document_id in alone)

    async def read(self, batch: Sequence[int]) -> dict[int, Answer]:
        """Return what Clarus says of each document of a batch.

        Where it can answer, but not for this batch, the batch is halved until the document at fault is found;
        that one's answer is the error.

        :raises ClarusTransientError: when Clarus cannot answer just now
        :raises ClarusError: when the connection is refused, also after it was fetched again
        """
        cause: ClarusError
        try:
            found = await self._found(batch)
        except ClarusRejectedError as error:
            cause = error
        except ClarusTransientError as error:
            if not error.may_have_acted or not await self._answers_at_all():
                raise
            cause = error
        else:
            if len(batch) == 1:
                self._alone.difference_update(batch)
            return {document_id: found.get(document_id) for document_id in batch}
        if len(batch) == 1:
            log.warning("Document %d is asked for alone from now on: %s", batch[0], cause)
            self._alone.update(batch)
            return {batch[0]: cause}
        half = len(batch) // 2
        return await self.read(batch[:half]) | await self.read(batch[half:])

    async def _answers_at_all(self) -> bool:
        try:
            await self._found([NOBODY])
        except ClarusTransientError:
            return False
        return True

    async def _found(self, document_ids: Sequence[int]) -> dict[int, Document]:
        try:
            return await self._ask(document_ids)
        except (ClarusAuthError, ClarusForbiddenError, ClarusNotFoundError) as error:
            # It may have been given other credentials, or another tenant, since it was fetched.
            log.warning("%s Fetching connection %r again.", error, self._clarus_conn_id)
            self.close()
            return await self._ask(document_ids)

    async def _ask(self, document_ids: Sequence[int]) -> dict[int, Document]:
        if self._client is None:
            self._client = await ClarusHook.aopen(self._clarus_conn_id, self._subdomain)
            self.tenant = self._client.connection.tenant
        self.requests += 1
        return await asyncio.to_thread(self._client.get_documents, document_ids)
