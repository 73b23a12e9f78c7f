# SPDX-License-Identifier: Apache-2.0
"""A calm night: what a report costs in an Airflow of several machines."""
