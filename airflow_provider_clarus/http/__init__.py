# SPDX-License-Identifier: Apache-2.0
"""Exchange one HTTP request: bounded by a timeout, explained, and repeated where it is idempotent."""

__all__ = ["backoff", "connections", "limit", "responses", "retries", "transport"]
