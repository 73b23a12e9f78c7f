# SPDX-License-Identifier: Apache-2.0
"""What a task does with Clarus."""

__all__ = ["document", "report"]
