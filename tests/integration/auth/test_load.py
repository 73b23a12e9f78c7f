# SPDX-License-Identifier: Apache-2.0
"""Many clients at once of a token endpoint that does not do its work: they fail together, and ask as one."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.auth.tokens import TokenSource
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.http.limit import Limit
from airflow_provider_clarus.policy import patience
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.conftest import Connect

CLIENTS = 20
TIMEOUT = 2.0
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def connection(connect: Connect) -> ClarusConnection:
    return connect(timeout=30).connection


class Outcome(str):
    """What a client gets, and after how many seconds."""

    seconds: float


def outcome(ask: Callable[[], object]) -> Outcome:
    began = time.monotonic()
    try:
        ask()
    except ClarusError as error:
        found = Outcome(f"{error.kind}: {error}")
    else:
        found = Outcome("a token")
    found.seconds = time.monotonic() - began
    return found


def processes(connection: ClarusConnection) -> list[Outcome]:
    """What twenty processes get that ask at the same moment."""
    barrier, outcomes = FORK.Barrier(CLIENTS), FORK.SimpleQueue()

    def ask() -> None:
        tokens = TokenSource(connection, lambda secret: None)
        barrier.wait(60)
        outcomes.put(outcome(tokens.get))

    started = [FORK.Process(target=ask) for _ in range(CLIENTS)]
    for process in started:
        process.start()
    found = [outcomes.get() for _ in started]
    for process in started:
        process.join()
    return found


def threads_of(sources: list[TokenSource]) -> list[Outcome]:
    barrier, found = threading.Barrier(len(sources)), []

    def ask(tokens: TokenSource) -> None:
        barrier.wait(60)
        found.append(outcome(tokens.get))

    started = [threading.Thread(target=ask, args=[tokens]) for tokens in sources]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return found


def threads(connection: ClarusConnection) -> list[Outcome]:
    """Twenty threads that share a client."""
    return threads_of([TokenSource(connection, print)] * CLIENTS)


def clients(connection: ClarusConnection) -> list[Outcome]:
    """Twenty threads, each with a client of its own."""
    return threads_of([TokenSource(connection, print) for _ in range(CLIENTS)])


HOW = pytest.mark.parametrize("how", [processes, threads, clients])


@pytest.mark.long
@HOW
def test_all_clients_of_a_hung_token_endpoint_fail_in_about_one_requests_time(
    connection: ClarusConnection, sandbox: Sandbox, how: Any
) -> None:
    sandbox.inject(Fault("token", delay=60.0))
    found = how(replace(connection, timeout=TIMEOUT))
    took = max(client.seconds for client in found)
    assert len(found) == CLIENTS
    assert all(text.startswith("transient: Could not get a token") for text in found), found
    if how is not processes:  # Of which, on a busy machine, most may give up waiting before their turn.
        # Whether the library or this package ends the request is a race.
        ended = ("over 2 s, the timeout", "read timeout=2.0")
        assert sum(any(words in text for words in ended) for text in found) > CLIENTS / 4, found
    # One after another, that would be twenty times the time-out.
    assert took < CLIENTS * TIMEOUT / 4
    assert sandbox.count("token") <= 3
    print(f"{how.__name__}: {took:.1f} s, {sandbox.count('token')} requests")


@pytest.mark.long
@HOW
@pytest.mark.parametrize(
    "fault",
    [
        Fault("token", status=500, delay=0.2),
        Fault("token", status=200, body=HTML_ERROR, delay=0.2),
        Fault("token", status=400, body={"error": "invalid_scope"}, delay=0.2),
        Fault("token", status=429, headers={"Retry-After": "30"}, delay=0.2),
    ],
    ids=["500", "HTML", "invalid_scope", "429"],
)
def test_many_clients_of_a_server_that_gives_no_token_ask_as_one(
    connection: ClarusConnection, sandbox: Sandbox, how: Any, fault: Fault
) -> None:
    sandbox.inject(fault)
    found = how(connection)
    assert len(set(found)) == 1
    assert sandbox.count("token") <= 3


def test_a_server_in_trouble_for_a_while_is_asked_by_many_clients_as_by_one(
    connection: ClarusConnection, sandbox: Sandbox
) -> None:
    sandbox.inject(Fault("token", status=500))
    found: list[Outcome] = []

    def task() -> None:
        with closing(ClarusClient(connection, attempts=3)) as client:
            found.append(outcome(lambda: client.graphql("{ __typename }")))

    tasks = [threading.Thread(target=task) for _ in range(30)]
    for thread in tasks:
        thread.start()
    for thread in tasks:
        thread.join()
    assert all(text.startswith("transient: Could not get a token") for text in found)
    print(f"{sandbox.count('token')} requests of {len(tasks)} clients with three tries each")
    assert sandbox.count("token") <= len(tasks)


def test_wrong_credentials_of_many_clients_are_two_requests(
    connection: ClarusConnection, sandbox: Sandbox
) -> None:
    found = clients(replace(connection, client_secret="wrong"))
    assert all(text.startswith("auth: ") for text in found)
    assert sandbox.count("token") <= 4


@pytest.mark.parametrize("how", [threads, clients])
def test_one_refusal_of_a_server_that_is_well_otherwise_fails_none_of_many(
    connection: ClarusConnection, sandbox: Sandbox, how: Any
) -> None:
    sandbox.inject(Fault("token", status=400, body={"error": "invalid_scope"}, delay=0.2, times=1))
    assert set(how(connection)) == {"a token"}
    assert sandbox.count("token") == 2


def test_who_comes_after_a_refusal_that_stayed_asks_for_itself_a_little_later(
    connection: ClarusConnection, sandbox: Sandbox
) -> None:
    sandbox.inject(Fault("token", status=400, body={"error": "invalid_scope"}, times=2))
    (refused,) = threads_of([TokenSource(connection, print)])
    assert refused.startswith("auth: ")
    assert sandbox.count("token") == 2
    (next_one,) = threads_of([TokenSource(connection, print)])
    assert next_one == "a token"
    assert next_one.seconds > 0.2  # Of the 0.3 s for which a server that refuses is left alone.


def test_tasks_that_come_one_after_another_with_wrong_credentials_lock_nobody_out(
    connection: ClarusConnection, sandbox: Sandbox
) -> None:
    began = time.monotonic()
    wrong = [TokenSource(replace(connection, client_secret="wrong"), print) for _ in range(5)]
    assert all(outcome(tokens.get).startswith("auth: ") for tokens in wrong)
    # Each time in two forms, and each time with a pause before.
    assert sandbox.count("token") <= 2 * (1 + (time.monotonic() - began) / 0.3)


@pytest.mark.long
def test_who_comes_just_after_a_refusal_is_told_of_it_and_not_of_silence(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "TOKEN_PAUSE", 6.0)
    wrong = replace(connect(timeout=4).connection, client_secret="wrong")
    for _ in range(2):
        assert outcome(TokenSource(wrong, print).get).startswith("auth: ")


def test_when_the_server_is_well_again_the_next_one_has_a_token_and_so_have_all(
    connection: ClarusConnection, sandbox: Sandbox
) -> None:
    sandbox.inject(Fault("token", status=500))
    clients(connection)
    sandbox.clear_faults()
    time.sleep(1.1)
    asked = sandbox.count("token")
    assert set(clients(connection)) == {"a token"}
    assert sandbox.count("token") == asked + 1


def test_one_that_had_no_time_left_tells_nobody_that_the_server_hangs(
    connection: ClarusConnection, sandbox: Sandbox
) -> None:
    sandbox.inject(Fault("token", delay=1.0, times=1))
    hurried = TokenSource(connection, print)
    with Limit(0.2):
        assert outcome(hurried.get).startswith("transient")
    assert threads_of([TokenSource(connection, print)]) == ["a token"]


def test_who_knows_the_way_in_goes_straight_there(connection: ClarusConnection, sandbox: Sandbox) -> None:
    """A server that takes credentials in the header alone."""
    sandbox.inject(Fault("token", status=401, body={"error": "invalid_client"}, times=1))
    tokens = TokenSource(connection, print)
    tokens.renew(tokens.get())
    TokenSource(connection, print).renew(tokens.get())
    asked = [request.headers.get("authorization", "in the body")[:6] for request in sandbox.requests]
    assert asked == ["in the", "Basic ", "Basic ", "Basic "]


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize("error", ["invalid_grant", "invalid_scope", "unsupported_grant_type"])
def test_only_a_client_that_is_refused_is_tried_in_another_form(
    connection: ClarusConnection, sandbox: Sandbox, status: int, error: str
) -> None:
    sandbox.inject(Fault("token", status=status, body={"error": error}))
    assert outcome(TokenSource(connection, print).get).startswith("auth: ")
    asked = [request.headers.get("authorization", "in the body") for request in sandbox.requests]
    assert asked == ["in the body"] * 2


def test_a_token_of_another_type_is_refused_twice(connection: ClarusConnection, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("token", status=200, body={"access_token": "x", "token_type": "mac"}))
    said = outcome(TokenSource(connection, print).get)
    assert "the token is of type 'mac', and the API takes Bearer tokens" in said
    assert sandbox.count("token") == 2


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, {"error": "forbidden"}, "login (client ID)"),
        (404, {"errors": [{"code": 1, "symbol": "not_found", "details": "x"}]}, "extra token_url"),
        (404, HTML_ERROR, "extra token_url"),
        (403, HTML_ERROR, "extra token_url"),
        (400, {"error": "unauthorized_client"}, "extra grant_type"),
        (400, {"error": "invalid_scope"}, "extra scope"),
        (200, {"error": "invalid_client"}, "password"),
    ],
)
def test_the_advice_is_the_token_endpoints_and_not_a_reports(
    connection: ClarusConnection, sandbox: Sandbox, status: int, body: Any, said: str
) -> None:
    sandbox.inject(Fault("token", status=status, body=body))
    found = outcome(TokenSource(connection, print).get)
    assert said in found
    assert "report" not in found
    assert "Check the id" not in found


@pytest.mark.parametrize("status", [400, 409, 408, 429, 503])
def test_what_the_token_endpoint_itself_puts_off_is_no_wrong_address(
    connection: ClarusConnection, sandbox: Sandbox, status: int
) -> None:
    sandbox.inject(Fault("token", status=status, body={"error": "temporarily_unavailable"}))
    found = outcome(TokenSource(connection, print).get)
    assert "temporarily_unavailable" in found
    assert "token_url" not in found
