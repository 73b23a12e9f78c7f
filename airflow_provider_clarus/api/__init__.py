# SPDX-License-Identifier: Apache-2.0
"""What Clarus says, and how it is asked: the client, its documents, and what it answers."""

__all__ = ["client", "documents", "models", "points", "recent", "reports", "status"]
