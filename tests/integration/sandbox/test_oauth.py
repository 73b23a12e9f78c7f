# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from airflow_provider_clarus.sandbox.server import Sandbox

REDIRECT = "http://127.0.0.1:1/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters-x"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


def ask(sandbox: Sandbox, *, auth: Any = None, **form: str) -> requests.Response:
    return requests.post(f"{sandbox.url}/oauth/token", data=form, auth=auth, timeout=5)


def in_body(sandbox: Sandbox) -> dict[str, str]:
    return {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}


def status_with(sandbox: Sandbox, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "X-Clarus-Subdomain": sandbox.tenant}
    return requests.get(f"{sandbox.url}/api/documents/1/download", headers=headers, timeout=5).status_code


def test_client_credentials_by_http_basic_and_in_the_body(sandbox: Sandbox) -> None:
    basic = ask(sandbox, auth=(sandbox.client_id, sandbox.client_secret), grant_type="client_credentials")
    body = ask(sandbox, **in_body(sandbox), grant_type="client_credentials", scope="openid")
    for answer in (basic, body):
        assert answer.json()["token_type"] == "Bearer"
        assert answer.json()["expires_in"] == 3600
        assert status_with(sandbox, answer.json()["access_token"]) == 404
    assert "refresh_token" not in basic.json()
    assert body.json()["scope"] == "openid"


def test_wrong_secret_is_an_invalid_client(sandbox: Sandbox) -> None:
    for credentials in ((sandbox.client_id, "wrong"), ("wrong", sandbox.client_secret), ("", "")):
        answer = ask(sandbox, auth=credentials, grant_type="client_credentials")
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("grant_type", "error"), [(None, "invalid_request"), ("password", "unsupported_grant_type")]
)
def test_other_grants_are_refused(sandbox: Sandbox, grant_type: str | None, error: str) -> None:
    form = {"grant_type": grant_type} if grant_type else {}
    answer = ask(sandbox, **in_body(sandbox), **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_body_must_be_a_form(sandbox: Sandbox) -> None:
    answer = requests.post(f"{sandbox.url}/oauth/token", json=in_body(sandbox), timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_each_refresh_ends_the_old_refresh_token(sandbox: Sandbox) -> None:
    first = sandbox.issue_token()["refresh_token"]
    form = {**in_body(sandbox), "grant_type": "refresh_token"}
    second = ask(sandbox, **form, refresh_token=first).json()
    again = ask(sandbox, **form, refresh_token=first)
    assert second["refresh_token"] != first
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    third = ask(sandbox, **form, refresh_token=second["refresh_token"])
    assert status_with(sandbox, third.json()["access_token"]) == 404


def test_tokens_expire() -> None:
    with Sandbox(token_lifetime=0) as sandbox:
        assert status_with(sandbox, sandbox.issue_token()["access_token"]) == 401


def test_tokens_can_be_revoked(sandbox: Sandbox) -> None:
    token = sandbox.issue_token()["access_token"]
    sandbox.revoke_tokens()
    assert status_with(sandbox, token) == 401
    assert status_with(sandbox, sandbox.issue_token()["access_token"]) == 404


def authorize(sandbox: Sandbox, **changes: str) -> requests.Response:
    query = {
        "client_id": sandbox.client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "state": "xyz",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return requests.get(f"{sandbox.url}/oauth/authorize", params=query, allow_redirects=False, timeout=5)


def redirected(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{REDIRECT}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def test_authorization_code_is_good_once_and_needs_its_verifier(sandbox: Sandbox) -> None:
    form = {"grant_type": "authorization_code", "client_id": sandbox.client_id, "redirect_uri": REDIRECT}
    query = redirected(authorize(sandbox))
    assert query["state"] == "xyz"
    tokens = ask(sandbox, **form, code=query["code"], code_verifier=VERIFIER)
    assert {"access_token", "refresh_token"} <= tokens.json().keys()
    assert ask(sandbox, **form, code=query["code"], code_verifier=VERIFIER).json()["error"] == "invalid_grant"
    other = redirected(authorize(sandbox))["code"]
    assert ask(sandbox, **form, code=other, code_verifier="wrong").json()["error"] == "invalid_grant"


def test_only_a_code_does_without_the_secret(sandbox: Sandbox) -> None:
    form = {"client_id": sandbox.client_id, "code_verifier": VERIFIER}
    assert ask(sandbox, **form, grant_type="client_credentials").json()["error"] == "invalid_client"


def test_authorize_wants_pkce(sandbox: Sandbox) -> None:
    assert redirected(authorize(sandbox, code_challenge_method="plain"))["error"] == "invalid_request"
    assert redirected(authorize(sandbox, response_type="token"))["error"] == "unsupported_response_type"


def test_authorize_redirects_to_loopback_only(sandbox: Sandbox) -> None:
    assert authorize(sandbox, redirect_uri="http://example.com/callback").status_code == 400
    assert authorize(sandbox, client_id="other").status_code == 400
