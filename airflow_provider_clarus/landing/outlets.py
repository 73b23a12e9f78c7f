# SPDX-License-Identifier: Apache-2.0
"""Tell what landed to the task, and to the assets that it declares as its outlets."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)

# By name: Airflow 2 has none, and nobody else offers the class for all of 3.
_HAVE_EVENTS = {"Asset", "Dataset", "AssetAlias", "DatasetAlias", "AssetRef"}


def tell(
    task: Any, context: Context, landed: dict[str, Any], *, partition_key: str | None = None, **facts: Any
) -> dict[str, Any]:
    """Let a task's page and its outlets know what landed, and return that.

    :param partition_key: of the outlets' partition that landed
    :param facts: what else the outlets' events carry
    """
    task.file_name = landed["file_name"]
    add_to_outlets(context, task.outlets, landed | facts, partition_key)
    return landed


def add_to_outlets(
    context: Context, outlets: Sequence[Any], facts: Mapping[str, Any], partition_key: str | None = None
) -> None:
    """Put what landed into the asset events of a task's declared outlets.

    An ``Asset`` and an ``Asset.ref`` get it in their event's ``extra``; an ``AssetAlias`` gets an event of
    the asset that landed, by its URI without the Airflow connection. Any other outlet, such as one for
    lineage, has no events.

    :param partition_key: the partition that the events of assets are of, on Airflow 3.3 and later; an alias'
        events are of the run's, if it has one
    """
    for outlet in outlets:
        if _HAVE_EVENTS.isdisjoint(base.__name__ for base in type(outlet).__mro__):
            continue
        event = context["outlet_events"][outlet]
        if isinstance(outlet, AssetAlias):
            event.add(Asset(uri=_without_connection(facts["uri"])), extra=dict(facts))
        else:
            event.extra.update(facts)
            if partition_key is not None and hasattr(event, "add_partitions"):
                event.add_partitions(partition_key)
                log.info(
                    "The event of %s is of its partition %s: it starts DAGs whose schedule is a "
                    "PartitionedAssetTimetable, and no others",
                    getattr(outlet, "name", None) or outlet.uri,
                    partition_key,
                )


def _without_connection(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    shown = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
    # An asset's name and URI are ASCII, and a file's name may have what begins a URI's query.
    return "".join(letter if letter.isascii() and letter not in "?#" else quote(letter) for letter in shown)
