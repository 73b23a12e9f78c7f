# SPDX-License-Identifier: Apache-2.0
"""Wait for one document in the triggerer, and send the task an event: the trigger."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_clarus import log_fields
from airflow_provider_clarus.exceptions import ClarusError, ClarusInputError, ClarusTransientError
from airflow_provider_clarus.triggers.event import event_of
from airflow_provider_clarus.variables import settle
from airflow_provider_clarus.waiting.threads import in_thread

if TYPE_CHECKING:
    from airflow_provider_clarus.api.models import Document
    from airflow_provider_clarus.waiting.wait import Wait

#: Seconds since the epoch: no wait ends later than in the year 5138.
_LAST_MOMENT = 1e11
#: Seconds after a deferral in which an event can have its task lose a try to "state mismatch", without a word
#: of why it came (apache/airflow 71580, 72716).
TOO_SOON = 5.0
#: The types of what a trigger is made of, which Airflow's database and processes hand on as it is.
_PLAIN = (int, float, str, bool, type(None))


class ClarusDocumentTrigger(BaseTrigger):
    """Wait in the triggerer until a document is available; reads only, so it may be restarted at any time.

    It takes whatever it is made of, and looks at that when it runs: an error in its making could end the
    triggerer, with everybody else's triggers in it.

    :param document_id: the document
    :param clarus_conn_id: an Airflow connection of type ``clarus``
    :param subdomain: the tenant, instead of the connection's own
    :param poll_interval: seconds between two looks at a young document
    :param since: when the wait began, in seconds since the epoch
    :param deadline: when it ends, in seconds since the epoch; a restarted triggerer does not extend it
    :param settled: what the event hands back to the task, as the text of a JSON object
    :param unknown: of a later release, and left alone
    """

    def __init__(
        self,
        document_id: Any = None,
        clarus_conn_id: Any = None,
        subdomain: Any = None,
        poll_interval: Any = None,
        since: Any = None,
        deadline: Any = None,
        settled: Any = "{}",
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.document_id = document_id
        self.clarus_conn_id = clarus_conn_id
        self.subdomain = subdomain
        self.poll_interval = poll_interval
        self.since = since
        self.deadline = deadline
        self.settled = settled

    @classmethod
    def going_on_with(cls, wait: Wait, settled: Mapping[str, Any]) -> ClarusDocumentTrigger:
        """Return the trigger that goes on with a wait that a worker began."""
        return cls(
            document_id=wait.document_id,
            clarus_conn_id=wait.clarus_conn_id,
            subdomain=wait.tenant,
            poll_interval=wait.interval,
            since=wait.since,
            deadline=wait.deadline,
            settled=json.dumps(settled),
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the database keeps of this trigger: plain values, and no secret.

        :raises ClarusInputError: when one is not plain; a triggerer that cannot read it would end
        """
        kept = {
            "document_id": self.document_id,
            "clarus_conn_id": self.clarus_conn_id,
            "subdomain": self.subdomain,
            "poll_interval": self.poll_interval,
            "since": self.since,
            "deadline": self.deadline,
            "settled": self.settled,
        }
        for name, value in kept.items():
            # Airflow's processes send each other integers of 64 bits, and the triggerer ends at a larger one.
            too_large = type(value) is int and abs(value) >= 2**63
            if type(value) not in _PLAIN or value in (math.inf, -math.inf) or too_large:
                raise settle.refused(f"The trigger's {name}", value, "a number, a text, a bool or None")
        return f"{type(self).__module__}.{type(self).__qualname__}", kept

    def __repr__(self) -> str:
        # Airflow's own serializes, and a log line is no place to fail.
        return f"<{type(self).__name__} of document {self.document_id!r}>"

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the document, or the error that ended the wait."""
        began = time.monotonic()
        settled: dict[str, Any] = {}
        deadline = math.inf
        try:
            settled = self._settled()
            wait = self._wait()
            deadline = wait["deadline"]
            log_fields.bind(
                report_id=settled.get("report_id"), document_id=wait["document_id"], tenant=wait["subdomain"]
            )
            waiting = (await _shared_wait())(**wait)
            # Thousands wait: what the wait itself has is not kept twice.
            del wait
            event = event_of(await waiting, settled)
        except Exception as error:
            if not isinstance(error, ClarusError):
                self.log.exception("The wait for document %r broke", self.document_id)
                error = ClarusTransientError(f"The wait broke: {error!r}. A retry starts a new one.")
            event = event_of(error, settled)
            # A document is not looked for so soon. Outside a triggerer, there is no task that could be lost.
            if self.trigger_id is not None:
                await asyncio.sleep(min(began + TOO_SOON - time.monotonic(), deadline - time.time()))
        yield TriggerEvent(event)

    async def on_kill(self) -> None:
        """Say that a person's act ends the wait, and not the report (called by Airflow 3.3 and later)."""
        report = ""
        with suppress(ClarusError):
            if report_id := self._settled().get("report_id"):
                report = f"report {report_id}, as "
        self.log.info(
            "The task was told to stop waiting: %sdocument %s of tenant %r goes on in Clarus",
            report,
            self.document_id,
            self.subdomain,
        )

    def _settled(self) -> dict[str, Any]:
        try:
            settled = json.loads(self.settled)
        except (TypeError, ValueError, RecursionError):
            settled = None
        if not isinstance(settled, dict):
            raise _unreadable(settle.refused("settled", self.settled, "the text of a JSON object"))
        return settled

    def _wait(self) -> dict[str, Any]:
        try:
            return {
                "document_id": settle.positive_id(self.document_id, "document_id"),
                "clarus_conn_id": settle.text(self.clarus_conn_id, "clarus_conn_id"),
                "subdomain": settle.tenant(self.subdomain),
                "interval": settle.interval(self.poll_interval, "poll_interval"),
                "since": settle.seconds(self.since, "since", at_most=_LAST_MOMENT),
                "deadline": settle.seconds(self.deadline, "deadline", at_most=_LAST_MOMENT),
            }
        except ClarusInputError as error:
            raise _unreadable(error) from None


async def _shared_wait() -> Callable[..., Awaitable[Document]]:
    # Beside the event loop, which all triggers share: the client's imports take a third of a second.
    if not _imported:
        _imported.append(await in_thread(_import_wait))
    return _imported[0]


_imported: list[Callable[..., Awaitable[Document]]] = []


def _import_wait() -> Callable[..., Awaitable[Document]]:
    from airflow_provider_clarus.waiting.poller import wait_for

    return wait_for


def _unreadable(error: ClarusInputError) -> ClarusTransientError:
    return ClarusTransientError(f"The trigger cannot be read: {error} A retry makes a new one.")
