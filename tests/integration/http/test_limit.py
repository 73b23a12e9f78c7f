# SPDX-License-Identifier: Apache-2.0
"""A thread's requests end with what is left to those who wait, and when nobody waits any more."""

from __future__ import annotations

import threading
import time

import pytest

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.http.limit import Limit, current
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox


@pytest.fixture
def hung(sandbox: Sandbox, client: ClarusClient) -> ClarusClient:
    """A client that has its token, of a server that does not answer."""
    client.get_documents([1])
    sandbox.inject(Fault("graphql", delay=30))
    return client


def test_a_request_ends_with_what_is_left(hung: ClarusClient, sandbox: Sandbox) -> None:
    started = time.monotonic()
    with Limit(0.5) as limit, pytest.raises(ClarusTransientError):
        hung.for_tenant(None).get_documents([1])
    assert 0.4 <= time.monotonic() - started < 15
    assert not limit.left


def test_what_would_follow_is_not_even_sent(hung: ClarusClient, sandbox: Sandbox) -> None:
    before = len(sandbox.requests)
    with Limit(0.0), pytest.raises(ClarusTransientError, match="no time was left") as raised:
        hung.for_tenant(None).get_documents([1])
    assert not raised.value.may_have_acted
    assert len(sandbox.requests) == before


def test_another_thread_cuts_it_off(hung: ClarusClient) -> None:
    limit, started = Limit(60), time.monotonic()
    timer = threading.Timer(0.3, limit.cut)
    timer.start()
    with limit, pytest.raises(ClarusTransientError):
        hung.get_documents([1])
    assert time.monotonic() - started < 15


def test_the_thread_is_free_of_it_afterwards(sandbox: Sandbox, client: ClarusClient) -> None:
    with Limit(0.0):
        pass
    assert client.get_documents([1]) == {}


def test_one_within_another_leaves_the_other_in_force() -> None:
    with Limit(60.0) as around:
        with Limit(1.0) as within:
            assert current() is within
        assert current() is around
    assert current() is None
