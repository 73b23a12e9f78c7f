# SPDX-License-Identifier: Apache-2.0
"""Landing: a presigned URL's file, in object storage, whole and verified or not at all.

Nothing here knows Clarus or its tokens; :func:`land` is given a function that asks for a URL.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from logging import Logger
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.exceptions import ClarusInputError, ClarusTransientError
from airflow_provider_clarus.landing._download import Download
from airflow_provider_clarus.landing._progress import Progress
from airflow_provider_clarus.landing._source import ObjectChangedError
from airflow_provider_clarus.landing._writers import open_writer

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
    """

    uri: str
    size: int
    sha256: str


def land(
    get_url: Callable[[], str],
    path: ObjectStoragePath,
    *,
    overwrite: bool = True,
    log: Logger,
    verify: bool | str = True,
    proxies: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Landed:
    """Bring the file behind a URL to ``path``; until all of it is there and verified, nobody sees any of it.

    :param get_url: asks for a presigned URL: at the start, and again when the storage refuses the last one
    :param overwrite: False: refuse, before anything is asked for, when there is an object at ``path``
    :param verify: as in ``requests``: whether TLS is verified, or the path of a CA bundle
    :param proxies: as in ``requests``; the environment's where it says nothing
    :param timeout: seconds without a byte after which a connection counts as broken
    :raises ClarusInputError: the destination cannot be written to as it was given.
    :raises ClarusTransientError: the transfer broke too often, or what arrived is not what was announced.
    :raises ClarusPermanentError: the storage, or this package, refuses the URL for good.
    :raises OSError: the destination's storage failed; its own libraries raise others, too.
    """
    if not overwrite and path.exists():
        raise ClarusInputError(f"{path} exists already, and overwrite is False: nothing was fetched")
    download = Download(get_url, verify=verify, proxies=proxies, timeout=timeout, log=log)
    for _ in range(STARTS):
        try:
            landed = _transfer(download, path, log)
        except ObjectChangedError as change:
            log.warning("Starting over: %s", change)
        else:
            _report_lineage(path)
            return landed
    raise ClarusTransientError(f"The document's file changed {STARTS} times while it was downloaded")


def _transfer(download: Download, path: ObjectStoragePath, log: Logger) -> Landed:
    progress = Progress(log)
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)

    def digest(chunk: bytes) -> None:
        sha256.update(chunk)
        if download.source.md5:
            md5.update(chunk)

    writer = open_writer(path)
    try:
        with (
            closing(download.chunks()) as chunks,
            _Lane(digest) as digests,
            _Lane(writer.write) as writes,
        ):
            for chunk in chunks:
                digests.give(chunk)
                writes.give(chunk)
                progress.add(len(chunk), download.source.size)
            digests.finish()
            writes.finish()
        if download.source.md5 not in (None, md5.hexdigest()):
            raise ClarusTransientError(
                f"The file's MD5 is {md5.hexdigest()}, but its storage says {download.source.md5}:"
                " it was damaged on its way, and nothing was published"
            )
        writer.commit()
    except BaseException:
        try:
            writer.discard()
        except Exception as error:
            log.warning("Could not remove what was written to %s so far, which nobody sees: %s", path, error)
        raise
    landed = Landed(str(path), progress.done, sha256.hexdigest())
    log.info("Landed %s at %s, sha256 %s", progress.summary(), landed.uri, landed.sha256)
    return landed


class _Lane:
    """A thread that does one thing with each chunk, in order, while the next is read."""

    def __init__(self, work: Callable[[bytes], None]) -> None:
        self._work = work
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
