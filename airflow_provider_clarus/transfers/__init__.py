# SPDX-License-Identifier: Apache-2.0
"""Transfer from Clarus to object storage, in one task."""

__all__ = ["clarus_to_object_storage"]
