# SPDX-License-Identifier: Apache-2.0
"""A local Clarus API that behaves, and misbehaves, like the real one."""

__all__ = ["content", "documents", "faults", "files", "oauth", "reports", "requests_log", "server"]
