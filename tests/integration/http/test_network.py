# SPDX-License-Identifier: Apache-2.0
"""TLS, proxies and timeouts, from the connection and from the environment, against real ones."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.exceptions import ClarusConfigError, ClarusTransientError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.conftest import Connect
from tests.integration.http.network import ForwardProxy, IPv6Front, TlsFront

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def bundle(authority: trustme.CA, folder: Path) -> str:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    """The certificate of the server's own authority."""
    return bundle(authority, tmp_path)


@pytest.fixture
def other_ca(tmp_path: Path) -> str:
    (tmp_path / "other").mkdir()
    return bundle(trustme.CA(), tmp_path / "other")


@pytest.fixture
def front(authority: trustme.CA, sandbox: Sandbox) -> Iterator[TlsFront]:
    """The sandbox over TLS, as ``localhost`` and as ``clarus.test``, which only a proxy can find."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "clarus.test").configure_cert(context)
    with TlsFront(context, urlsplit(sandbox.url).port or 0) as front:
        yield front


@pytest.fixture
def proxy(front: TlsFront) -> Iterator[ForwardProxy]:
    with ForwardProxy(front.port) as proxy:
        yield proxy


def to(connect: Connect, url: str, **changes: object) -> ClarusClient:
    return connect(base_url=url, token_url=f"{url}/oauth/token", attempts=1, **changes)


def test_a_uri_may_name_an_ipv6_address(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with IPv6Front(urlsplit(sandbox.url).port or 0) as front:
        uri = f"clarus://http://{sandbox.client_id}:{sandbox.client_secret}@[::1]:{front.port}/acme/"
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", uri)
        assert ClarusHook().get_documents([1]) == {}
    assert {request.headers["host"] for request in sandbox.requests} == {f"[::1]:{front.port}"}


def test_the_connections_own_authority_is_trusted(connect: Connect, front: TlsFront, ca: str) -> None:
    assert to(connect, f"https://localhost:{front.port}", verify=ca).get_documents([1]) == {}


def test_so_is_the_environments(
    connect: Connect, front: TlsFront, ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca)
    assert to(connect, f"https://localhost:{front.port}").get_documents([1]) == {}


def test_the_connection_comes_before_the_environment(
    connect: Connect, front: TlsFront, ca: str, other_ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", other_ca)
    url = f"https://localhost:{front.port}"
    assert to(connect, url, verify=ca).get_documents([1]) == {}
    assert to(connect, url, verify=False).get_documents([1]) == {}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca)
    with pytest.raises(ClarusConfigError, match="CERTIFICATE_VERIFY_FAILED"):
        to(connect, url, verify=other_ca).get_documents([1])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_that_is_not_trusted_or_not_for_the_host_is_refused_at_once(
    connect: Connect, front: TlsFront, sandbox: Sandbox, host: str, ca: str
) -> None:
    verify = True if host == "localhost" else ca
    with pytest.raises(ClarusConfigError, match=r"CERTIFICATE_VERIFY_FAILED.*extra verify"):
        connect(token_url=f"https://{host}:{front.port}/oauth/token", verify=verify).get_documents([1])
    assert sandbox.requests == []


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_that_is_missing_or_none_is_named(
    connect: Connect, front: TlsFront, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "no.pem"
    if content:
        path.write_text(content)
    with pytest.raises(ClarusConfigError, match="extra verify"):
        to(connect, f"https://localhost:{front.port}", verify=str(path)).get_documents([1])


def test_a_server_without_tls_is_told_from_one_with(connect: Connect, sandbox: Sandbox) -> None:
    with pytest.raises(ClarusTransientError, match="SSL"):
        to(connect, sandbox.url.replace("http", "https")).get_documents([1])


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_the_environments_proxy_is_used(
    connect: Connect, proxy: ForwardProxy, ca: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    assert to(connect, "https://clarus.test", verify=ca).get_documents([1]) == {}
    assert proxy.targets == ["clarus.test:443"] * 2  # for the token, and for the API


def test_a_tunnel_is_all_that_a_proxy_gets(
    connect: Connect, proxy: ForwardProxy, ca: str, sandbox: Sandbox
) -> None:
    proxies = {"https": f"http://127.0.0.1:{proxy.port}"}
    to(connect, "https://clarus.test", verify=ca, proxies=proxies).get_documents([1])
    seen = "".join(proxy.heads).lower()
    assert "bearer" not in seen
    assert "x-clarus-subdomain" not in seen
    assert all("proxy-authorization" not in request.headers for request in sandbox.requests)


def test_no_proxy_leads_past_it(
    connect: Connect, front: TlsFront, proxy: ForwardProxy, ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "localhost,.example.com")
    assert to(connect, f"https://localhost:{front.port}", verify=ca).get_documents([1]) == {}
    assert proxy.targets == []


def test_the_connections_proxy_comes_before_the_environments(
    connect: Connect, proxy: ForwardProxy, ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    proxies = {"https": f"http://127.0.0.1:{proxy.port}"}
    assert to(connect, "https://clarus.test", verify=ca, proxies=proxies).get_documents([1]) == {}
    assert proxy.targets == ["clarus.test:443"] * 2


def test_a_proxy_that_asks_for_a_password_gets_it_alone(
    connect: Connect, front: TlsFront, ca: str, sandbox: Sandbox
) -> None:
    with ForwardProxy(front.port, base64.b64encode(b"user:p@ss-word").decode()) as proxy:
        good = {"https": f"http://user:p%40ss-word@127.0.0.1:{proxy.port}"}
        assert to(connect, "https://clarus.test", verify=ca, proxies=good).get_documents([1]) == {}
        wrong = {"https": f"http://user:wr0ng-word@127.0.0.1:{proxy.port}"}
        with pytest.raises(ClarusTransientError, match="407") as raised:
            to(connect, "https://clarus.test", verify=ca, proxies=wrong, scope="new").get_documents([1])
    assert "wr0ng" not in f"{raised.value!r} {raised.value.__cause__!r}"
    assert all("proxy-authorization" not in request.headers for request in sandbox.requests)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://user:pw-secret@127.0.0.1:1"])
def test_a_proxy_that_is_not_there_has_done_nothing(connect: Connect, address: str) -> None:
    client = to(connect, "https://clarus.test", proxies={"https": address})
    with pytest.raises(ClarusTransientError, match="proxies") as raised:
        client.generate_report(7)
    assert not raised.value.may_have_acted
    assert "pw-secret" not in str(raised.value)


@pytest.mark.parametrize("address", ["http://", "ftp://127.0.0.1:1", "http://[::1", "http://a b:port"])
def test_an_environment_whose_proxy_is_none_is_an_error_of_ours(
    connect: Connect, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(ClarusTransientError):
        to(connect, "https://clarus.test").get_documents([1])


@pytest.mark.parametrize("endpoint", ["token", "graphql"])
def test_no_answer_within_the_timeout_is_an_error_before_there_is_one(
    connect: Connect, sandbox: Sandbox, endpoint: str
) -> None:
    sandbox.inject(Fault(endpoint, delay=60))
    with pytest.raises(ClarusTransientError, match="timeout"):
        connect(timeout=0.3, attempts=1).get_documents([1])
    assert sandbox.requests[-1].status == 0
