# SPDX-License-Identifier: Apache-2.0
"""From Clarus to object storage, in one task."""

__all__ = ["clarus_to_object_storage"]
