# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_clarus.connection import connection as connection_module
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.connection.form import EXTRA_FIELDS
from airflow_provider_clarus.exceptions import ClarusConfigError
from tests.airflow_connection import from_uri


def read(extra: dict[str, Any] | str | None = None, subdomain: str | None = None, **fields: Any) -> Any:
    defaults = {"login": "client", "password": "secret", "schema": "acme"}
    text = json.dumps(extra) if isinstance(extra, dict) else extra
    connection = Connection(conn_id="clarus_eu", conn_type="clarus", extra=text, **(defaults | fields))
    return ClarusConnection.from_airflow(connection, subdomain)


def test_what_is_left_empty_has_the_vendors_defaults() -> None:
    connection = read()
    assert connection.base_url == "https://clarus-api.com"
    assert connection.token_url == "https://clarus-api.com/oauth/token"
    assert connection.grant_type == "client_credentials"
    assert (str(connection.timezone), connection.variable_format) == ("UTC", "iso")
    assert (connection.verify, connection.storage_verify) == (True, True)
    assert (connection.proxies, connection.timeout, connection.token_auth) == ({}, 30.0, "auto")


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("clarus.example", None, "https://clarus.example"),
        ("clarus.example", 8443, "https://clarus.example:8443"),
        ("https://clarus.example/", None, "https://clarus.example"),
        ("http://127.0.0.1", 8080, "http://127.0.0.1:8080"),
        ("http://localhost:8080", None, "http://localhost:8080"),
        (" clarus.example ", None, "https://clarus.example"),
        # Airflow takes the brackets off an address that it reads from a URI.
        ("::1", 8080, "https://[::1]:8080"),
        ("http://::1", 8080, "http://[::1]:8080"),
        ("http://[::1]:8080/", None, "http://[::1]:8080"),
        ("2001:DB8::7", None, "https://[2001:db8::7]"),
    ],
)
def test_the_host_makes_the_base_url(host: str, port: int | None, url: str) -> None:
    assert read(host=host, port=port).base_url == url


def test_a_subdomain_overrides_the_connections_tenant() -> None:
    assert read(subdomain="other").tenant == "other"
    assert read(subdomain="other", schema=None).tenant == "other"


def test_booleans_and_numbers_may_be_text() -> None:
    extra = {"verify": "False", "timeout": "2.5", "proxies": '{"https": "http://proxy:3128"}'}
    connection = read(extra)
    assert connection.verify is False
    assert connection.timeout == 2.5
    assert connection.proxies == {"https": "http://proxy:3128"}
    assert read({"verify": "/etc/ca.pem"}).verify == "/etc/ca.pem"


def test_the_api_and_the_storage_are_verified_each_in_its_own_way() -> None:
    assert read({"verify": "/etc/own.pem"}).storage_verify is True
    connection = read({"verify": "no", "storage_verify": "/etc/storage.pem"})
    assert (connection.verify, connection.storage_verify) == (False, "/etc/storage.pem")


@pytest.mark.parametrize("schema", ["acme/", "acme//", " acme/ "])
def test_the_last_slash_of_a_uri_is_no_part_of_the_tenant(schema: str) -> None:
    assert read(schema=schema).tenant == "acme"


def test_the_tenant_of_a_uri_that_ends_in_a_slash() -> None:
    connection = from_uri("clarus://id:secret@[::1]:8080/acme/?timezone=Europe%2FLondon")
    settings = ClarusConnection.from_airflow(connection)
    assert (settings.base_url, settings.tenant) == ("https://[::1]:8080", "acme")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Timezone", "did you mean 'timezone'?"),
        ("time_zone", "did you mean 'timezone'?"),
        ("time-zone", "did you mean 'timezone'?"),
        ("extra__clarus__timezone", "did you mean 'timezone'?"),
        ("scopes", "did you mean 'scope'?"),
        ("verifyy", "did you mean 'verify'?"),
        ("refreshToken", "did you mean 'refresh_token'?"),
        ("xyz", "known: grant_type, "),
    ],
)
def test_an_extra_that_means_nothing_is_warned_of_once_with_the_nearest_that_does(
    name: str, said: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "_told_of", set())
    for _ in range(3):
        assert str(read({name: "s3cret", "scope": "openid"}).timezone) == "UTC"
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(f"Connection 'clarus_eu': extra '{name}' is unknown, and has no effect; {said}")
    assert "s3cret" not in warning


def test_every_extra_that_has_a_field_is_known(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "_told_of", set())
    read(dict.fromkeys(EXTRA_FIELDS, ""))
    assert not caplog.records


def test_a_token_auth_that_airflow_has_masked_is_the_default() -> None:
    assert read({"token_auth": "***"}).token_auth == "auto"


def test_secrets_stay_out_of_repr() -> None:
    connection = read({"refresh_token": "r-s-t", "access_token": "a-s-t"}, password="p-s-t")
    assert not any(secret in repr(connection) for secret in ("r-s-t", "a-s-t", "p-s-t"))
    assert sorted(connection.secrets) == ["a-s-t", "p-s-t", "r-s-t"]


@pytest.mark.parametrize(
    ("problem", "arguments"),
    [
        ("no tenant.*Enter the tenant's subdomain", {"schema": None}),
        ("no tenant", {"schema": "  "}),
        ("the tenant 'a b' cannot be sent", {"schema": "a b"}),
        ("the tenant 'a\\\\nb' cannot be sent", {"schema": "a\nb"}),
        ("needs login", {"login": None}),
        ("needs password", {"password": ""}),
        ("needs login and password", {"login": None, "password": None}),
        ("host .*web address", {"host": "ftp://x"}),
        ("host .*unencrypted; use https", {"host": "http://clarus.example"}),
        ("extra token_url .* unencrypted", {"extra": {"token_url": "http://clarus.example/token"}}),
        ("extra is not a JSON object", {"extra": "{"}),
        ("extra is not a JSON object", {"extra": "[1]"}),
        (
            "extra grant_type is 'password'; it can be client_credentials",
            {"extra": {"grant_type": "password"}},
        ),
        (r"extra grant_type is '\*\*\*'", {"extra": {"grant_type": "***"}}),
        (r"extra variable_format is '\*\*\*'", {"extra": {"variable_format": "***"}}),
        ("extra token_auth is 'header'; it can be auto, basic, post", {"extra": {"token_auth": "header"}}),
        ("extra variable_format is 'rfc'", {"extra": {"variable_format": "rfc"}}),
        ("extra timezone 'Mars'", {"extra": {"timezone": "Mars"}}),
        ("extra timeout is 'soon'", {"extra": {"timeout": "soon"}}),
        ("extra timeout is 0", {"extra": {"timeout": 0}}),
        ("extra timeout is 'nan'", {"extra": {"timeout": "nan"}}),
        ("extra proxies must be an object", {"extra": {"proxies": "proxy:3128"}}),
    ],
)
def test_what_is_wrong_is_said_with_the_connections_name(problem: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClarusConfigError, match=f"^Connection 'clarus_eu': .*{problem}"):
        read(**arguments)


def test_a_connection_for_any_tenant_needs_none_of_its_own() -> None:
    airflow = Connection(conn_id="clarus_eu", conn_type="clarus", login="client", password="secret")
    shared = ClarusConnection.from_airflow(airflow, any_tenant=True)
    assert shared.for_tenant("globex") == ClarusConnection.from_airflow(airflow, "globex")
    with pytest.raises(ClarusConfigError, match="no tenant"):
        shared.for_tenant(None)
    with pytest.raises(ClarusConfigError, match="one word"):
        shared.for_tenant("two words")
