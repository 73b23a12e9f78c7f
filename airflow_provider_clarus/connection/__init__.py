# SPDX-License-Identifier: Apache-2.0
"""Read an Airflow connection of type ``clarus``, and define the form that enters it."""

__all__ = ["connection", "form"]
