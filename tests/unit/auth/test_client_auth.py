# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
from typing import Any

import pytest
import requests

from airflow_provider_clarus.auth._client_auth import forms, sent
from airflow_provider_clarus.connection.connection import ClarusConnection

PLAIN = {"client_id": "client", "client_secret": "s3cret-._"}
SPECIAL = {"client_id": "client", "client_secret": "a+b%c:d é"}
PUBLIC = {"client_id": "client"}


def connection(**fields: Any) -> ClarusConnection:
    return ClarusConnection(base_url="https://clarus.example", tenant="acme", **fields)


@pytest.mark.parametrize(
    ("credentials", "token_auth", "known", "tried"),
    [
        (PLAIN, "auto", None, ["post", "basic"]),
        (PLAIN, "auto", "basic", ["basic"]),
        (PLAIN, "auto", "post", ["post"]),
        (PLAIN, "auto", "nonsense", ["post", "basic"]),
        (PLAIN, "post", None, ["post"]),
        (PLAIN, "post", "basic", ["post"]),
        (PLAIN, "basic", None, ["basic"]),
        (SPECIAL, "auto", None, ["post", "basic"]),
        (SPECIAL, "basic", None, ["basic", "raw"]),
        (SPECIAL, "basic", "raw", ["raw"]),
        (PUBLIC, "auto", None, ["public"]),
        (PUBLIC, "basic", "basic", ["public"]),
    ],
)
def test_two_forms_are_tried_at_most_and_one_where_it_is_known(
    credentials: dict[str, str], token_auth: Any, known: str | None, tried: list[str]
) -> None:
    assert list(forms(connection(**credentials, token_auth=token_auth), known)) == tried


def header_of(form: Any, fields: dict[str, str]) -> str | None:
    request = requests.Request("POST", "https://clarus.example/", auth=sent(connection(**fields), form).auth)
    return request.prepare().headers.get("Authorization")


def test_id_and_secret_are_in_the_body_or_in_the_header_and_never_in_both() -> None:
    for form, fields in {"post": SPECIAL, "public": PUBLIC}.items():
        assert sent(connection(**fields), form).body == fields  # type: ignore[arg-type]
        assert header_of(form, fields) is None
    for form, pair in {"basic": "client:a%2Bb%25c%3Ad+%C3%A9", "raw": "client:a+b%c:d é"}.items():
        assert sent(connection(**SPECIAL), form).body == {}  # type: ignore[arg-type]
        header = header_of(form, SPECIAL)
        assert header
        assert base64.b64decode(header.removeprefix("Basic ")).decode() == pair
