# SPDX-License-Identifier: Apache-2.0
"""Run the command line: ``airflow clarus`` (Airflow 3.2+), or ``python -m airflow_provider_clarus``."""

__all__ = ["commands", "definition"]
