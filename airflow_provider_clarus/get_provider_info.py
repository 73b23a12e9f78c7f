# SPDX-License-Identifier: Apache-2.0
"""What Airflow reads about this provider through the entry point ``apache_airflow_provider``."""

from __future__ import annotations

from typing import Any

from airflow_provider_clarus.connection_form import declared


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, valid against Airflow's ``provider.yaml`` schema."""
    return {
        "package-name": "airflow-provider-clarus",
        "name": "ClarusWMS",
        "description": "Generate ClarusWMS reports and land them in object storage.",
        "connection-types": [
            {
                "connection-type": "clarus",
                "hook-class-name": "airflow_provider_clarus.hooks.clarus.ClarusHook",
                "hook-name": "ClarusWMS",
                **declared(),
            }
        ],
    }
