# SPDX-License-Identifier: Apache-2.0
"""What an Airflow connection of type ``clarus`` means, and the form that enters it."""

__all__ = ["connection", "form"]
