# SPDX-License-Identifier: Apache-2.0
"""Fetch Airflow's connections, and open the one to Clarus."""

__all__ = ["clarus", "connections"]
