# SPDX-License-Identifier: Apache-2.0
"""Which download URLs are followed, and how they are kept out of every text."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urljoin, urlsplit

from airflow_provider_clarus.connection.connection import is_loopback
from airflow_provider_clarus.exceptions import ClarusPermanentError
from airflow_provider_clarus.http.responses import without_query

METADATA_HOSTS = frozenset({"metadata.google.internal", "metadata", "fd00:ec2::254"})
"""Where clouds hand their credentials to whoever asks."""

_PLAIN = re.compile(r"[!-\[\]-~]+")
"""Visible ASCII without a backslash, at which some libraries see the host end, and others do not."""


def check_url(url: str) -> str:
    """Return ``url`` if it may be fetched.

    :raises ClarusPermanentError: it is not ``https`` (or ``http`` on this machine), or leads to this
        machine's cloud, or to nowhere.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        shown = f"{parts.scheme}://{host}"
        secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))
        allowed = secure and _PLAIN.fullmatch(url)
    except ValueError:
        host, shown, allowed = "", "what is no URL", None
    if not host or not allowed:
        raise ClarusPermanentError(
            f"Refused to download from {shown}: only https:// is followed (http:// on this machine)"
        )
    address = _address(host)
    if host in METADATA_HOSTS or (address and (address.is_link_local or address.is_unspecified)):
        raise ClarusPermanentError(f"Refused to download from {shown}: no file is served at such an address")
    return url


def check_redirect(url: str, location: str) -> str:
    """Return where ``location`` leads from ``url``, if that may be fetched.

    :raises ClarusPermanentError: as :func:`check_url`
    """
    try:
        return check_url(urljoin(url, location))
    except ValueError:
        return check_url("")


@contextmanager
def queries_unlogged() -> Iterator[None]:
    """Keep query strings out of what urllib3 logs, which at DEBUG level is each request's whole path."""
    logger = logging.getLogger("urllib3.connectionpool")
    logger.addFilter(_cut_queries)
    try:
        yield
    finally:
        logger.removeFilter(_cut_queries)


def _cut_queries(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(without_query(arg) if isinstance(arg, str) else arg for arg in record.args)
    return True


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        try:
            # 2852039166 and 0xa9.254.43518 are 169.254.169.254, too.
            return ip_address(socket.inet_aton(host))
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address
