# SPDX-License-Identifier: Apache-2.0
"""The grants, against authorization servers that others wrote; the table of docs/authentication.md."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_clarus.auth._client_auth import Form, sent
from airflow_provider_clarus.auth.token_request import request_token
from airflow_provider_clarus.auth.tokens import TokenSource
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusAuthError
from airflow_provider_clarus.login import main, sign_in
from tests.npm import UnavailableError

from .peers import PEERS, SCOPES, SECRET, Peer, must_be_there

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("peers")]


@pytest.fixture(scope="module", params=PEERS)
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Each server in turn; one that a machine cannot have is skipped, but not in CI."""
    try:
        with PEERS[request.param](tmp_path_factory.mktemp(request.param)) as peer:
            yield peer
    except UnavailableError as error:
        if must_be_there():
            raise
        pytest.skip(str(error))


def connection(peer: Peer, client: str, **fields: Any) -> ClarusConnection:
    settings = ClarusConnection(
        base_url=peer.url,
        token_url=f"{peer.url}/oauth/token",
        tenant="acme",
        client_id=client,
        client_secret="" if client == "public" else SECRET,
    )
    return replace(settings, **fields)


def follow(peer: Peer, *, agrees: bool = True) -> Any:
    """Be the browser, in a thread of its own: the address it is sent back to is the command's."""

    def show(address: str) -> None:
        def browse() -> None:
            requests.get(peer.agree(address, agrees=agrees), timeout=30)

        threading.Thread(target=browse).start()

    return show


def signed_in(peer: Peer, client: str = "person", scope: str = SCOPES) -> ClarusConnection:
    """A connection with a user's refresh token."""
    answer = sign_in(connection(peer, client, scope=scope), follow(peer), timeout=60)
    return connection(peer, client, grant_type="refresh_token", refresh_token=answer["refresh_token"])


def is_active(peer: Peer, token: str) -> bool:
    """Ask the server, as a resource server does, or by the only thing that it can be used for."""
    answer = requests.post(
        f"{peer.url}/oauth/introspect",
        data={"token": token, "client_id": "machine", "client_secret": SECRET},
        timeout=30,
    )
    return bool(answer.json()["active"])


def revoke(peer: Peer, token: str, client: str = "person") -> None:
    data = {"token": token, "client_id": client, "client_secret": SECRET}
    assert requests.post(f"{peer.url}/oauth/revoke", data=data, timeout=30).status_code == 200


@pytest.mark.parametrize("token_auth", ["auto", "post", "basic"])
def test_client_credentials(peer: Peer, token_auth: Any) -> None:
    tokens = TokenSource(connection(peer, "machine", scope="clarus", token_auth=token_auth), print)
    token = tokens.get()
    assert is_active(peer, token)
    assert tokens.renew(token) != token


@pytest.mark.parametrize("form", ["post", "basic", "raw"])
def test_which_form_of_a_secret_with_special_letters_it_takes(peer: Peer, form: Form) -> None:
    who = sent(connection(peer, "machine"), form)
    answer = requests.post(
        f"{peer.url}/oauth/token",
        data={"grant_type": "client_credentials", **who.body},
        auth=who.auth,
        timeout=30,
    )
    print(f"{peer.name}: {form}: {answer.status_code} {'' if answer.ok else answer.text}")
    assert answer.ok == peer.takes[form]


@pytest.mark.parametrize("client", ["person", "public"])
def test_authorization_code_with_pkce_and_a_refresh_token_that_rotates(peer: Peer, client: str) -> None:
    user = signed_in(peer, client)
    stored: list[str] = []
    tokens = TokenSource(user, print, stored.append)
    first = tokens.get()
    assert is_active(peer, first)
    assert is_active(peer, tokens.renew(first))
    assert len({user.refresh_token, *stored}) == 3


def test_a_refresh_token_is_good_once(peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    user = signed_in(peer)
    TokenSource(user, print).get()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(ClarusAuthError, match=r"invalid_grant.*airflow_provider_clarus\.login"):
        TokenSource(user, print).get()


def test_a_refresh_token_that_was_revoked(peer: Peer) -> None:
    user = signed_in(peer)
    revoke(peer, user.refresh_token)
    with pytest.raises(ClarusAuthError, match=r"invalid_grant.*airflow_provider_clarus\.login"):
        TokenSource(user, print).get()


def test_a_refresh_token_of_another_client(peer: Peer) -> None:
    user = signed_in(peer)
    with pytest.raises(ClarusAuthError, match=r"invalid_grant.*is another client's"):
        TokenSource(replace(user, client_id="other"), print).get()


def test_an_access_token_that_was_revoked_is_renewed(peer: Peer) -> None:
    tokens = TokenSource(connection(peer, "machine"), print)
    first = tokens.get()
    revoke(peer, first, "machine")
    assert not is_active(peer, first)
    assert is_active(peer, tokens.renew(first))


def test_fewer_scopes_than_asked_for_can_be_refreshed(peer: Peer) -> None:
    """Point 1: a connection that asks for more than was granted could never be refreshed."""
    user = signed_in(peer, scope="openid offline_access")
    old = replace(user, scope=f"{SCOPES} claruswms/full")
    assert is_active(peer, TokenSource(old, print).get())


def test_a_code_is_good_once(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    grants: list[Any] = []

    def twice(*arguments: Any) -> Any:
        grants.append(arguments)
        return request_token(*arguments)

    monkeypatch.setattr("airflow_provider_clarus.login.request_token", twice)
    signed_in(peer)
    with pytest.raises(ClarusAuthError, match=r"invalid_grant.*sign in again"):
        request_token(*grants[0])


def test_a_user_who_does_not_agree(peer: Peer) -> None:
    with pytest.raises(ClarusAuthError, match="gave no code: access_denied"):
        sign_in(connection(peer, "person", scope=SCOPES), follow(peer, agrees=False), timeout=60)


@pytest.mark.parametrize("client", ["machine", "nobody"])
def test_wrong_credentials(peer: Peer, client: str) -> None:
    wrong = connection(peer, client, client_secret="wrong")
    with pytest.raises(ClarusAuthError, match=r"invalid_client.*extra token_auth"):
        TokenSource(wrong, print).get()


def test_the_command_prints_a_connection_that_gets_tokens(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLARUS_CLIENT_SECRET", SECRET)
    monkeypatch.setattr("webbrowser.open", follow(peer))
    command = ["--host", peer.url, "--tenant", "acme", "--client-id", "person", "--scope", SCOPES]
    assert main(command) == 0
    fields = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
    printed = ClarusConnection.from_airflow(Connection(conn_id="c", **_flat(json.loads(fields))))
    assert is_active(peer, TokenSource(printed, lambda secret: None).get())


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"extra": json.dumps(fields["extra"])}
