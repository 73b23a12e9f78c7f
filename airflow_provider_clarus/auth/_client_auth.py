# SPDX-License-Identifier: Apache-2.0
"""How a client says who it is to a token endpoint (RFC 6749, 2.3.1), and which way a server takes.

In the body, all servers take any secret alike that take it there at all. In the header some want both parts
form-encoded, as the RFC says, and others as they are; where neither has a special letter, that is the same.
"""

from __future__ import annotations

import base64
from typing import Literal
from urllib.parse import quote_plus

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


def sent(connection: ClarusConnection, form: Form) -> tuple[dict[str, str], dict[str, str]]:
    """Return what goes into the body, and into the headers."""
    if form == "public":
        return {"client_id": connection.client_id}, {}
    if form == "post":
        return {"client_id": connection.client_id, "client_secret": connection.client_secret}, {}
    encoded = quote_plus if form == "basic" else str
    pair = f"{encoded(connection.client_id)}:{encoded(connection.client_secret)}"
    return {}, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
