# SPDX-License-Identifier: Apache-2.0
"""Turn what a DAG says into report variables, as the API takes them."""

__all__ = ["declared", "relative", "run", "settle", "values", "windows"]
