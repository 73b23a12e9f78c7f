# SPDX-License-Identifier: Apache-2.0
"""Generate ClarusWMS reports from Apache Airflow and land them in object storage."""

__version__ = "0.1.0"
