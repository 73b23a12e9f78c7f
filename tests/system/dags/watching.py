# SPDX-License-Identifier: Apache-2.0
"""Two assets with one watcher each, and the same filter: all that finishes. And one of a template's task."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, BaseOperator

try:
    from airflow.sdk import AssetWatcher

    from airflow_provider_clarus.triggers.documents import ClarusDocumentsTrigger
except ImportError:  # Airflow 2
    ASSETS = []
else:
    ASSETS = [
        Asset(
            f"x-clarus://acme/{name}",
            watchers=[AssetWatcher(name=name, trigger=ClarusDocumentsTrigger(poll_interval=2, failed=True))],
        )
        for name in ("watched-1", "watched-2")
    ]


class ShowId(BaseOperator):
    """Returns what its template makes of the events, as an operator's ``document_id`` would be."""

    template_fields = ("document_id",)

    def __init__(self, *, document_id, **kwargs):
        super().__init__(**kwargs)
        self.document_id = document_id

    def execute(self, context):
        """Return it."""
        return self.document_id


if ASSETS:
    with DAG("watching_everything", schedule=ASSETS[0] | ASSETS[1], start_date=pendulum.datetime(2024, 1, 1)):
        ShowId(
            task_id="show",
            document_id="{{ (triggering_asset_events.values() | first | first).extra.payload.id }}",
        )
