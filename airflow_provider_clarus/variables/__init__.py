# SPDX-License-Identifier: Apache-2.0
"""Report variables: from what a DAG says to what the API takes."""

__all__ = ["declared", "relative", "run", "settle", "values", "windows"]
