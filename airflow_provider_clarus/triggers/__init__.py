# SPDX-License-Identifier: Apache-2.0
"""What goes on in the triggerer while a task is deferred."""

__all__ = ["deferral", "document", "event"]
