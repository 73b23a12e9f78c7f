# SPDX-License-Identifier: Apache-2.0
"""What landed, told to the assets that a task declares as its outlets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def add_to_outlets(context: Context, outlets: Sequence[Any], facts: Mapping[str, Any]) -> None:
    """Put what landed into the asset events of a task's declared outlets."""
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update(facts)
