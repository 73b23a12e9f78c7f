# SPDX-License-Identifier: Apache-2.0
"""Serve a local Clarus API that behaves, and misbehaves, like the real one."""

__all__ = ["clock", "content", "documents", "faults", "files", "oauth", "reports", "requests_log", "server"]
