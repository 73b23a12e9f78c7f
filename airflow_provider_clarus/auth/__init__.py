# SPDX-License-Identifier: Apache-2.0
"""Get, keep and renew tokens (OAuth 2.0)."""

__all__ = ["state_folder", "token_request", "tokens"]
