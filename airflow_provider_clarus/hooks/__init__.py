# SPDX-License-Identifier: Apache-2.0
"""Airflow's connections, and the one to Clarus."""

__all__ = ["clarus", "connections"]
