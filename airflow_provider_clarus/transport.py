# SPDX-License-Identifier: Apache-2.0
"""How requests to the API and the token endpoint travel: bounded in time and size, and never redirected."""

from __future__ import annotations

import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from airflow_provider_clarus.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusConfigError, ClarusError, ClarusTransientError

#: Bytes of an answer that are read. A page of 100 documents has about 20 kB.
MAX_BODY = 8 * 1024 * 1024


class BoundedAdapter(HTTPAdapter):
    """Read the whole body here, within a bound of bytes and of seconds.

    ``requests`` bounds neither: its timeout starts anew with every packet.
    """

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request and read its answer."""
        timeout = kwargs.get("timeout")
        deadline = time.monotonic() + timeout if timeout else None
        response = super().send(request, *args, **{**kwargs, "stream": True})
        with response:
            body = bytearray()
            for chunk in response.iter_content(64 * 1024):
                body += chunk
                if len(body) > MAX_BODY:
                    raise requests.exceptions.ContentDecodingError(f"the answer has over {MAX_BODY} bytes")
                if deadline and time.monotonic() > deadline:
                    raise requests.exceptions.ReadTimeout(f"the answer took over {timeout} s")
        response._content = bytes(body)
        return response


class LocalAdapter(BoundedAdapter):
    """Plain HTTP for a server on this machine, asked for as ``https://``.

    oauthlib refuses ``http://`` URLs, and its only switch is an environment variable of the whole process.
    """

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request to the same place without TLS."""
        assert request.url is not None  # noqa: S101 - a prepared request has one
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


def mount(session: requests.Session, connection: ClarusConnection) -> None:
    """Make a session travel as this module says."""
    session.mount("https://", BoundedAdapter())
    for url in (connection.base_url, connection.token_url):
        if url.startswith("http://"):
            session.mount(secure(url), LocalAdapter())


def secure(url: str) -> str:
    """Return the ``https://`` form under which a session of ours knows a URL."""
    return url.replace("http://", "https://", 1)


def options(connection: ClarusConnection) -> dict[str, Any]:
    """Return what each request is given.

    Given to the request and not set on the session, where ``REQUESTS_CA_BUNDLE`` would win over ``verify``.
    """
    return {
        "timeout": connection.timeout,
        "verify": connection.verify,
        "proxies": dict(connection.proxies),
    }


def failure(error: requests.RequestException, doing: str) -> ClarusError:
    """Return the error that a request without an answer is.

    :param doing: what was asked for, as in :func:`airflow_provider_clarus.responses.error_for`
    """
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None) or error
    said = f"Could not {doing}: {type(error).__name__}: {reason}"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return ClarusConfigError(f"{said}. If the certificate is right, give its CA bundle in extra verify.")
    unsent = isinstance(error, requests.exceptions.ConnectTimeout) or isinstance(reason, NewConnectionError)
    remedy = " Check the connection's host, proxies and the network." if unsent else ""
    return ClarusTransientError(f"{said}.{remedy}", may_have_acted=not unsent)
