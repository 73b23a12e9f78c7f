# SPDX-License-Identifier: Apache-2.0
"""A process that lands one file, to be killed: ``child.py URL DESTINATION``."""

from __future__ import annotations

import logging
import sys

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_clarus.landing.land import land

if __name__ == "__main__":
    url, destination = sys.argv[1:]
    land(lambda: url, ObjectStoragePath(destination), log=logging.getLogger("child"))
