# SPDX-License-Identifier: Apache-2.0
"""An Airflow of several machines on one: for a night on call (chaos) and a calm one (scale)."""
