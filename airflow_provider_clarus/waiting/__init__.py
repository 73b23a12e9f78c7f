# SPDX-License-Identifier: Apache-2.0
"""Wait for documents: one task in its worker, or all of them together in the triggerer."""

__all__ = ["looks", "poller", "threads", "wait", "watch"]
