# SPDX-License-Identifier: Apache-2.0
"""One HTTP exchange: bounded, explained, and repeated where that is safe."""

__all__ = ["connections", "limit", "responses", "retries", "transport"]
