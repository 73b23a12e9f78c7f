# SPDX-License-Identifier: Apache-2.0
"""Wait in the triggerer while a task is deferred."""

__all__ = ["deferral", "document", "documents", "event"]
