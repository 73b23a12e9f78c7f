# SPDX-License-Identifier: Apache-2.0
"""Read and check what an Airflow connection of type ``clarus`` means."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from airflow_provider_clarus.connection.form import EXTRA_FIELDS
from airflow_provider_clarus.exceptions import ClarusConfigError
from airflow_provider_clarus.variables import settle
from airflow_provider_clarus.variables.values import VariableFormat

log = logging.getLogger(__name__)

DEFAULT_HOST = "https://clarus-api.com"
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

UTC = ZoneInfo("UTC")

# What every library reads alike: neither user, query nor fragment, backslash nor space.
_ADDRESS = re.compile(r"https?://[\w.\-:\[\]]+(/[\w.\-~%/]*)?", re.ASCII | re.IGNORECASE)

# Airflow takes the brackets off when it reads an IPv6 address from a URI.
_BARE_IPV6 = re.compile(r"(https?://)?([0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*)", re.IGNORECASE)

GrantType = Literal["client_credentials", "refresh_token", "access_token"]
#: Where a token request carries id and secret: in its body (``post``), or in its header (``basic``).
TokenAuth = Literal["auto", "basic", "post"]

_told_of: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class ClarusConnection:
    """Where Clarus is, which tenant is asked, and who asks.

    ``timeout`` is in seconds for one request. ``verify`` is for Clarus and its token endpoint,
    ``storage_verify`` for the presigned URLs that it hands out. Secrets stay out of ``repr``.
    """

    base_url: str
    tenant: str
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    grant_type: GrantType = "client_credentials"
    refresh_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    scope: str = ""
    token_url: str = ""
    token_auth: TokenAuth = "auto"  # noqa: S105 - no secret
    timezone: ZoneInfo = UTC
    variable_format: VariableFormat = "iso"
    verify: bool | str = True
    storage_verify: bool | str = True
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 30.0
    allow_http: bool = False

    @classmethod
    def from_airflow(
        cls, connection: Any, subdomain: str | None = None, *, any_tenant: bool = False
    ) -> ClarusConnection:
        """Read an Airflow connection, the same whether it came from a URI, JSON or the form.

        :param connection: an Airflow ``Connection``
        :param subdomain: the tenant, instead of the connection's own
        :param any_tenant: it need not name one: :meth:`for_tenant` does
        :raises ClarusInputError: when ``subdomain`` is empty: that would silently mean another tenant
        :raises ClarusConfigError: when a field is missing or makes no sense; it says which, and what to enter
        """
        try:
            extra = _extra(connection.extra)
            settings = cls._read(connection, extra, subdomain)
            if not any_tenant:
                settings._require_tenant()
        except ClarusConfigError as error:
            raise ClarusConfigError(f"Connection {connection.conn_id!r}: {error}") from None
        for name in extra.keys() - EXTRA_FIELDS.keys():
            _tell_once_of(str(connection.conn_id), str(name))
        return settings

    @classmethod
    def _read(cls, connection: Any, extra: Mapping[str, Any], subdomain: str | None) -> ClarusConnection:
        allow_http = _flag(extra, "allow_http")
        base_url = _base_url(connection.host, connection.port, allow_http)
        settings = cls(
            base_url=base_url,
            # A URI may end in a slash, which Airflow leaves where it is.
            tenant=settle.tenant(subdomain) or _text(connection.schema).rstrip("/"),
            client_id=_text(connection.login),
            client_secret=_text(connection.password),
            grant_type=_choice(extra, "grant_type", GrantType),
            refresh_token=_text(extra.get("refresh_token")),
            access_token=_text(extra.get("access_token")),
            scope=_text(extra.get("scope")),
            token_url=_token_url(_text(extra.get("token_url")), base_url, allow_http),
            token_auth=_token_auth(extra),
            timezone=_zone(_text(extra.get("timezone")) or "UTC"),
            variable_format=_choice(extra, "variable_format", VariableFormat),
            verify=_verify(extra.get("verify")),
            storage_verify=_verify(extra.get("storage_verify")),
            proxies=_proxies(extra.get("proxies")),
            timeout=_seconds(extra.get("timeout")),
            allow_http=allow_http,
        )
        settings._require_credentials()
        return settings

    def for_tenant(self, subdomain: str | None) -> ClarusConnection:
        """Return the same for another tenant; for its own, when ``subdomain`` is ``None``.

        :raises ClarusInputError: when it is empty
        :raises ClarusConfigError: when there is none
        """
        settings = replace(self, tenant=settle.tenant(subdomain) or self.tenant)
        settings._require_tenant()
        return settings

    @property
    def secrets(self) -> list[str]:
        """What must not show in any log."""
        return [secret for secret in (self.client_secret, self.refresh_token, self.access_token) if secret]

    def _require_tenant(self) -> None:
        if not self.tenant:
            raise ClarusConfigError(
                "no tenant. Enter the tenant's subdomain (in a URI: the path after the host), "
                "or pass `subdomain`."
            )
        if not is_one_word(self.tenant):
            raise ClarusConfigError(f"the tenant {self.tenant!r} cannot be sent as a header; it is one word.")

    def _require_credentials(self) -> None:
        if self.access_token and not is_one_word(self.access_token):
            raise ClarusConfigError("extra access_token is none: it has spaces or other than ASCII in it.")
        required = {
            "client_credentials": ("client_id", "client_secret"),
            "refresh_token": ("client_id", "refresh_token"),
            "access_token": ("access_token",),
        }[self.grant_type]
        where = {"client_id": "login", "client_secret": "password"}
        if missing := [where.get(name, f"extra {name}") for name in required if not getattr(self, name)]:
            raise ClarusConfigError(
                f"no credentials: grant_type {self.grant_type!r} needs {' and '.join(missing)}. "
                "Clarus shows them under its API settings."
            )


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is this machine."""
    return urlsplit(url).hostname in LOOPBACK_HOSTS


def is_one_word(text: str) -> bool:
    """Tell whether a text can be sent as the last word of a header: visible ASCII characters only."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _extra(given: str | Mapping[str, Any] | None) -> Mapping[str, Any]:
    # Not `extra_dejson`: it hides broken JSON, and blocks in a triggerer's event loop.
    try:
        # Airflow 3.2 leaves what it reads from a URI as a dictionary.
        extra = given if isinstance(given, Mapping) else json.loads(given or "{}")
    except (ValueError, RecursionError):
        extra = None
    if not isinstance(extra, Mapping):
        raise ClarusConfigError("extra is not a JSON object.")
    return extra


def _tell_once_of(conn_id: str, name: str) -> None:
    """Warn of an extra that means nothing: often it is one that does, misspelt."""
    if (conn_id, name) in _told_of:
        return
    _told_of.add((conn_id, name))
    by_letters = {_letters(known): known for known in EXTRA_FIELDS}
    nearest = get_close_matches(_letters(name.removeprefix("extra__clarus__")), by_letters, 1)
    meant = f"did you mean {by_letters[nearest[0]]!r}?" if nearest else f"known: {', '.join(EXTRA_FIELDS)}."
    log.warning("Connection %r: extra %.60r is unknown, and has no effect; %s", conn_id, name, meant)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _base_url(host: str | None, port: int | None, allow_http: bool) -> str:
    url = _text(host).rstrip("/") or DEFAULT_HOST
    if bare := _BARE_IPV6.fullmatch(url):
        url = f"{bare[1] or ''}[{bare[2]}]"
    parts = _address(url if "://" in url else f"https://{url}", "host", allow_http)
    # Airflow writes a host in lower case when it reads it from a URI.
    parts = parts._replace(netloc=parts.netloc.lower())
    if port and parts.port is None:
        parts = _address(parts._replace(netloc=f"{parts.netloc}:{port}").geturl(), "port", allow_http)
    return parts.geturl()


def _token_url(url: str, base_url: str, allow_http: bool) -> str:
    return _address(url, "extra token_url", allow_http).geturl() if url else f"{base_url}/oauth/token"


def _address(url: str, field_name: str, allow_http: bool) -> SplitResult:
    """Return the parts of an address to which secrets may be sent."""
    try:
        parts = urlsplit(url)
        usable = bool(_ADDRESS.fullmatch(url) and parts.hostname and parts.port != 0)
    except ValueError:
        usable = False
    if not usable:
        # The address is not shown: it may be a secret in the wrong field.
        raise ClarusConfigError(
            f"{field_name} makes no web address; leave it empty, or enter one such as {DEFAULT_HOST}."
        )
    if parts.scheme == "http" and not (allow_http or is_loopback(url)):
        raise ClarusConfigError(
            f"{field_name} {url!r} would send the secret unencrypted; use https://. (http:// is for this "
            "machine, or for where extra allow_http is true.)"
        )
    return parts


def _choice(extra: Mapping[str, Any], name: str, choices: Any) -> Any:
    allowed = get_args(choices)
    value = _text(extra.get(name)) or allowed[0]
    if value not in allowed:
        raise ClarusConfigError(f"extra {name} is {value!r}; it can be {', '.join(allowed)}.")
    return value


def _token_auth(extra: Mapping[str, Any]) -> TokenAuth:
    # Airflow masks whatever has "token" in its name when its Test button hands a stored connection over.
    given = {} if _text(extra.get("token_auth")) == "***" else extra
    return _choice(given, "token_auth", TokenAuth)  # type: ignore[no-any-return]


def _flag(extra: Mapping[str, Any], name: str) -> bool:
    text = _text(extra.get(name)).lower() or "false"
    if text not in settle.FLAGS:
        raise ClarusConfigError(f"extra {name} is {text!r}; it can be true or false.")
    return settle.FLAGS[text]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ClarusConfigError(
            f"extra timezone {name!r} is not a time zone; enter a name such as Europe/London."
        ) from None


def _verify(value: Any) -> bool | str:
    text = _text(value) or "true"
    return settle.FLAGS.get(text.lower(), text)


def _proxies(value: Any) -> Mapping[str, str]:
    try:
        proxies = json.loads(value) if isinstance(value, str) and value.strip() else value or {}
        usable = all(_is_proxy(str(url)) for url in proxies.values())
    except (ValueError, RecursionError, AttributeError):
        usable = False
    if not usable:
        raise ClarusConfigError('extra proxies must be an object such as {"https": "http://proxy:3128"}.')
    return {str(scheme): str(url) for scheme, url in proxies.items()}


def _is_proxy(url: str) -> bool:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    return bool(parts.hostname and parts.port != 0 and url.isprintable() and " " not in url)


def _seconds(value: Any) -> float:
    try:
        seconds = float(_text(value) or ClarusConnection.timeout)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ClarusConfigError(f"extra timeout is {value!r}; enter seconds, up to 3600.")
    return seconds
