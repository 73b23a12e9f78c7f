# SPDX-License-Identifier: Apache-2.0
"""Read over answers before the answer: 102 and 103 announce one to come (RFC 9110, 15.2)."""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse, parse_headers

#: Answers before the answer; more make no sense.
MOST = 20


class FinalResponse(HTTPResponse):
    """Reads over what is said before; the standard library does so for 100 alone."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MOST):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            # 101 is the last word of HTTP on a connection; 100 is for the caller, who expects it.
            if status not in range(102, 200):
                return version, status, reason
            parse_headers(self.fp)
        raise HTTPException(f"over {MOST} answers came before the answer")
