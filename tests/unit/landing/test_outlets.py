# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_clarus.landing.outlets import add_to_outlets

try:
    from airflow.sdk.execution_time.context import OutletEventAccessors
except ImportError:
    from airflow.utils.context import OutletEventAccessors

FACTS = {"uri": "s3://aws@bucket/süß/x.csv", "size": 3, "sha256": "…", "document_id": 5}


def test_an_asset_and_an_alias_learn_what_landed() -> None:
    events: Any = OutletEventAccessors()
    asset, alias = Asset("s3://bucket/x.csv"), AssetAlias("stock")
    add_to_outlets({"outlet_events": events}, [asset, alias, SimpleNamespace(uri="x")], FACTS)  # type: ignore
    assert events[asset].extra == FACTS
    assert len(events) == 2
    assert told_of(events[alias]) == ("s3://bucket/s%C3%BC%C3%9F/x.csv", FACTS)


def told_of(told: Any) -> tuple[str, dict[str, Any]]:
    """Return the one asset that an alias' event is of, and what it is told."""
    (event,) = getattr(told, "asset_alias_events", None) or told.dataset_alias_events
    if isinstance(event, dict):
        return event["dest_dataset_uri"], event["extra"]
    return event.dest_asset_key.uri, event.extra


def test_an_asset_is_called_by_the_whole_name_of_its_file() -> None:
    events: Any = OutletEventAccessors()
    facts = {"uri": "file:///data/Report #7?a=b.csv"}
    add_to_outlets({"outlet_events": events}, [AssetAlias("stock")], facts)  # type: ignore[typeddict-item]
    assert told_of(events[AssetAlias("stock")]) == ("file:///data/Report %237%3Fa=b.csv", facts)


@pytest.mark.skipif(not hasattr(Asset, "ref"), reason="Airflow 2 has no references to assets")
def test_a_reference_to_an_asset_does_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asset = Asset(name="stock", uri="s3://bucket/x.csv")
    # Airflow asks its API server which asset it is.
    monkeypatch.setattr(OutletEventAccessors, "_get_asset_from_db", staticmethod(lambda **by: asset))
    events: Any = OutletEventAccessors()
    add_to_outlets({"outlet_events": events}, [Asset.ref(name="stock")], FACTS)  # type: ignore[typeddict-item]
    assert events[asset].extra == FACTS
