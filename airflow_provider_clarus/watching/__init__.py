# SPDX-License-Identifier: Apache-2.0
"""Watch a tenant for documents that finish, whoever has made them, without losing one."""

__all__ = ["ledger", "member", "stream", "wanted"]
