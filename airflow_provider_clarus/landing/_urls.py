# SPDX-License-Identifier: Apache-2.0
"""Check which download URLs are followed, and keep them out of every text."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

from airflow_provider_clarus.exceptions import ClarusPermanentError, ClarusTransientError
from airflow_provider_clarus.http.responses import without_query
from airflow_provider_clarus.landing._addresses import METADATA_HOSTS, is_this_machine, literal, serves_files

_PLAIN = re.compile(r"[!-\[\]-~]+")
"""Visible ASCII without a backslash, at which some libraries see the host end, and others do not."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def check_url(url: Any, *, allow_http: bool = False, loopback: bool = True) -> str:
    """Return ``url`` if it may be fetched.

    :param allow_http: whether ``http://`` may lead to another machine
    :param loopback: whether a file may be on this machine, as it is where Clarus is
    :raises ClarusTransientError: it is no URL that anybody could use: an answer without sense.
    :raises ClarusPermanentError: it is not ``https``, or leads to this machine, its cloud, or to nowhere.
    """
    if flaw := _flaw(url):
        raise ClarusTransientError(f"The download URL cannot be used: {flaw}")
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    shown = f"{parts.scheme}://{host}"
    here = is_this_machine(host)
    if here and not loopback:
        raise ClarusPermanentError(
            f"Refused to download from {shown}: it is this machine, and Clarus is on another"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and (allow_http or here)):
        raise ClarusPermanentError(
            f"Refused to download from {shown}: only https:// is followed, and http:// on this machine."
            " The connection's extra allow_http lets http:// lead to another one, for the API and for files."
        )
    address = literal(host)
    if host in METADATA_HOSTS or (address and not serves_files(address, loopback=loopback)):
        raise ClarusPermanentError(f"Refused to download from {shown}: no file is served at such an address")
    return str(url)


def _flaw(url: Any) -> str | None:
    """Return why a text is no URL that can be used, ``None`` where it is one."""
    if not isinstance(url, str):
        return f"it is {'null' if url is None else 'a ' + type(url).__name__}, and no text"
    if not url.strip():
        return "it is empty"
    if not _PLAIN.fullmatch(url):
        return "it has a space or another character in it that no URL has"
    if not _SCHEME.match(url):
        return "it is relative, and does not say where the file is"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "its host or port is malformed"
    # Without a host there may still be a reason to refuse: file:///etc/passwd.
    return "it names no host" if not host and parts.scheme in ("http", "https") else None


def redirected(url: str, location: str) -> str:
    """Return where a redirect from ``url`` leads; a whole URL goes on as it was given."""
    try:
        return location if _SCHEME.match(location) else urljoin(url, location)
    except ValueError:
        return location


class _Cutter(logging.Filter):
    """Cuts query strings, as long as anybody has a use for it."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._users = 0

    def count(self, change: int) -> None:
        logger = logging.getLogger("urllib3.connectionpool")
        with self._lock:
            self._users += change
            (logger.addFilter if self._users else logger.removeFilter)(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(without_query(arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


_cutter = _Cutter()


@contextmanager
def queries_unlogged() -> Iterator[None]:
    """Keep query strings out of what urllib3 logs, which at DEBUG level is each request's whole path."""
    _cutter.count(1)
    try:
        yield
    finally:
        _cutter.count(-1)
