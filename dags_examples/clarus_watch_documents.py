# SPDX-License-Identifier: Apache-2.0
"""Land whatever is generated in Clarus by hand, or by its own scheduler, under a name like ``stock-*``.

Nobody tells Airflow of such a document. A watcher in the triggerer looks every ten seconds and sends an asset
event for each, at least once; the events start a run of this DAG. One run may have many of them, so the files
are landed by a mapped task. A document that is told of twice lands twice, in the same place.

A watch begins with what finishes after its first look, and goes on over restarts and pauses of this DAG: see
``docs/watching.md``. Airflow 3.0 and later.

The connection is ``clarus_default``. The Airflow Variable ``clarus_destination`` says where the files go;
``file:///tmp/clarus`` when it is not set.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, task
from airflow.sdk import AssetWatcher

from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.triggers.documents import ClarusDocumentsTrigger

BY_HAND = Asset(
    "x-clarus://acme/stock-by-hand",
    watchers=[
        AssetWatcher(
            name="stock_by_hand", trigger=ClarusDocumentsTrigger(file_name="stock-*", poll_interval=10)
        )
    ],
)

with DAG(
    dag_id="clarus_watch_documents",
    schedule=[BY_HAND],
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["clarus"],
    doc_md=__doc__,
):

    @task
    def document_ids(*, triggering_asset_events):
        """Return the document of each event, once."""
        return sorted({event.extra["payload"]["id"] for event in triggering_asset_events[BY_HAND]})

    ClarusDownloadDocumentOperator.partial(
        task_id="land",
        map_index_template="{{ task.document_id }}",
        destination="{{ var.value.get('clarus_destination', 'file:///tmp/clarus') }}"
        "/by-hand/{{ task.document_id }}/",
    ).expand(document_id=document_ids())
