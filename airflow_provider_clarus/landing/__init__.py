# SPDX-License-Identifier: Apache-2.0
"""Land a document's file in object storage: whole and verified, or not at all."""

__all__ = ["destination", "document", "land", "landing", "link", "names", "outlets"]
