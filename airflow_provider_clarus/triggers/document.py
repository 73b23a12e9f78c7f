# SPDX-License-Identifier: Apache-2.0
"""The trigger that waits for one document, and the event that it sends to the task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.waiting.event import event_of

if TYPE_CHECKING:
    from airflow_provider_clarus.waiting.wait import Wait


class ClarusDocumentTrigger(BaseTrigger):
    """Wait in the triggerer until a document is available; reads only, so it may be restarted at any time.

    :param document_id: the document
    :param clarus_conn_id: an Airflow connection of type ``clarus``
    :param subdomain: the tenant, instead of the connection's own
    :param poll_interval: seconds between two looks at a young document
    :param since: when the wait began, in seconds since the epoch
    :param deadline: when it ends, in seconds since the epoch; a restarted triggerer does not extend it
    """

    def __init__(
        self,
        document_id: int,
        clarus_conn_id: str,
        subdomain: str | None,
        poll_interval: float,
        since: float,
        deadline: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.document_id = document_id
        self.clarus_conn_id = clarus_conn_id
        self.subdomain = subdomain
        self.poll_interval = poll_interval
        self.since = since
        self.deadline = deadline

    @classmethod
    def going_on_with(cls, wait: Wait) -> ClarusDocumentTrigger:
        """Return the trigger that goes on with a wait that a worker began."""
        return cls(
            document_id=wait.document_id,
            clarus_conn_id=wait.clarus_conn_id,
            subdomain=wait.subdomain,
            poll_interval=wait.interval,
            since=wait.since,
            deadline=wait.deadline,
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the database keeps of this trigger: no secret."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "document_id": self.document_id,
                "clarus_conn_id": self.clarus_conn_id,
                "subdomain": self.subdomain,
                "poll_interval": self.poll_interval,
                "since": self.since,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the document, or the error that ended the wait."""
        from airflow_provider_clarus.waiting.poller import wait_for

        try:
            document = await wait_for(
                self.document_id,
                clarus_conn_id=self.clarus_conn_id,
                subdomain=self.subdomain,
                interval=self.poll_interval,
                since=self.since,
                deadline=self.deadline,
            )
        except ClarusError as error:
            yield TriggerEvent(event_of(error))
        else:
            yield TriggerEvent(event_of(document))
