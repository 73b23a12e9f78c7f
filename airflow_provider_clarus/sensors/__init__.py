# SPDX-License-Identifier: Apache-2.0
"""What a task waits for."""

__all__ = ["document"]
