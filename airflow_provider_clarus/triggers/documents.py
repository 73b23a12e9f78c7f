# SPDX-License-Identifier: Apache-2.0
"""Watch a tenant for an asset: an event for each document that becomes available, whoever has made it.

Airflow 3.0 and later; see ``docs/watching.md``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.variables import settle
from airflow_provider_clarus.waiting.threads import in_thread

try:
    from airflow.triggers.base import BaseEventTrigger
except ImportError:
    raise ImportError(
        "ClarusDocumentsTrigger watches for assets, which Airflow can from 3.0 on. Before, use a "
        "ClarusDocumentSensor for a document whose id is known."
    ) from None

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import SharedStreamProducer

    from airflow_provider_clarus.watching.member import Member

log = logging.getLogger(__name__)

#: Seconds that a first look looks back where Airflow keeps nothing for a watcher (before 3.3): what finishes
#: while a triggerer restarts is found then.
LOOK_BACK = 3600.0
#: Characters of a filter.
LONGEST_FILTER = 500
#: Seconds until a watch goes on that broke, or could not be read.
AFTER_A_BREAK = 10.0


class ClarusDocumentsTrigger(BaseEventTrigger):
    """Fire an event for each document of a tenant that becomes available, for an ``AssetWatcher``.

    An event's payload is ``{"id", "name", "type", "status", "tenant"}``. At least once: a document may be
    told of twice when a triggerer was killed, and none is lost. Watchers of one connection and tenant read
    together.

    :param clarus_conn_id: an Airflow connection of type ``clarus``
    :param subdomain: the tenant, instead of the connection's own
    :param category: only documents of this category, such as ``report``
    :param file_name: only those whose file's name meets this pattern, such as ``stock-*.csv``; case counts
    :param file_type: only files of this type: ``csv``, or ``text/csv``
    :param failed: also those that Clarus could not generate, whose ``status`` is ``failed``
    :param poll_interval: seconds between two looks, at least 1: a number, its text, or a ``timedelta``
    :param look_back: so many seconds before its first look a watch begins; ``None``: at the first look, and
        an hour before it on Airflow older than 3.3, which keeps nothing over a restart
    """

    def __init__(
        self,
        clarus_conn_id: Any = "clarus_default",
        subdomain: Any = None,
        category: Any = None,
        file_name: Any = None,
        file_type: Any = None,
        failed: Any = False,
        poll_interval: Any = 60,
        look_back: Any = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.clarus_conn_id = clarus_conn_id
        self.subdomain = subdomain
        self.category = category
        self.file_name = file_name
        self.file_type = file_type
        self.failed = failed
        self.poll_interval = poll_interval
        self.look_back = look_back

    def settled(self) -> dict[str, Any]:
        """Return the arguments as the plain values that they mean.

        :raises ClarusInputError: when one means nothing
        """
        return {
            "clarus_conn_id": settle.text(self.clarus_conn_id, "clarus_conn_id"),
            "subdomain": settle.tenant(self.subdomain),
            "category": _filter(self.category, "category"),
            "file_name": _filter(self.file_name, "file_name"),
            "file_type": _filter(self.file_type, "file_type"),
            "failed": settle.flag(self.failed, "failed"),
            "poll_interval": settle.interval(self.poll_interval, "poll_interval"),
            "look_back": None if self.look_back is None else settle.seconds(self.look_back, "look_back"),
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the database keeps of this trigger: plain values, and no secret.

        :raises ClarusInputError: when an argument means nothing; Airflow shows it as the DAG's import error
        """
        return f"{type(self).__module__}.{type(self).__qualname__}", self.settled()

    def __repr__(self) -> str:
        # Airflow's own serializes, and a log line is no place to fail.
        return f"<{type(self).__name__} of {self.clarus_conn_id!r}>"

    def shared_stream_key(self) -> Hashable | None:
        """Return what the watchers have in common that read together (Airflow 3.3 and later)."""
        try:
            arguments = self.settled()
        except ClarusInputError:
            return None  # It is told of when it runs.
        return __name__, arguments["clarus_conn_id"], arguments["subdomain"]

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return what reads for all of them, and goes on when their events are in Airflow's database."""
        from airflow_provider_clarus.triggers._producer import Producer

        return Producer(kwargs["clarus_conn_id"], kwargs["subdomain"])

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield this watcher's events from what is read for all (Airflow 3.3 and later)."""
        async with aclosing(self._watched(shared_stream)) as events:  # type: ignore[type-var]
            async for event in events:
                yield event

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield this watcher's events, on an Airflow whose watchers share no stream."""
        async with aclosing(self._watched(None)) as events:  # type: ignore[type-var]
            async for event in events:
                yield event

    async def _watched(self, shared_stream: AsyncIterator[Any] | None) -> AsyncIterator[TriggerEvent]:
        """Yield events for ever; whatever ends is started again at once, so trouble is waited out here."""
        try:
            arguments = self.settled()
        except ClarusInputError as error:
            while True:
                log.error("This watch cannot begin: %s", error)
                await asyncio.sleep(86400.0)
        try:
            async with aclosing(self._events(arguments, shared_stream)) as events:  # type: ignore[type-var]
                async for event in events:
                    yield event
        except Exception:
            log.exception("The watch of %r broke; it goes on in %.0f s", arguments, AFTER_A_BREAK)
            await asyncio.sleep(AFTER_A_BREAK)
            raise

    async def _events(
        self, arguments: dict[str, Any], shared_stream: AsyncIterator[Any] | None
    ) -> AsyncIterator[TriggerEvent]:
        # Beside the event loop, which all triggers share: the client's imports take a third of a second.
        await in_thread(_import_watching)
        from airflow_provider_clarus.watching.member import Member
        from airflow_provider_clarus.watching.stream import Stream
        from airflow_provider_clarus.watching.wanted import Wanted, payload

        place = (arguments["clarus_conn_id"], arguments["subdomain"])
        # Those that share a stream are known to it by name, since Airflow makes what reads it.
        stream = Stream(*place) if shared_stream is None else Stream.of(*place)
        stores = [] if shared_stream is None else _stores(self.asset_state_store)
        key = _key(arguments)
        member = Member(
            Wanted(*(arguments[name] for name in ("category", "file_name", "file_type", "failed"))),
            arguments["poll_interval"],
        )
        await self._resume(member, stores, key)
        look_back = (
            arguments["look_back"] if arguments["look_back"] is not None else 0 if stores else LOOK_BACK
        )
        if look_back and member.since is None and member.ledger is None:
            member.since = time.time() - look_back
        stream.join(member)
        try:
            async for shown in stream.pages() if shared_stream is None else shared_stream:
                # Airflow has all events of the pages before in its database by now.
                await self._keep(member, stores, key)
                news = shown.news(member)
                for document in news:
                    yield TriggerEvent(payload(document, shown.tenant))
                if news:
                    log.info("%d documents of tenant %r are news.", len(news), shown.tenant)
        finally:
            stream.leave(member)

    async def _resume(self, member: Member, stores: list[Any], key: str) -> None:
        failures = 0
        while True:
            try:
                member.resume([await store.aget(key) for store in stores])
            except Exception as error:
                # To begin anew instead would lose what has finished since.
                failures += 1
                seconds = min(60.0, 2.0**failures)
                log.warning("Could not read what this watch kept: %r. Again in %.0f s.", error, seconds)
                await asyncio.sleep(seconds)
            else:
                return

    async def _keep(self, member: Member, stores: list[Any], key: str) -> None:
        state = member.to_keep() if stores else None
        if state is None:
            return
        try:
            for store in stores:
                await store.aset(key, state)
        except Exception as error:
            log.warning(
                "Could not keep how far this watch is: %r. A restart would tell of some documents again.",
                error,
            )
        else:
            member.kept(state)


def _filter(value: Any, name: str) -> str | None:
    found = None if value is None else settle.text(value, name)
    if found is not None and len(found) > LONGEST_FILTER:
        raise settle.refused(name, value, f"a text of at most {LONGEST_FILTER} characters")
    return found


def _key(arguments: dict[str, Any]) -> str:
    """Return under which key an asset keeps a watch; those with other filters have others."""
    filters = {name: arguments[name] for name in sorted(arguments.keys() - {"poll_interval", "look_back"})}
    return f"clarus_documents_{hashlib.sha256(json.dumps(filters).encode()).hexdigest()[:16]}"


def _stores(accessors: Any) -> list[Any]:
    """Return the store of each asset that this trigger is watched for: alike watchers are one trigger."""
    if accessors is None:
        return []
    # By asset alone, which a trigger does not know.
    found = [store for name in ("_by_name", "_by_uri") for store in getattr(accessors, name, {}).values()]
    return found or [accessors]


def _import_watching() -> None:
    import airflow_provider_clarus.watching.stream  # noqa: F401
