# SPDX-License-Identifier: Apache-2.0
"""Start a throw-away Airflow, from a clone or from the wheel: for the demo and the system tests."""

__all__ = ["airflow_api", "local_airflow", "processes"]
