# SPDX-License-Identifier: Apache-2.0
"""Name the statuses of a document; apart from the models, for the sandbox has them without Airflow."""

from __future__ import annotations

from enum import Enum


class DocumentStatus(str, Enum):
    """The documented statuses. The server's own words differ in case, and one example says ``completed``."""

    QUEUED = "queued"
    PROCESSING = "processing"
    AVAILABLE = "available"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @classmethod
    def parse(cls, text: object) -> DocumentStatus:
        """Return the status that ``text`` means; one that nobody documented is ``UNKNOWN``: not yet."""
        word = str(text).lower()
        try:
            return cls("available" if word == "completed" else word)
        except ValueError:
            return cls.UNKNOWN
