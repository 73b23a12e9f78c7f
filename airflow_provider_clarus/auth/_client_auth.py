# SPDX-License-Identifier: Apache-2.0
"""Authenticate a client to a token endpoint (RFC 6749, 2.3.1), in the way that a server takes.

In the body, all servers take any secret alike that take it there at all. In the header some want both parts
form-encoded, as the RFC says, and others as they are; where neither has a special letter, that is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple
from urllib.parse import quote_plus

from requests import PreparedRequest
from requests.auth import HTTPBasicAuth

from airflow_provider_clarus.connection.connection import ClarusConnection

Form = Literal["public", "post", "basic", "raw"]


def forms(connection: ClarusConnection, known: object = None) -> tuple[Form, ...]:
    """Return the forms to try, in turn: two at most, so that wrong credentials lock nobody out.

    :param known: the form that this server has taken before
    """
    if not connection.client_secret:
        return ("public",)
    plain = (connection.client_id, connection.client_secret)
    header: tuple[Form, ...] = ("basic",) if tuple(map(quote_plus, plain)) == plain else ("basic", "raw")
    by_choice: dict[str, tuple[Form, ...]] = {"auto": ("post", "basic"), "post": ("post",), "basic": header}
    possible = by_choice[connection.token_auth]
    return tuple(form for form in possible if form == known) or possible


class Sent(NamedTuple):
    """Where id and secret go: into the body, or into the header."""

    body: dict[str, str]
    auth: Callable[[PreparedRequest], PreparedRequest]


def sent(connection: ClarusConnection, form: Form) -> Sent:
    """Return what says who the client is, in one of the forms."""
    if form == "public":
        return Sent({"client_id": connection.client_id}, _as_it_is)
    if form == "post":
        body = {"client_id": connection.client_id, "client_secret": connection.client_secret}
        return Sent(body, _as_it_is)
    encoded = quote_plus if form == "basic" else str
    pair = encoded(connection.client_id), encoded(connection.client_secret)
    # Bytes, since requests would encode text as Latin-1.
    return Sent({}, HTTPBasicAuth(*(part.encode() for part in pair)))


def _as_it_is(request: PreparedRequest) -> PreparedRequest:
    """Add nothing: not what a .netrc says, nor an empty Basic."""
    return request
