# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from airflow_provider_clarus.exceptions import ClarusConfigError, ClarusTransientError
from airflow_provider_clarus.http import transport
from airflow_provider_clarus.http.transport import BoundedAdapter, PlainAdapter, failure


def unreachable(reason: str) -> requests.ConnectionError:
    cause = NewConnectionError(None, reason)  # type: ignore[arg-type]
    return requests.ConnectionError(MaxRetryError(None, "/graphql", cause))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error", [unreachable("Connection refused"), requests.ConnectTimeout("connect timed out")]
)
def test_a_connection_that_was_never_made_cannot_have_done_anything(error: requests.RequestException) -> None:
    found = failure(error, "generate report 7")
    assert isinstance(found, ClarusTransientError)
    assert not found.may_have_acted
    assert str(found).startswith("Could not generate report 7: ")
    assert "Check the connection's host, proxies and the network." in str(found)


@pytest.mark.parametrize(
    "error",
    [
        requests.ReadTimeout("read timed out"),
        requests.ConnectionError("Connection reset by peer"),
        requests.exceptions.ChunkedEncodingError("broken off"),
        requests.RequestException(),
    ],
)
def test_a_connection_that_broke_may_have_done_something(error: requests.RequestException) -> None:
    found = failure(error, "generate report 7")
    assert isinstance(found, ClarusTransientError)
    assert found.may_have_acted


@pytest.fixture
def deaf() -> Iterator[str]:
    """A port whose queue is full: who connects to it gets no answer."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        with contextlib.ExitStack() as waiting:
            for _ in range(8):
                one = waiting.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(listening.getsockname())
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_connection_that_takes_too_long_was_never_made(deaf: str) -> None:
    with requests.Session() as session:
        transport.mount(session, deaf)
        with pytest.raises(requests.ConnectTimeout) as raised:
            session.post(transport.secure(deaf), timeout=0.5)
    found = failure(raised.value, "generate report 7")
    assert isinstance(found, ClarusTransientError)
    assert not found.may_have_acted


@pytest.mark.parametrize(
    ("url", "adapter"),
    [
        ("http://127.0.0.1", PlainAdapter),
        ("http://clarus", PlainAdapter),
        ("https://127.0.0.1:8443/oauth/token", BoundedAdapter),
        ("https://clarus.example.com", BoundedAdapter),
    ],
)
def test_tls_is_left_out_only_for_an_address_without_it(url: str, adapter: type[BoundedAdapter]) -> None:
    with requests.Session() as session:
        transport.mount(session, url)
        assert type(session.get_adapter(transport.secure(url))) is adapter


UNTRUSTED = requests.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed certificate"))


def test_a_certificate_is_nothing_that_passes() -> None:
    found = failure(UNTRUSTED, "get a token")
    assert isinstance(found, ClarusConfigError)
    assert "extra verify" in str(found)


def test_unless_it_was_good_before() -> None:
    assert isinstance(failure(UNTRUSTED, "get a token", ever_worked=True), ClarusTransientError)


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("certificate.example: name or service not known"),
        requests.exceptions.SSLError("[SSL: WRONG_VERSION_NUMBER] while reading a certificate"),
        requests.ReadTimeout("https://certificates.clarus-api.com"),
    ],
)
def test_the_word_alone_is_no_certificate(error: requests.RequestException) -> None:
    assert isinstance(failure(error, "get a token"), ClarusTransientError)


def test_an_address_without_tls_is_known_by_its_beginning_alone() -> None:
    assert transport.secure("http://clarus.test/a?next=http://x") == "https://clarus.test/a?next=http://x"
