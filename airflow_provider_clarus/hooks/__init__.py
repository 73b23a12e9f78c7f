# SPDX-License-Identifier: Apache-2.0
"""The Airflow connection to Clarus."""

__all__ = ["clarus"]
