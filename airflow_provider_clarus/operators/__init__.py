# SPDX-License-Identifier: Apache-2.0
"""Generate reports, and download documents: the operators."""

__all__ = ["document", "report"]
