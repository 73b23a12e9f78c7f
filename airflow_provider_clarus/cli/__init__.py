# SPDX-License-Identifier: Apache-2.0
"""The command line: ``airflow clarus`` (Airflow 3.2 and later), or ``python -m airflow_provider_clarus``."""

__all__ = ["commands", "definition"]
