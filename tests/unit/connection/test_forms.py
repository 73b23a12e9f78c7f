# SPDX-License-Identifier: Apache-2.0
"""A connection means the same, whichever way it came into Airflow."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from airflow.providers.common.compat.sdk import Connection
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusConfigError
from tests.airflow_connection import from_uri

WORDS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1, max_size=30)
TENANTS = WORDS.filter(lambda word: word.strip("/"))
SECRETS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)
FLAGS = st.booleans()
SECONDS = st.one_of(st.integers(1, 3600), st.floats(0.1, 3600))

EXTRAS: dict[str, st.SearchStrategy[Any]] = {
    "refresh_token": SECRETS,
    "scope": st.sampled_from(["openid", "openid claruswms/full", "a+b&c=d"]),
    "token_url": st.sampled_from(["https://id.example.com/oauth/token", "http://127.0.0.1:9/token"]),
    "timezone": st.sampled_from(["UTC", "Europe/London", "Australia/Lord_Howe"]),
    "variable_format": st.sampled_from(["iso", "naive"]),
    "verify": st.one_of(FLAGS, st.just("/etc/ssl/own ca.pem")),
    "storage_verify": FLAGS,
    "token_auth": st.sampled_from(["auto", "basic", "post"]),
    "proxies": st.dictionaries(st.sampled_from(["http", "https"]), st.just("http://u:p%40@proxy:3128")),
    "timeout": SECONDS,
    "allow_http": FLAGS,
}
HOSTS = [
    "",
    "clarus-api.com",
    "Clarus-API.com",
    "https://clarus-api.com/",
    "http://127.0.0.1",
    "http://[::1]",
    "[fd00::1]",
]

CONNECTIONS = st.fixed_dictionaries(
    {
        "login": SECRETS,
        "password": SECRETS,
        "schema": TENANTS,
        "extra": st.fixed_dictionaries({}, optional=EXTRAS),
    },
    optional={"host": st.sampled_from(HOSTS), "port": st.integers(1, 65535)},
)


def meaning(**how: Any) -> ClarusConnection:
    return ClarusConnection.from_airflow(Connection(conn_id="c", **how))


def fields(connection: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {**connection, "conn_type": "clarus", "extra": json.dumps({**connection["extra"], **extra})}


def as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


@given(CONNECTIONS)
def test_uri_json_and_form_mean_the_same(connection: dict[str, Any]) -> None:
    meant = meaning(**fields(connection))

    blank = dict.fromkeys(EXTRAS, "") | dict.fromkeys(["access_token", "grant_type"], "")
    texts = {name: as_text(value) for name, value in connection["extra"].items()}
    form = {"host": "", "port": None, **connection, "extra": blank | texts}
    assert meaning(**fields(form)) == meant
    nulls = dict.fromkeys(blank)
    assert meaning(**fields(connection, **nulls | connection["extra"])) == meant

    uri = Connection(conn_id="c", **fields(connection)).get_uri()
    assert ClarusConnection.from_airflow(from_uri(uri)) == meant

    scheme, _, host = connection.get("host", "").rpartition("://")
    user = f"{quote(connection['login'], safe='')}:{quote(connection['password'], safe='')}"
    where = host.rstrip("/") + (f":{connection['port']}" if "port" in connection else "")
    path = quote(connection["schema"], safe="")
    written = f"clarus://{scheme and scheme + '://'}{user}@{where}/{path}?{urlencode(texts)}"
    assert ClarusConnection.from_airflow(from_uri(written)) == meant


@pytest.mark.parametrize("given_as", [json.dumps, str])
def test_a_json_connection_may_have_its_extra_as_an_object_or_as_text(
    given_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"timeout": 5, "verify": False}
    stored = {"conn_type": "clarus", "login": "id", "password": "s", "schema": "acme", "port": "8000"}
    stored["extra"] = json.dumps(extra) if given_as is str else extra
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", json.dumps(stored))
    from airflow_provider_clarus.hooks.clarus import ClarusHook

    meant = ClarusHook().client.connection
    assert (meant.base_url, meant.timeout, meant.verify) == ("https://clarus-api.com:8000", 5.0, False)


GOOD = {"login": "id", "password": "secret", "schema": "acme", "extra": {}}


@pytest.mark.parametrize("host", ["http://clarus-api.com", "HTTP://10.0.0.1", "http://127.0.0.1.example.com"])
def test_plain_http_is_for_this_machine_unless_the_connection_says_so(host: str) -> None:
    with pytest.raises(ClarusConfigError, match=r"host .* unencrypted"):
        meaning(**fields({**GOOD, "host": host}))
    allowed = meaning(**fields({**GOOD, "host": host}, allow_http="true"))
    assert allowed.base_url == host.lower()
    assert meaning(**fields({**GOOD, "host": "http://localhost"})).base_url == "http://localhost"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"extra": {"grant_type": "refresh_token"}}, "needs extra refresh_token"),
        ({"extra": {"grant_type": "access_token"}}, "needs extra access_token"),
        ({"extra": {"access_token": "a\nb"}}, "access_token is none"),
        ({"extra": {"timezone": "Europe"}}, "not a time zone"),
        ({"extra": {"timezone": "../UTC"}}, "not a time zone"),
        ({"extra": {"timeout": "1e300"}}, "up to 3600"),
        ({"extra": {"allow_http": "maybe"}}, "true or false"),
        ({"extra": {"proxies": {"https": "http://u:pw@[::1"}}}, "proxies must be"),
        ({"extra": {"proxies": ["http://u:pw@proxy"]}}, "proxies must be"),
        ({"extra": {"token_url": "ftp://clarus-api.com"}}, "extra token_url makes no web address"),
        ({"host": "https://user:pw@clarus-api.com"}, "host makes no web address"),
        ({"host": "https://clarus-api.com?x=1"}, "host makes no web address"),
        ({"host": "http://clarus-api.com\\@localhost"}, "host makes no web address"),
        ({"host": "http://[::1"}, "host makes no web address"),
        ({"host": "file:///etc/passwd"}, "host makes no web address"),
        ({"port": 70000}, "port makes no web address"),
    ],
)
def test_a_wrong_field_is_named_and_no_secret_in_it_shown(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ClarusConfigError, match=f"Connection 'c': .*{said}") as raised:
        meaning(**fields({**GOOD, **change}))
    assert "pw" not in str(raised.value)


@given(
    st.fixed_dictionaries({name: st.text() for name in ("host", "login", "password", "schema")}), st.text()
)
def test_no_text_in_any_field_makes_another_error(texts: dict[str, str], extra: str) -> None:
    class Stored:
        conn_id, port = "c", 0

    stored = Stored()
    vars(stored).update(texts, extra=json.dumps(dict.fromkeys([*EXTRAS, "access_token"], extra)))
    with suppress(ClarusConfigError):
        ClarusConnection.from_airflow(stored)


def test_a_proxys_password_does_not_show_in_the_repr() -> None:
    assert "s3cret" not in repr(meaning(**fields(GOOD, proxies={"https": "http://u:s3cret@proxy"})))
