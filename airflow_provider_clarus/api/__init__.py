# SPDX-License-Identifier: Apache-2.0
"""Ask Clarus: the client, its documents and reports, and what the API answers."""

__all__ = ["check", "client", "documents", "feed", "models", "points", "recent", "reports", "status"]
