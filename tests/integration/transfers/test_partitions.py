# SPDX-License-Identifier: Apache-2.0
"""Which partition the asset event of a landing task is of, in Airflow's own accessors of events."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import OutletEventAccessors, run

STOCK = Asset("x-clarus://acme/stock")
NAMES = ("date_from", "date_to")
#: The days in London, after the night in which its clocks went forward.
APRIL = {
    "data_interval_start": pendulum.datetime(2024, 3, 31, 23),
    "data_interval_end": pendulum.datetime(2024, 4, 1, 23),
}


@pytest.fixture(autouse=True)
def london(clarus_default: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    uri = f"{clarus_default.connection_uri}?timezone=Europe%2FLondon"
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", uri)
    clarus_default.add_report(Report(7, seconds=0))
    return clarus_default


def keys(folder: Path, *, outlet: Any = STOCK, context: Any = APRIL, **arguments: Any) -> set[str] | None:
    """Land a report, and return the partitions of the outlet's event; ``None`` where Airflow knows none."""
    events: Any = OutletEventAccessors()
    result = run(
        lambda: ClarusReportToObjectStorageOperator(
            task_id="land",
            report_id=7,
            destination=f"file://{folder}/stock.csv",
            outlets=[outlet],
            poll_interval=0.1,
            **({"interval_variables": NAMES} | arguments),
        ),
        outlet_events=events,
        **context,
    )
    if not isinstance(outlet, AssetAlias):
        assert events[outlet].extra.items() >= result.items()
    return getattr(events[outlet], "partition_keys", None)


with_partitions = pytest.mark.skipif(
    not hasattr(OutletEventAccessors()[STOCK], "add_partitions"), reason="Airflow before 3.3 has none"
)


@with_partitions
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferred"])
def test_the_event_is_of_the_partition_that_begins_with_the_window(tmp_path: Path, deferrable: bool) -> None:
    assert keys(tmp_path, deferrable=deferrable) == {"2024-04-01T00:00:00"}


@with_partitions
def test_so_is_that_of_a_file_that_was_there(tmp_path: Path, london: Sandbox) -> None:
    (tmp_path / "stock.csv").write_text("old")
    assert keys(tmp_path, if_exists="skip") == {"2024-04-01T00:00:00"}
    assert not london.requests


@with_partitions
@pytest.mark.parametrize(
    ("arguments", "context"),
    [
        ({"partition_outlets": False}, APRIL),
        ({"partition_outlets": "no"}, APRIL),
        ({"interval_variables": None}, APRIL),
        ({"interval_variables": None, "variables": {"date_from": "2024-03-01T00:00:00Z"}}, {}),
        ({"outlet": AssetAlias("stock")}, APRIL),
    ],
    ids=["told not to", "in a word", "no window", "no interval", "an alias"],
)
def test_other_events_are_of_no_partition(
    tmp_path: Path, arguments: dict[str, Any], context: dict[str, Any]
) -> None:
    assert keys(tmp_path, context=context, **arguments) == set()


@with_partitions
def test_in_a_partitioned_run_the_partition_is_the_runs_own(tmp_path: Path) -> None:
    from airflow.sdk import CronPartitionTimetable

    timetable = CronPartitionTimetable("0 0 * * *", timezone="Europe/London", key_format="%Y-%m-%d")
    partition = {
        "dag": SimpleNamespace(timetable=timetable),
        "partition_key": "2024-04-01",
        "partition_date": pendulum.datetime(2024, 3, 31, 23),
    }
    assert keys(tmp_path, context=partition) == {"2024-04-01"}
    [line, *_] = (tmp_path / "stock.csv").read_text().splitlines()[1:]
    assert "2024-04-01T00:00:00+01:00,2024-04-01T23:59:59+01:00" in line


def test_nothing_changes_where_airflow_has_no_partitions(tmp_path: Path) -> None:
    event = SimpleNamespace(extra={})
    events = type("Events", (), {"__getitem__": lambda self, outlet: event})()
    assert keys(tmp_path, context={**APRIL}) in (None, {"2024-04-01T00:00:00"})
    landed = run(
        lambda: ClarusReportToObjectStorageOperator(
            task_id="land",
            report_id=7,
            destination=f"file://{tmp_path}/stock.csv",
            outlets=[STOCK],
            interval_variables=NAMES,
        ),
        outlet_events=events,
        **APRIL,
    )
    assert vars(event) == {"extra": landed | {"report_id": 7}}


def test_a_flag_that_is_none_is_refused_before_anything_is_sent(tmp_path: Path, london: Sandbox) -> None:
    with pytest.raises(ClarusInputError, match="partition_outlets"):
        keys(tmp_path, partition_outlets="perhaps")
    assert not london.requests
