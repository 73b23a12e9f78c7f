# SPDX-License-Identifier: Apache-2.0
"""Log what was asked of the sandbox, for tests to read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

_ENDPOINTS = {
    "api": (
        ("token", re.compile(r"/oauth/token")),
        ("authorize", re.compile(r"/oauth/authorize")),
        ("graphql", re.compile(r"/graphql")),
        ("reports", re.compile(r"/api/reports")),
        ("generate", re.compile(r"/api/reports/[^/]+/generate")),
        ("download", re.compile(r"/api/documents/([^/]+)/download")),
    ),
    "files": (("file", re.compile(r"/[^/]+/documents/([^/]+)")),),
}
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization")


@dataclass(slots=True)
class LoggedRequest:
    """One request and how it was answered."""

    at: float
    """Seconds since the epoch."""
    origin: str
    """``api`` or ``files``."""
    endpoint: str
    """``token``, ``authorize``, ``reports``, ``generate``, ``graphql``, ``download``, ``file``, ``other``."""
    method: str
    path: str
    query: str
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes
    status: int = 0
    """0 while there is no answer, and when the connection was cut instead."""
    bytes_sent: int = 0
    """Of the answer's body."""

    @property
    def tenant(self) -> str | None:
        """The tenant header."""
        return self.headers.get("x-clarus-subdomain")

    @property
    def json(self) -> Any:
        """The body, parsed; ``None`` when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def concerns(self, document_id: int) -> bool:
        """Tell whether this document is asked for: in the path, or in a GraphQL filter for ids."""
        if self.endpoint == "graphql":
            try:
                wanted = self.json["variables"]["filter"]["id"]
                return str(document_id) in {str(item) for item in [wanted.get("eq"), *wanted.get("in", ())]}
            except (AttributeError, KeyError, TypeError):
                return False
        return self.endpoint in ("download", "file") and str(document_id) in self.path.split("/")

    def public(self) -> dict[str, Any]:
        """Return it as plain JSON values without secrets: they are not for log files."""
        return {
            "at": self.at,
            "origin": self.origin,
            "endpoint": self.endpoint,
            "method": self.method,
            "path": self.path,
            "headers": {
                name: "***" if name in _SECRET_HEADERS else value for name, value in self.headers.items()
            },
            "body": None if self.endpoint in ("token", "authorize") else self.json,
            "status": self.status,
            "bytes_sent": self.bytes_sent,
        }


def logged(scope: Scope, origin: str, at: float, body: bytes) -> LoggedRequest:
    """Return the record of a request, not answered yet."""
    path = scope["path"]
    endpoint = next((name for name, pattern in _ENDPOINTS[origin] if pattern.fullmatch(path)), "other")
    return LoggedRequest(
        at=at,
        origin=origin,
        endpoint=endpoint,
        method=scope["method"],
        path=path,
        query=scope["query_string"].decode("latin-1"),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )
