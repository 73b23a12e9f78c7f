# SPDX-License-Identifier: Apache-2.0
"""Land a presigned URL's file in object storage, whole and verified or not at all.

Nothing here knows Clarus or its tokens; :func:`land` is given a function that asks for a URL.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import chain
from logging import Logger
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.landing._columns import HEAD, columns_of, is_csv
from airflow_provider_clarus.landing._download import Download
from airflow_provider_clarus.landing._own import sha256_of
from airflow_provider_clarus.landing._packed import GZIP_MAGIC, Packer, Stage, head_of, unpackers
from airflow_provider_clarus.landing._pages import Announced
from airflow_provider_clarus.landing._progress import Progress
from airflow_provider_clarus.landing._source import ObjectChangedError
from airflow_provider_clarus.landing._storage import ObjectExistsError, ObjectOptions, Writer, storage_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

#: How often an object that changes while it is read is read from its start.
STARTS = 3
#: Chunks that wait for a slower storage, at most.
QUEUED = 8


@dataclass(frozen=True)
class Landed:
    """A file that is in its place.

    :param uri: the destination, with its Airflow connection
    :param size: bytes
    :param sha256: hexadecimal
    :param columns: the names in the first line of a CSV, none where they are not known
    """

    uri: str
    size: int
    sha256: str
    columns: tuple[str, ...] = ()


def land(
    get_url: Callable[[], str],
    path: ObjectStoragePath,
    *,
    log: Logger,
    options: ObjectOptions | None = None,
    compress: bool = False,
    before_publish: Callable[[Landed], None] = lambda landed: None,
    accept_same: bool = False,
    verify: bool | str = True,
    proxies: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    allow_http: bool = False,
    loopback: bool = True,
    announced: Announced | None = None,
    on_retry: Callable[[], None] = lambda: None,
) -> Landed:
    """Bring the file behind a URL to ``path``; until all of it is there and verified, nobody sees any of it.

    :param get_url: asks for a presigned URL: at the start, and again when the storage refuses the last one
    :param options: what the object carries, and whether it may replace another one
    :param compress: whether it is packed as gzip while it lands
    :param before_publish: is called when all has arrived, and before anybody can see it
    :param accept_same: whether the very same file, if it is there already, counts as landed
    :param verify: as in ``requests``: whether TLS is verified, or the path of a CA bundle
    :param proxies: as in ``requests``; the environment's where it says nothing
    :param timeout: seconds without a byte after which a connection counts as broken
    :param allow_http: whether ``http://`` may lead to another machine
    :param loopback: whether the file may be on this machine, as it is where Clarus is
    :param announced: what Clarus says of the file, by which a page in its place is told
    :param on_retry: is called when the download goes on after a break, or starts over
    :raises ObjectExistsError: there is an object at ``path``, and it may not be replaced.
    :raises ClarusInputError: the destination cannot be written to as it was given.
    :raises ClarusTransientError: the transfer broke too often, or what arrived is not what was announced.
    :raises ClarusPermanentError: the storage, or this package, refuses the URL for good.
    :raises OSError: the destination's storage failed; its own libraries raise others, too.
    """
    options = options or ObjectOptions()
    announced = announced or Announced()
    storage = storage_of(path.protocol)
    storage.check(path.key, options)
    if options.if_absent and not accept_same and storage.look(path):
        raise ObjectExistsError
    order = _Order(path, options, announced, compress, before_publish, accept_same)
    download = Download(
        get_url,
        verify=verify,
        proxies=proxies,
        timeout=timeout,
        log=log,
        allow_http=allow_http,
        loopback=loopback,
        announced=announced,
        on_retry=on_retry,
    )
    doubted = why = None
    for _ in range(STARTS):
        try:
            landed = _transfer(download, order, log, doubted)
        except ObjectChangedError as change:
            why = change
            log.warning("Starting over: %s", change)
            on_retry()
        except _DoubtError as doubt:
            if doubted:
                raise ClarusTransientError(str(doubt)) from None
            log.warning("Reading the file once more: %s", doubt)
            doubted = doubt
            on_retry()
        else:
            _report_lineage(path)
            return landed
    raise ClarusTransientError(f"The document's file was read {STARTS} times, and not to its end: {why}")


class _DoubtError(Exception):
    """The storage says another MD5 than the file has.

    The file is damaged, or what looks like an MD5 is none: a proxy dropped the header that says how the
    object is encrypted. A second read tells: damage is not the same twice.
    """

    def __init__(self, has: str, says: str) -> None:
        super().__init__(
            f"The file's MD5 is {has}, but its storage says {says}:"
            " it was damaged on its way, and nothing was published"
        )
        self.has, self.says = has, says


@dataclass(frozen=True)
class _Order:
    path: ObjectStoragePath
    options: ObjectOptions
    announced: Announced
    compress: bool
    before_publish: Callable[[Landed], None]
    accept_same: bool


def _transfer(download: Download, order: _Order, log: Logger, doubted: _DoubtError | None) -> Landed:
    progress = Progress(log)
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with closing(download.chunks()) as chunks:
        first = next(chunks, b"")
        source = download.source
        stages: list[Stage] = []
        packed = order.announced.is_gzip
        # A packed file that was packed once more on its way is packed inside, too.
        if source.encoding and (not packed or head_of(first, source.encoding, 2) == GZIP_MAGIC):
            log.info("The storage sent the file packed as %s, unasked: it is unpacked", source.encoding)
            stages += unpackers(source.encoding, plain=bool(order.announced.kinds()) and not packed)
        if order.compress:
            stages.append(Packer())
        size = None if stages else source.size
        writer = storage_of(order.path.protocol).open_writer(order.path, replace(order.options, size=size))
        try:
            with ExitStack() as stack:
                landing = [stack.enter_context(_Lane(work)) for work in (sha256.update, writer.write)]
                body = _Body(stages, landing)
                wire: list[_Reader] = [stack.enter_context(_Lane(body.give, body.finish)) if stages else body]
                if source.md5:
                    wire.append(stack.enter_context(_Lane(md5.update)))
                head = b""
                for chunk in chain([first], chunks):
                    head += chunk[: HEAD - len(head)]
                    for reader in wire:
                        reader.give(chunk)
                    progress.add(len(chunk), source.size)
                for reader in wire:
                    reader.finish()
            says, has = source.md5, md5.hexdigest()
            if says not in (None, has):
                if not doubted or (doubted.has, doubted.says) != (has, says):
                    raise _DoubtError(has, str(says))
                log.warning("The ETag of the file, %s, is no MD5: it was read twice, and is the same", says)
            columns = _columns(order, head, source.encoding)
            landed = Landed(str(order.path), body.size, sha256.hexdigest(), columns)
            order.before_publish(landed)
            _commit(writer, order, landed)
        except BaseException:
            try:
                writer.discard()
            except Exception as error:
                log.warning(
                    "Could not remove what was written to %s so far, which nobody sees: %s", order.path, error
                )
            raise
    log.info("Landed %s at %s, sha256 %s", progress.summary(), landed.uri, landed.sha256)
    return landed


def _columns(order: _Order, head: bytes, encoding: str) -> tuple[str, ...]:
    if not is_csv(order.announced, order.path.name):
        return ()
    return tuple(columns_of(head, is_whole=len(head) < HEAD, encoding=encoding) or ())


def _commit(writer: Writer, order: _Order, landed: Landed) -> None:
    try:
        writer.commit()
    except ObjectExistsError:
        # A request whose answer was lost is sent again, and then finds what it has made itself.
        found = storage_of(order.path.protocol).look(order.path)
        if not found or found.size != landed.size:
            raise
        if order.accept_same:
            # An earlier try may have failed since the storage has other bytes, under the same metadata.
            is_ours = sha256_of(order.path) == landed.sha256
        else:
            is_ours = found.carries(order.options.metadata)
        if not is_ours:
            raise
        writer.discard()


class _Reader(Protocol):
    def give(self, chunk: bytes) -> None: ...

    def finish(self) -> None: ...


class _Body:
    """What lands: the file, through the stages that change it, for all that read it."""

    def __init__(self, stages: Sequence[Stage], readers: Sequence[_Reader]) -> None:
        self.size = 0
        self._stages = stages
        self._readers = readers

    def give(self, chunk: bytes) -> None:
        self._pass([chunk], self._stages)

    def finish(self) -> None:
        for number, stage in enumerate(self._stages, 1):
            self._pass(stage.finish(), self._stages[number:])
        for reader in self._readers:
            reader.finish()

    def _pass(self, pieces: Iterable[bytes], stages: Sequence[Stage]) -> None:
        for stage in stages:
            pieces = chain.from_iterable(map(stage.feed, pieces))
        for piece in pieces:
            self.size += len(piece)
            for reader in self._readers:
                reader.give(piece)


class _Lane:
    """A thread that does one thing with each chunk, in order, while the next is read.

    :param at_end: what it does after the last one
    """

    def __init__(self, work: Callable[[bytes], None], at_end: Callable[[], None] | None = None) -> None:
        self._work = work
        self._at_end = at_end
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> _Lane:
        return self

    def give(self, chunk: bytes) -> None:
        """Hand a chunk over; wait while the queue is full, and raise what went wrong with an earlier one."""
        self._pending.append(self._thread.submit(self._work, chunk))
        if len(self._pending) > QUEUED:
            self._pending.popleft().result()

    def finish(self) -> None:
        """Wait for the last one."""
        if self._at_end:
            self._pending.append(self._thread.submit(self._at_end))
        while self._pending:
            self._pending.popleft().result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)


def _report_lineage(path: ObjectStoragePath) -> None:
    """Tell Airflow of the object, as ``ObjectStoragePath`` itself would of whatever name it opens."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    collector: Any = get_hook_lineage_collector()
    collector.add_output_asset(context=path, uri=str(path))
