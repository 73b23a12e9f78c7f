# SPDX-License-Identifier: Apache-2.0
"""Decide what an answer means, and when it is final: once, for everybody who asks Clarus something."""

__all__ = ["answers", "patience"]
