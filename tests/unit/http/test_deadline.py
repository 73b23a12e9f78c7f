# SPDX-License-Identifier: Apache-2.0
"""A deadline ends whatever its thread is connected to, be it new or from the pool."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from airflow_provider_clarus.http._deadline import POOLS, Deadline


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end of a connection, and the server's, which is asked what it has without waiting for it."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def test_what_is_connected_ends_with_the_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with Deadline(3600) as deadline:
        deadline.watch(ours)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
        deadline.end()
        assert theirs.recv(1) == b""


def test_a_connection_that_comes_after_it_ends_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with Deadline(3600) as deadline:
        deadline.end()
        deadline.watch(ours)
        assert theirs.recv(1) == b""


def test_a_connection_of_the_pool_ends_with_the_deadline_of_its_next_request(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    pooled = POOLS["http"].ConnectionCls("clarus.test")
    pooled.sock = ours
    with Deadline(3600) as deadline:
        pooled.request("GET", "/graphql")
        assert theirs.recv(65_536).startswith(b"GET /graphql")
        deadline.end()
        assert theirs.recv(1) == b""


def test_who_has_left_it_is_connected_still(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with Deadline(3600) as deadline:
        deadline.watch(ours)
    deadline.end()
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


def test_a_deadline_keeps_no_process_from_ending() -> None:
    before = threading.enumerate()
    with Deadline(3600):
        assert [thread.daemon for thread in threading.enumerate() if thread not in before] == [True]
