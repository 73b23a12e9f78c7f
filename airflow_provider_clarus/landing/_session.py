# SPDX-License-Identifier: Apache-2.0
"""Ask for a presigned URL exactly as it was given, and only where files are served.

``requests`` and ``urllib3`` make URLs prettier, each version in its own way: ``//a``, ``/./a``, ``/a/../b``
and ``%2f`` come out as another key, of which the storage says that it is gone, or not signed so.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from socket import socket
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.connection import HTTPConnection

from airflow_provider_clarus.exceptions import ClarusPermanentError
from airflow_provider_clarus.http.connections import ConnectingAdapter, pools_of
from airflow_provider_clarus.landing._addresses import serves_files


class _Sending(threading.local):
    """What a thread is sending: connections are made by pools, which have no place to say it."""

    target = ""
    loopback = True


_sending = _Sending()


class _Http(HTTPConnection):
    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        super().putrequest(method, _sending.target, *args, **kwargs)

    def _new_conn(self) -> socket:
        connected = super()._new_conn()
        # What a name leads to is known here; behind a proxy it is the proxy's affair.
        address = connected.getpeername()[0] if self.proxy is None else None
        if address and not serves_files(ip_address(address.partition("%")[0]), loopback=_sending.loopback):
            connected.close()
            raise ClarusPermanentError(
                f"Refused to download from {self.host}: it leads to {address}, where no file is served"
            )
        return connected


class _ExactAdapter(ConnectingAdapter):
    pools = pools_of(_Http)

    def __init__(self, loopback: bool) -> None:
        self._loopback = loopback
        super().__init__()

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        url = str(request.url).partition("#")[0]
        pretty = super().request_url(request, proxies)
        # A proxy is given the whole URL.
        _sending.target = url if not pretty.startswith("/") else _target(url)
        _sending.loopback = self._loopback
        return pretty


def _target(url: str) -> str:
    target = url.partition("://")[2]
    rest = target[len(urlsplit(url).netloc) :]
    return rest if rest.startswith("/") else f"/{rest}"


class BareSession(requests.Session):
    """Sends what it is given and nothing of its own; the environment's proxies and CA bundle count.

    :param loopback: whether this machine may serve files
    """

    def __init__(self, *, loopback: bool) -> None:
        super().__init__()
        self.headers["Accept-Encoding"] = "identity"
        # Keeps requests from looking into .netrc.
        self.auth = lambda request: request
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, _ExactAdapter(loopback))

    def get_exactly(self, url: str, headers: Mapping[str, str], **options: Any) -> requests.Response:
        """Ask for ``url``, byte for byte, and do not follow where it leads.

        :param options: ``verify``, ``proxies`` and ``timeout``, as in ``requests``
        """
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        request = requests.Request("GET", f"{parts.scheme}://{host}/", {**headers, "Host": host})
        prepared = self.prepare_request(request)
        prepared.url = url
        settings = self.merge_environment_settings(url, options["proxies"], True, options["verify"], None)
        return self.send(prepared, allow_redirects=False, timeout=options["timeout"], **settings)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Follow none: each has to be checked first."""
        return None
