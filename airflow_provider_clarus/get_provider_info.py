# SPDX-License-Identifier: Apache-2.0
"""Describe this provider to Airflow, through the entry point ``apache_airflow_provider``."""

from __future__ import annotations

from typing import Any

from airflow_provider_clarus.connection.form import declared

#: No handler: an asset's URI stays what its author has written, and one of another form is no error. Schemes
#: that begin with x-, as in x-clarus://acme/stock, are authors' own: Airflow asks no provider about them.
_ASSETS = {
    "schemes": ["clarus"],
    "handler": None,
    "to_openlineage_converter": "airflow_provider_clarus.lineage.datasets.of_asset",
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, valid against Airflow's ``provider.yaml`` schema."""
    return {
        "package-name": "airflow-provider-clarus",
        "name": "ClarusWMS",
        "description": "Generate ClarusWMS reports and land them in object storage.",
        "integrations": [
            {
                "integration-name": "ClarusWMS",
                "external-doc-url": "https://clarus-api.com",
                # Like those of Airflow's own providers, in the source distribution, and not in the wheel.
                "logo": "/docs/integration-logos/report.svg",
                "how-to-guide": ["/docs/connection.md", "/docs/dags.md", "/docs/landing.md"],
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "clarus",
                "hook-class-name": "airflow_provider_clarus.hooks.clarus.ClarusHook",
                "hook-name": "ClarusWMS",
                **declared(),
            }
        ],
        "hooks": _modules("hooks.clarus"),
        "operators": _modules("operators.document", "operators.report"),
        "sensors": _modules("sensors.document"),
        "transfers": [
            {
                "source-integration-name": "ClarusWMS",
                "target-integration-name": "Common IO",
                "how-to-guide": "/docs/landing.md",
                "python-module": "airflow_provider_clarus.transfers.clarus_to_object_storage",
            }
        ],
        # The same in Airflow 3's words and in those of 2.11; each reads its own.
        "asset-uris": [_ASSETS],
        "dataset-uris": [_ASSETS],
        # The second is there on Airflow 3.0 and later.
        "triggers": _modules("triggers.document", "triggers.documents"),
        # Read by Airflow 3.2 and later; others have `python -m airflow_provider_clarus`.
        "cli": ["airflow_provider_clarus.cli.definition.get_clarus_cli_commands"],
        # Taken by Airflow 3.4 and later; the policy itself works from 3.3 on.
        "retry-policies": _modules("retry_policy"),
        "extra-links": ["airflow_provider_clarus.landing.link.LandedObjectLink"],
        "config": {
            "clarus": {
                "description": "ClarusWMS connections.",
                "options": {
                    "requests_at_once": {
                        "description": "How many requests the shared poller of a triggerer sends through one "
                        "connection at a time, from 1 to 32; each takes a thread while it lasts.",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": None,
                        "default": "8",
                    },
                    "on_refresh_token": {
                        "description": "The path of a function that stores a new refresh token, called with "
                        "the connection's id and the token, once for each new one, in the process that got "
                        "it: for servers whose refresh tokens are good once only. Without it, they are "
                        "kept where the processes of a machine share them, and lost with it.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "my_company.clarus.store_refresh_token",
                        "default": None,
                    },
                },
            }
        },
    }


def _modules(*names: str) -> list[dict[str, Any]]:
    modules = [f"airflow_provider_clarus.{name}" for name in names]
    return [{"integration-name": "ClarusWMS", "python-modules": modules}]
