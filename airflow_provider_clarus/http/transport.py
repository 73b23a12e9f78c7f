# SPDX-License-Identifier: Apache-2.0
"""Send requests to the API and the token endpoint: bounded in time and size, and never redirected."""

from __future__ import annotations

import os
import ssl
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from urllib3.exceptions import HTTPError, NewConnectionError

from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusConfigError, ClarusError, ClarusTransientError
from airflow_provider_clarus.http import limit
from airflow_provider_clarus.http._body import body_of
from airflow_provider_clarus.http._deadline import POOLS, Deadline
from airflow_provider_clarus.http.connections import ConnectingAdapter
from airflow_provider_clarus.http.responses import shortened
from airflow_provider_clarus.policy.answers import Call, Said, causes, is_untrusted, row_of

#: Connections to one server that are kept open, for as many threads.
KEPT_OPEN = 32


class BoundedAdapter(ConnectingAdapter):
    """Read the whole answer here, within a bound of bytes and of seconds.

    Whatever goes wrong on the way is a ``requests.RequestException``.
    """

    pools = POOLS

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request and read its answer."""
        request.headers["Accept-Encoding"] = "identity"
        bound = limit.current()
        if bound:
            if not bound.left:
                raise requests.ConnectTimeout("no time was left for it")
            kwargs["timeout"] = min(kwargs["timeout"], bound.left)
        with Deadline(kwargs["timeout"]) as deadline:
            if bound:
                bound.guard(deadline.end)
            try:
                response = super().send(request, *args, **{**kwargs, "stream": True})
                with response:
                    response._content = body_of(response)
            except requests.RequestException as error:
                failed: requests.RequestException | None = error
            except (OSError, HTTPError, HTTPException, ValueError) as error:
                failed = requests.ConnectionError(error)
            else:
                failed = None
            finally:
                if bound:
                    bound.guard(None)
        if deadline.over and not isinstance(failed, requests.ConnectTimeout):
            raise requests.ReadTimeout(f"the answer took over {kwargs['timeout']:g} s, the timeout")
        if failed:
            raise failed
        return response


class PlainAdapter(BoundedAdapter):
    """Plain HTTP for a server without TLS, which a session of ours knows as ``https://``."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request to the same place without TLS."""
        assert request.url is not None  # noqa: S101 - a prepared request has one
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


def mount(session: requests.Session, url: str) -> None:
    """Make a session travel as this module says, to ``url`` and what is below it, and nowhere else.

    It keeps no cookies: one of a proxy's or of the web application's would tie all tasks to one another.
    """
    # No redirect is followed, wherever it leads, and its address is not even looked at.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.get_redirect_target = lambda response: None  # type: ignore[assignment, method-assign]
    adapter = PlainAdapter if url.startswith("http://") else BoundedAdapter
    session.mount("https://", adapter(pool_maxsize=KEPT_OPEN))


def secure(url: str) -> str:
    """Return the ``https://`` form under which a session of ours knows a URL."""
    return url.replace("http://", "https://", 1)


def options(connection: ClarusConnection) -> dict[str, Any]:
    """Return what each request is given.

    Given to the request and not set on the session, where ``REQUESTS_CA_BUNDLE`` would win over ``verify``.

    :raises ClarusConfigError: when there is no such CA bundle
    """
    if isinstance(connection.verify, str) and not os.path.exists(connection.verify):
        raise ClarusConfigError(f"There is no file {connection.verify!r}, which extra verify names.")
    return {
        "timeout": connection.timeout,
        "verify": connection.verify,
        "proxies": dict(connection.proxies),
    }


def failure(error: requests.RequestException, doing: str, *, ever_worked: bool = False) -> ClarusError:
    """Return the error that a request without an answer is.

    :param doing: what was asked for, as in :func:`airflow_provider_clarus.http.responses.error_for`
    :param ever_worked: whether the server was ever reached: its certificate was good, then, and may be again
    """
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None) or error
    said = f"Could not {doing}: {type(error).__name__}: {shortened(str(reason))}"
    if is_untrusted(error):
        return _untrusted(f"{said}.", ever_worked)
    if any(isinstance(cause, ssl.SSLError) and cause.library == "X509" for cause in causes(error)):
        return ClarusConfigError(
            f"{said}. The file that extra verify (of files: storage_verify) names holds no certificate."
        )
    never_sent = (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError, NewConnectionError)
    unsent = isinstance(error, never_sent) or isinstance(reason, never_sent)
    remedy = " Check the connection's host, proxies and the network." if unsent else ""
    return ClarusTransientError(f"{said}.{remedy}", may_have_acted=not unsent)


def _untrusted(said: str, ever_worked: bool) -> ClarusError:
    row = row_of(Call.OTHER, None, Said.EXPIRED if ever_worked else Said.UNTRUSTED)
    return row.error(f"{said} {row.remedy}".rstrip(), may_have_acted=row.may_have_acted)
