# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator
from airflow.timetables import trigger
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from dateutil.relativedelta import relativedelta
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.variables.run import variables_of_run
from airflow_provider_clarus.variables.values import to_api
from airflow_provider_clarus.variables.windows import interval_variables, partition_key
from tests.unit.variables.zones import ZONES

NAMES = ("date_from", "date_to")
SECOND = timedelta(seconds=1)
#: Examples where clocks change in many ways: 500, and fewer in the quick check.
MANY = 5 * settings().max_examples
# A few days before clocks change somewhere in ZONES, months end in them, or leap days come.
EVENTFUL = [
    (2018, 2, 14),
    (2018, 10, 31),
    (2024, 2, 26),
    (2024, 3, 7),
    (2024, 3, 27),
    (2024, 4, 3),
    (2024, 4, 22),
    (2024, 10, 2),
    (2024, 10, 23),
    (2024, 10, 29),
    (2025, 2, 26),
]
STARTS = st.sampled_from(EVENTFUL).map(lambda day: pendulum.datetime(*day)) | st.datetimes(
    datetime(2010, 1, 1), datetime(2030, 1, 1)
).map(lambda moment: pendulum.instance(moment, tz="UTC"))
CRONS = [
    "0 * * * *",
    "*/15 * * * *",
    "30 */6 * * *",
    "0 0 * * *",
    "30 1 * * *",
    "0 0 * * 0",
    "0 0 1 * *",
    "0 0 L * *",
]
DELTAS = [
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(weeks=1),
    relativedelta(months=1),
    relativedelta(days=1),
]
# Airflow itself stalls on an hourly cron in a zone whose clocks change by half an hour (2.11 repeats
# intervals, 3.3 raises): there the schedule is in UTC and the tenant alone in that zone.
TIMETABLES = st.sampled_from(
    [
        CronDataIntervalTimetable(cron, zone)
        for cron in CRONS
        for zone in ZONES
        if (cron, zone) != ("0 * * * *", "Australia/Lord_Howe")
    ]
    + [DeltaDataIntervalTimetable(delta) for delta in DELTAS]
)


def scheduled(timetable, earliest: pendulum.DateTime, count: int) -> list[DataInterval]:
    """What the scheduler, and a backfill, would run one after another."""
    intervals: list[DataInterval] = []
    for _ in range(count):
        info = timetable.next_dagrun_info(
            last_automated_data_interval=intervals[-1] if intervals else None,
            restriction=TimeRestriction(earliest, None, catchup=True),
        )
        intervals.append(info.data_interval)
    return intervals


def sent(interval: DataInterval, zone: str, variable_format: str = "iso") -> tuple[str, str]:
    window = interval_variables(NAMES, *interval, timetable_name="-")
    start, end = to_api(None, window, timezone=ZoneInfo(zone), variable_format=variable_format)
    return start["value"], end["value"]


def read(value: str, zone: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(timezone.utc)


@settings(max_examples=MANY)
@given(timetable=TIMETABLES, earliest=STARTS, zone=st.sampled_from(ZONES), count=st.integers(2, 40))
@example(
    CronDataIntervalTimetable("0 0 * * *", "America/Sao_Paulo"),
    pendulum.datetime(2018, 11, 1),
    "America/Sao_Paulo",
    7,
)
@example(
    CronDataIntervalTimetable("0 0 * * *", "Africa/Cairo"), pendulum.datetime(2024, 4, 24), "Africa/Cairo", 7
)
@example(
    CronDataIntervalTimetable("0 * * * *", "UTC"),
    pendulum.datetime(2024, 4, 6),
    "Australia/Lord_Howe",
    48,
)
def test_consecutive_windows_meet_and_cover_exactly_the_range(timetable, earliest, zone, count):
    intervals = scheduled(timetable, earliest, count)
    windows = [[datetime.fromisoformat(value) for value in sent(interval, zone)] for interval in intervals]
    assert all(
        moment.utcoffset() == moment.astimezone(ZoneInfo(zone)).utcoffset() for w in windows for moment in w
    )
    assert all(this[1] + SECOND == following[0] for this, following in pairwise(windows))
    assert windows[0][0] == intervals[0].start.replace(microsecond=0)
    assert windows[-1][1] + SECOND == intervals[-1].end.replace(microsecond=0)


@given(timetable=TIMETABLES, earliest=STARTS, zone=st.sampled_from(ZONES), count=st.integers(2, 10))
def test_precise_windows_leave_out_a_microsecond(timetable, earliest, zone, count):
    intervals = scheduled(timetable, earliest, count)
    windows = [
        variables_of_run(
            {"data_interval_start": interval.start, "data_interval_end": interval.end},
            None,
            window_names=NAMES,
            zone=ZoneInfo(zone),
            variable_format="precise",
        )
        for interval in intervals
    ]
    read = [[datetime.fromisoformat(variable["value"]) for variable in window] for window in windows]
    assert all(this[1] + timedelta(microseconds=1) == following[0] for this, following in pairwise(read))
    assert [first for first, _ in read] == [interval.start for interval in intervals]


@settings(max_examples=MANY)
@given(timetable=TIMETABLES, earliest=STARTS, zone=st.sampled_from(ZONES), count=st.integers(2, 40))
def test_the_naive_form_says_the_same_windows_or_refuses(timetable, earliest, zone, count):
    for interval in scheduled(timetable, earliest, count):
        iso = [datetime.fromisoformat(value) for value in sent(interval, zone)]
        try:
            naive = sent(interval, zone, "naive")
        except ClarusInputError:
            local = [moment.astimezone(ZoneInfo(zone)) for moment in iso]
            assert any(m.replace(fold=0).utcoffset() != m.replace(fold=1).utcoffset() for m in local)
        else:
            assert [read(value, zone) for value in naive] == iso


@given(
    st.lists(
        st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1)),
        min_size=3,
        unique_by=lambda m: m.replace(microsecond=0),
    ),
    st.sampled_from(ZONES),
)
def test_any_intervals_meet_whatever_their_bounds(moments, zone):
    bounds = sorted(pendulum.instance(moment, tz="UTC") for moment in moments)
    windows = [sent(DataInterval(*bound), zone) for bound in pairwise(bounds)]
    assert all(read(a[1], zone) + SECOND == read(b[0], zone) for a, b in pairwise(windows))


@pytest.mark.parametrize(
    ("zone", "cron", "earliest", "windows"),
    [
        (
            "Europe/London",
            "@daily",
            (2024, 3, 30),
            [
                ("2024-03-30T00:00:00+00:00", "2024-03-30T23:59:59+00:00"),
                ("2024-03-31T00:00:00+00:00", "2024-03-31T23:59:59+01:00"),
                ("2024-04-01T00:00:00+01:00", "2024-04-01T23:59:59+01:00"),
            ],
        ),
        (
            "Europe/London",
            "@hourly",
            (2024, 10, 27),
            [
                ("2024-10-27T01:00:00+01:00", "2024-10-27T01:59:59+01:00"),
                ("2024-10-27T01:00:00+00:00", "2024-10-27T01:59:59+00:00"),
                ("2024-10-27T02:00:00+00:00", "2024-10-27T02:59:59+00:00"),
            ],
        ),
        (
            "Europe/London",
            "@weekly",
            (2024, 10, 26),
            [("2024-10-27T00:00:00+01:00", "2024-11-02T23:59:59+00:00")],
        ),
        (
            "UTC",
            "@monthly",
            (2024, 2, 1),
            [
                ("2024-02-01T00:00:00+00:00", "2024-02-29T23:59:59+00:00"),
                ("2024-03-01T00:00:00+00:00", "2024-03-31T23:59:59+00:00"),
            ],
        ),
        (
            "America/New_York",
            "@daily",
            (2024, 11, 3, 4),
            [("2024-11-03T00:00:00-04:00", "2024-11-03T23:59:59-05:00")],
        ),
        (
            "America/Sao_Paulo",
            "@daily",
            (2018, 11, 2, 3),
            [
                ("2018-11-02T00:00:00-03:00", "2018-11-02T23:59:59-03:00"),
                ("2018-11-03T00:00:00-03:00", "2018-11-03T23:59:59-03:00"),
                ("2018-11-04T01:00:00-02:00", "2018-11-04T23:59:59-02:00"),
            ],
        ),
    ],
)
def test_windows_around_the_days_that_go_wrong(zone, cron, earliest, windows):
    timetable = CronDataIntervalTimetable(cron, zone)
    intervals = scheduled(timetable, pendulum.datetime(*earliest), len(windows))
    assert [sent(interval, zone) for interval in intervals] == windows


def test_a_manual_run_within_a_second_is_cut_to_the_second():
    start = pendulum.datetime(2024, 1, 1, 8, 0, 0, 123456)
    assert interval_variables(NAMES, start, start.add(hours=1), timetable_name="-") == {
        "date_from": pendulum.datetime(2024, 1, 1, 8),
        "date_to": pendulum.datetime(2024, 1, 1, 8, 59, 59),
    }


def test_an_interval_of_a_second_begins_and_ends_at_the_same_time():
    start = pendulum.datetime(2024, 1, 1)
    window = interval_variables(NAMES, start, start.add(seconds=1), timetable_name="-")
    assert window == {"date_from": start, "date_to": start}


def test_a_partitions_key_says_when_it_begins_in_the_tenants_zone():
    assert (
        partition_key(pendulum.datetime(2024, 3, 31, 23), ZoneInfo("Europe/London")) == "2024-04-01T00:00:00"
    )


def test_a_trigger_timetable_is_empty_and_shown_the_way_out():
    timetable = trigger.CronTriggerTimetable("@daily", timezone="UTC")
    [interval] = scheduled(timetable, pendulum.datetime(2024, 1, 1), 1)
    with pytest.raises(ClarusInputError) as caught:
        interval_variables(NAMES, *interval, timetable_name=type(timetable).__name__)
    for part in (
        "('date_from', 'date_to')",
        "CronTriggerTimetable gave this run is empty",
        "schedule=CronDataIntervalTimetable(…)",
        "create_cron_data_intervals = True",
        "interval=timedelta(…)",
        "pass date_from and date_to in variables",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("timetable_name", "way_out"),
    [
        ("DeltaTriggerTimetable", "create_delta_data_intervals"),
        ("MultipleCronTriggerTimetable", "CronDataIntervalTimetable"),
        ("CronDataIntervalTimetable", "airflow backfill create"),
        ("NullTimetable", "CronDataIntervalTimetable"),
        ("CronPartitionTimetable", "partition_date"),
    ],
)
def test_a_missing_interval_is_shown_the_way_out_of_its_timetable(timetable_name, way_out):
    with pytest.raises(ClarusInputError, match=f"{timetable_name} gave this run none.*{way_out}"):
        interval_variables(NAMES, None, None, timetable_name=timetable_name)


@pytest.mark.parametrize(
    "interval", [(pendulum.datetime(2024, 1, 1), None), (None, pendulum.datetime(2024, 1, 1))]
)
def test_half_an_interval_is_none(interval):
    with pytest.raises(ClarusInputError, match="gave this run none"):
        interval_variables(NAMES, *interval, timetable_name="-")


def test_the_interval_of_a_trigger_timetable_overlaps_where_clocks_change():
    # Why the message advises it for UTC only.
    timetable = trigger.CronTriggerTimetable("@daily", timezone="Europe/London", interval=timedelta(days=1))
    first, second = scheduled(timetable, pendulum.datetime(2024, 3, 31), 2)
    assert first.end - second.start == timedelta(hours=1)


@pytest.mark.parametrize("names", ["ab", ("date_from",), ("a", "b", "c"), ("a", "a")])
def test_interval_variables_are_two_names(names):
    with pytest.raises(ClarusInputError, match="two names"):
        interval_variables(
            names, pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 1, 2), timetable_name="-"
        )


def test_a_partition_has_no_interval_and_the_advised_templates_give_its_window():
    if not hasattr(getattr(trigger, "CronPartitionTimetable", None), "iter_partition_dagrun_infos"):
        pytest.skip("Airflow before 3.3 has no partition dates")
    timetable = trigger.CronPartitionTimetable("@daily", timezone="Europe/London")
    infos = timetable.iter_partition_dagrun_infos(
        earliest=pendulum.datetime(2024, 3, 30), latest=pendulum.datetime(2024, 4, 1)
    )
    windows = []
    for info in infos:
        assert info.data_interval is None
        with pytest.raises(ClarusInputError) as caught:
            interval_variables(NAMES, None, None, timetable_name=type(timetable).__name__)
        advised = str(caught.value).partition("use variables=")[2].partition("; or")[0]
        rendered = BaseOperator(task_id="t", dag=DAG("d", schedule=None)).render_template(
            eval(advised), {"partition_date": info.partition_date}
        )
        windows.append([read(variable["value"], "UTC") for variable in to_api(rendered)])
    assert all(this[1] + SECOND == following[0] for this, following in pairwise(windows))
    assert windows[1] == [
        datetime(2024, 3, 31, tzinfo=timezone.utc),
        datetime(2024, 3, 31, 22, 59, 59, tzinfo=timezone.utc),
    ]


@pytest.mark.parametrize("timetable", ["AssetTriggeredTimetable", "AssetOrTimeSchedule"])
def test_a_run_that_an_asset_triggers_is_told_whose_interval_to_take(timetable: str) -> None:
    with pytest.raises(ClarusInputError, match="updated it") as raised:
        interval_variables(NAMES, None, None, timetable_name=timetable)
    templates = re.findall(r'"date_\w+": "({{.*?}})"', str(raised.value))
    source = SimpleNamespace(
        data_interval_start=pendulum.datetime(2024, 3, 30), data_interval_end=pendulum.datetime(2024, 3, 31)
    )
    events = {"asset": [SimpleNamespace(source_dag_run=source)]}
    with DAG("advice", schedule=None, start_date=pendulum.datetime(2024, 1, 1)):
        task = BaseOperator(task_id="task")
    macros = SimpleNamespace(timedelta=timedelta)
    found = task.render_template(templates, {"triggering_asset_events": events, "macros": macros})
    assert found == ["2024-03-30T00:00:00+00:00", "2024-03-30T23:59:59+00:00"]
