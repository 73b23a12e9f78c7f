# SPDX-License-Identifier: Apache-2.0
"""Tokens (OAuth 2.0): how they are got, kept and renewed."""

__all__ = ["state_folder", "token_request", "tokens"]
