# SPDX-License-Identifier: Apache-2.0
"""Turn the data interval of a run into a window: the two variables between which a report looks.

Both ends of a report's window belong to it, but an interval's end does not. So a window ends one second
before its interval does, or one microsecond where times are sent precisely, and consecutive windows meet
without an overlap, and without a gap of what can be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.variables.settle import two_names


def interval_variables(
    names: Sequence[str],
    start: datetime | None,
    end: datetime | None,
    *,
    timetable_name: str,
    resolution: timedelta = timedelta(seconds=1),
) -> dict[str, datetime]:
    """Return the first and the last second of a run's data interval under their two names.

    The interval of a manual run may begin and end within a second: both ends then count from that second's
    beginning. :func:`~airflow_provider_clarus.variables.values.to_api` puts them into the tenant's time zone.

    :param names: of the variables for the window's start and end, such as ``("date_from", "date_to")``.
    :param start: ``data_interval_start`` of the run, ``None`` where it has none.
    :param end: ``data_interval_end`` of the run, ``None`` where it has none.
    :param timetable_name: the class of the DAG's timetable, for the error.
    :param resolution: of the times that are sent: a second, or a microsecond, which is that of Clarus' rows.
    :raises ClarusInputError: when the interval is missing or empty; the message shows the ways out.
    """
    names = two_names(names, "interval_variables")
    if start is None or end is None:
        raise ClarusInputError(
            f"interval_variables={names!r} needs a data interval, but {timetable_name} gave this run "
            f"none. {_ways_out(names, timetable_name)}"
        )
    if resolution == timedelta(seconds=1):
        start, end = start.replace(microsecond=0), end.replace(microsecond=0)
    first, last = start, end - resolution
    if last < first:
        raise ClarusInputError(
            f"interval_variables={names!r} needs a data interval, but the one that {timetable_name} "
            f"gave this run is empty, from {start.isoformat()} to {end.isoformat()}. "
            f"{_ways_out(names, timetable_name)}"
        )
    return {names[0]: first, names[1]: last}


def partition_key(start: datetime, zone: ZoneInfo) -> str:
    """Return the key of the partition that begins with a window, in the form that Airflow's mappers read.

    :param zone: the tenant's time zone, in which the window is sent, too
    """
    return start.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


def _ways_out(names: Sequence[str], timetable_name: str) -> str:
    if "Partition" in timetable_name:
        # A run of a partition has a key and, since Airflow 3.3, the date at which the partition begins.
        first = "{{ partition_date | ts }}"
        last = "{{ partition_date.in_timezone('Europe/London').end_of('day').replace(microsecond=0) | ts }}"
        ways = [
            "From Airflow 3.3 on, a partition has a date, and an end where a cron expression or a mapper of "
            "times says so: trigger the run with the key of one of the timetable's partitions",
            f'use variables={{"{names[0]}": "{first}", "{names[1]}": "{last}"}}',
        ]
    elif timetable_name.startswith(("Asset", "Dataset")):
        # A run that an update triggers has no interval; the run that made the update may have one.
        run = "(triggering_asset_events.values() | first | first).source_dag_run"
        first = f"{{{{ {run}.data_interval_start | ts }}}}"
        last = f"{{{{ ({run}.data_interval_end - macros.timedelta(seconds=1)) | ts }}}}"
        ways = [
            "A run that an asset's update triggers has no interval of its own: take that of the run that "
            f'updated it, variables={{"{names[0]}": "{first}", "{names[1]}": "{last}"}}'
        ]
    elif timetable_name.endswith("DataIntervalTimetable"):
        ways = [
            "Trigger a manual run with a logical date",
            "use `airflow backfill create` for past intervals",
        ]
    else:
        kind = "Delta" if timetable_name.startswith("Delta") else "Cron"
        ways = [f"Use schedule={kind}DataIntervalTimetable(…)"]
        if timetable_name.endswith("TriggerTimetable"):
            ways += [
                f"set [scheduler] create_{kind.lower()}_data_intervals = True",
                f"use {timetable_name}(…, interval=timedelta(…)), in UTC only: its intervals have one "
                "length, and overlap or leave a gap where the clocks change",
            ]
    ways.append(f"pass {names[0]} and {names[1]} in variables")
    return "; or ".join(ways) + "."
