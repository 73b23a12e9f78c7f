# SPDX-License-Identifier: Apache-2.0
"""A night on call in ten minutes: a real Airflow of several machines, in which everything fails once."""
