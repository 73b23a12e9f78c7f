# SPDX-License-Identifier: Apache-2.0
"""Find the interval of a run that is made for a partition, and so has no data interval (Airflow 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pendulum

START, END = "data_interval_start", "data_interval_end"

#: How long a partition is that one of Airflow's mappers of times has named.
_LENGTHS = {
    "StartOfHourMapper": {"hours": 1},
    "StartOfDayMapper": {"days": 1},
    "StartOfWeekMapper": {"weeks": 1},
    "StartOfMonthMapper": {"months": 1},
    "StartOfQuarterMapper": {"months": 3},
    "StartOfYearMapper": {"years": 1},
}
#: The parts of composed mappers that name the partitions of the run.
_NAMING = ("downstream_mapper", "upstream_mapper")
#: Farther than any two partitions are apart.
_FAR = timedelta(days=10 * 366)
#: Airflow reads bounds as times of the timetable's zone, whose clocks change by less.
_CHANGE = timedelta(hours=3)


def with_interval(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a task's context, with its partition as the data interval where the run has none.

    A partition begins at ``partition_date``, and ends where the next one begins: at the next time of a
    ``CronPartitionTimetable``, or after the hour, day, week, month, quarter or year that the mapper of a
    ``PartitionedAssetTimetable`` makes of a key. What has no date, or no certain end, has no interval.
    """
    date = context.get("partition_date")
    if date is None or has_interval(context):
        return context
    end = _end(context, date)
    return context if end is None else {**context, START: date, END: end}


def has_interval(context: Mapping[str, Any]) -> bool:
    """Tell whether a run has a data interval that is not empty."""
    start, end = context.get(START), context.get(END)
    return start is not None and end is not None and start < end


def _end(context: Mapping[str, Any], date: datetime) -> datetime | None:
    # Where there are partitions, there is this.
    from airflow.serialization.encoders import coerce_to_core_timetable

    timetable: Any = coerce_to_core_timetable(context["dag"].timetable)
    if assets := timetable.partition_mapper_info:
        named = [{name: asset[name] for name in ("name", "uri") if asset.get(name)} for asset in assets]
        ends = {_end_by(timetable.get_partition_mapper(**names), date) for names in named}
        return ends.pop() if len(ends) == 1 else None
    if not timetable.partitioned:
        return None
    local = date + (date - timetable.localize_partition_datetime(date))
    partitions = timetable.iter_partition_dagrun_infos(earliest=local - _CHANGE, latest=local + _FAR)
    dates = (partition.partition_date for partition in partitions)
    first = next((found for found in dates if found >= date), None)
    return next(dates, None) if first == date else None


def _end_by(mapper: Any, date: datetime) -> datetime | None:
    while part := next((getattr(mapper, name) for name in _NAMING if hasattr(mapper, name)), None):
        mapper = part
    length = _LENGTHS.get(type(mapper).__name__)
    if length is None:
        return None
    # A key says in which zone the mapper counts.
    zone = mapper.to_partition_date(mapper.format(date)).tzinfo
    return pendulum.instance(date).in_timezone(zone).add(**length)
