# SPDX-License-Identifier: Apache-2.0
"""Refuse addresses at which no file is served: pure rules, for a URL and for what was connected to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

METADATA_HOSTS = frozenset({"metadata.google.internal", "metadata"})
"""Where clouds hand their credentials to whoever asks, by name."""
METADATA_ADDRESSES = frozenset(
    map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
"""The same by address, where it is no link-local one: Alibaba, Azure, Oracle, Amazon."""

#: Prefixes whose last 32 bits are an IPv4 address: NAT64 (RFC 6052, RFC 8215), and IPv4-compatible ones.
_EMBEDDING = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a URL's host is, ``None`` for a name."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        try:
            # 2852039166 and 0xa9.254.43518 are 169.254.169.254, too.
            return ip_address(socket.inet_aton(host))
        except OSError:
            return None


def is_this_machine(host: str) -> bool:
    """Tell whether a URL's host is this machine."""
    address = literal(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return any(form.is_loopback for form in _forms(address))


def serves_files(address: IPv4Address | IPv6Address, *, loopback: bool) -> bool:
    """Tell whether a file may be fetched from an address, also where it stands for one in another form.

    :param loopback: whether this machine may serve files
    """
    if loopback and address.is_loopback:
        return True
    return not any(
        form.is_loopback
        or form.is_link_local
        or form.is_unspecified
        or form.is_multicast
        or form in METADATA_ADDRESSES
        for form in _forms(address)
    )


def _forms(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    yield address
    if isinstance(address, IPv4Address):
        return
    for embedded in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())):
        if embedded:
            yield embedded
    if address.packed[:15] != bytes(15) and any(address in network for network in _EMBEDDING):
        yield IPv4Address(address.packed[12:])
