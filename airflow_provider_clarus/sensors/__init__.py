# SPDX-License-Identifier: Apache-2.0
"""Wait for documents: the sensor."""

__all__ = ["document"]
