# SPDX-License-Identifier: Apache-2.0
"""The windows of runs that are made for partitions, against Airflow's own timetables."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import islice, pairwise
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.providers.common.compat.sdk import Asset
from airflow.timetables.base import TimeRestriction
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.partitions import with_interval
from airflow_provider_clarus.variables.run import check_late, variables_of_run
from tests import readme
from tests.unit.variables.test_windows import CRONS, NAMES, SECOND, STARTS, read
from tests.unit.variables.zones import ZONES

sdk: Any = pytest.importorskip("airflow.sdk")
if not hasattr(sdk, "PartitionedAtRuntime"):
    pytest.skip("Airflow before 3.3 has no partition dates", allow_module_level=True)

from airflow.serialization.encoders import coerce_to_core_timetable  # noqa: E402

#: As for data intervals, Airflow's hours in this zone, whose clocks change by half an hour, do not meet.
SCHEDULES = [
    (cron, zone) for cron in CRONS for zone in ZONES if (cron, zone) != ("0 * * * *", "Australia/Lord_Howe")
]


def run(timetable: Any, date: datetime | None, **context: Any) -> Any:
    """A task's context in the run of a partition."""
    return {"dag": SimpleNamespace(timetable=timetable), "partition_date": date, **context}


def dates(timetable: Any, earliest: datetime, count: int) -> list[datetime]:
    """The dates of so many partitions, one after another, as a backfill makes them."""
    infos = coerce_to_core_timetable(timetable).iter_partition_dagrun_infos(
        earliest=earliest, latest=earliest + timedelta(days=10 * 366)
    )
    return [info.partition_date for info in islice(infos, count)]


def window(context: Any, zone: str, variable_format: Any = "iso") -> list[str]:
    sent = variables_of_run(
        with_interval(context), None, window_names=NAMES, zone=ZoneInfo(zone), variable_format=variable_format
    )
    return [variable["value"] for variable in sent]


@given(st.sampled_from(SCHEDULES), STARTS, st.sampled_from(ZONES), st.integers(2, 8))
@example(("0 0 * * *", "Europe/London"), pendulum.datetime(2024, 3, 29), "Europe/London", 5)
@example(("0 * * * *", "Europe/London"), pendulum.datetime(2024, 10, 26, 22), "Europe/London", 6)
@example(("0 0 * * *", "Africa/Cairo"), pendulum.datetime(2024, 4, 24), "Africa/Cairo", 5)
def test_the_windows_of_consecutive_partitions_meet(schedule, earliest, zone, count):
    cron, of_schedule = schedule
    timetable = sdk.CronPartitionTimetable(cron, timezone=of_schedule)
    begins = dates(timetable, earliest, count)
    windows = [window(run(timetable, date), zone) for date in begins]
    assert [read(first, zone) for first, _ in windows] == begins
    assert all(
        read(this[1], zone) + SECOND == read(following[0], zone) for this, following in pairwise(windows)
    )
    assert all(
        moment.utcoffset() == moment.astimezone(ZoneInfo(zone)).utcoffset()
        for values in windows
        for moment in map(datetime.fromisoformat, values)
    )


def test_the_schedule_of_the_page_runs_when_its_partition_has_just_ended():
    names: dict[str, Any] = {}
    [code] = readme.blocks("python", "Runs of partitions have windows")
    exec(code, names)
    timetable = names["schedule"]
    since = TimeRestriction(pendulum.datetime(2024, 3, 31), None, True)
    info = coerce_to_core_timetable(timetable).next_dagrun_info_v2(last_dagrun_info=None, restriction=since)
    _, end = window(run(timetable, info.partition_date), "Europe/London")
    assert read(end, "Europe/London") + SECOND == info.run_after


@given(st.sampled_from(SCHEDULES), STARTS, st.integers(2, 5))
def test_precise_windows_of_partitions_leave_out_a_microsecond(schedule, earliest, count):
    cron, zone = schedule
    timetable = sdk.CronPartitionTimetable(cron, timezone=zone)
    windows = [
        [read(value, "UTC") for value in window(run(timetable, date), zone, "precise")]
        for date in dates(timetable, earliest, count)
    ]
    assert all(a[1] + timedelta(microseconds=1) == b[0] for a, b in pairwise(windows))


@pytest.mark.parametrize(
    ("mapper", "key", "expected"),
    [
        (
            "StartOfHourMapper",
            "2024-10-27T03:20:00",
            ["2024-10-27T03:00:00+00:00", "2024-10-27T03:59:59+00:00"],
        ),
        (
            "StartOfDayMapper",
            "2024-03-31T12:00:00",
            ["2024-03-31T00:00:00+00:00", "2024-03-31T23:59:59+01:00"],
        ),
        (
            "StartOfDayMapper",
            "2024-04-01T00:00:00",
            ["2024-04-01T00:00:00+01:00", "2024-04-01T23:59:59+01:00"],
        ),
        (
            "StartOfWeekMapper",
            "2024-10-27T12:00:00",
            ["2024-10-21T00:00:00+01:00", "2024-10-27T23:59:59+00:00"],
        ),
        (
            "StartOfMonthMapper",
            "2024-03-10T12:00:00",
            ["2024-03-01T00:00:00+00:00", "2024-03-31T23:59:59+01:00"],
        ),
        (
            "StartOfQuarterMapper",
            "2024-05-10T12:00:00",
            ["2024-04-01T00:00:00+01:00", "2024-06-30T23:59:59+01:00"],
        ),
        (
            "StartOfYearMapper",
            "2024-05-10T12:00:00",
            ["2024-01-01T00:00:00+00:00", "2024-12-31T23:59:59+00:00"],
        ),
    ],
)
def test_an_assets_partition_is_as_long_as_its_mapper_says(mapper, key, expected):
    named = getattr(sdk, mapper)(timezone="Europe/London")
    timetable = sdk.PartitionedAssetTimetable(assets=Asset("x-clarus://a"), default_partition_mapper=named)
    core = coerce_to_core_timetable(timetable)
    date = core.resolve_partition_date(core.default_partition_mapper.to_downstream(key))
    in_utc = pendulum.instance(date).in_timezone("UTC")
    assert window(run(timetable, in_utc), "Europe/London") == expected


def test_a_rolled_up_partition_is_as_long_as_what_it_gathers():
    mapper = sdk.RollupMapper(upstream_mapper=sdk.StartOfMonthMapper(), window=sdk.MonthWindow())
    timetable = sdk.PartitionedAssetTimetable(assets=Asset("x-clarus://a"), default_partition_mapper=mapper)
    assert window(run(timetable, pendulum.datetime(2024, 2, 1)), "UTC") == [
        "2024-02-01T00:00:00+00:00",
        "2024-02-29T23:59:59+00:00",
    ]


DAY = pendulum.datetime(2024, 3, 5)


@pytest.mark.parametrize(
    ("timetable", "date"),
    [
        (sdk.CronPartitionTimetable("0 0 * * *", timezone="UTC"), None),
        # A key can be given by hand, and of such a partition nobody knows how long it is.
        (sdk.CronPartitionTimetable("0 0 * * *", timezone="UTC"), DAY.add(minutes=1)),
        (sdk.PartitionedAssetTimetable(assets=Asset("x-clarus://a")), DAY),
        (
            sdk.PartitionedAssetTimetable(
                assets=Asset("x-clarus://a") & Asset("x-clarus://b"),
                partition_mapper_config={Asset("x-clarus://a"): sdk.StartOfDayMapper()},
                default_partition_mapper=sdk.StartOfMonthMapper(),
            ),
            DAY,
        ),
        (sdk.PartitionedAtRuntime(), DAY),
        (sdk.CronDataIntervalTimetable("0 0 * * *", timezone="UTC"), DAY),
    ],
    ids=["no date", "off the schedule", "identity", "two lengths", "at runtime", "not partitioned"],
)
def test_a_partition_without_a_certain_end_is_refused(timetable, date):
    with pytest.raises(ClarusInputError, match="needs a data interval"):
        window(run(timetable, date), "UTC")


def test_a_data_interval_that_is_not_empty_is_the_window():
    timetable = sdk.CronPartitionTimetable("0 0 * * *", timezone="UTC")
    interval = {"data_interval_start": DAY, "data_interval_end": DAY.add(hours=1)}
    assert window(run(timetable, DAY, **interval), "UTC")[1] == "2024-03-05T00:59:59+00:00"
    empty = {"data_interval_start": DAY, "data_interval_end": DAY}
    assert window(run(timetable, DAY, **empty), "UTC")[1] == "2024-03-05T23:59:59+00:00"


def test_a_relative_expression_is_refused_in_a_late_partition():
    timetable = sdk.CronPartitionTimetable("0 0 * * *", timezone="UTC")
    sent = [{"name": "date_from", "value": "3 days ago"}]
    with pytest.raises(ClarusInputError, match="counts from the moment"):
        check_late(with_interval(run(timetable, DAY)), sent, allow_relative=False, types=None)


def test_a_window_that_is_not_over_is_warned_of(caplog: pytest.LogCaptureFixture):
    timetable = sdk.CronPartitionTimetable("0 0 * * *", timezone="UTC")
    [today] = dates(timetable, datetime.now(timezone.utc) - timedelta(hours=23, minutes=59), 1)
    window(run(timetable, today), "UTC")
    assert "is not over yet" in caplog.text
