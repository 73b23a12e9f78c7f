# SPDX-License-Identifier: Apache-2.0
"""Tokens (OAuth 2.0): how they are got, kept and renewed."""

__all__ = ["token_request", "tokens"]
