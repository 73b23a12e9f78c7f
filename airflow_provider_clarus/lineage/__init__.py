# SPDX-License-Identifier: Apache-2.0
"""Tell OpenLineage from where to where a task moved data: what it has worked on, as datasets and facets."""

__all__ = ["datasets", "facets", "traced"]
