# SPDX-License-Identifier: Apache-2.0
"""Collect the variables of one run of a task: from the DAG and the run's window; refuse what is late."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_clarus.variables.relative import check_relative
from airflow_provider_clarus.variables.values import VariableFormat, Variables, to_api
from airflow_provider_clarus.variables.windows import interval_variables

log = logging.getLogger(__name__)


def variables_of_run(
    context: Mapping[str, Any],
    variables: Variables,
    *,
    window_names: Sequence[str] | None,
    zone: ZoneInfo,
    variable_format: VariableFormat,
) -> list[dict[str, str]]:
    """Return what a task sends, in the form of ``POST /api/reports/{id}/generate``.

    :param context: the task's, of which the data interval, the run and the DAG's timetable are read
    :param variables: as :func:`~airflow_provider_clarus.variables.values.to_api` takes them
    :param window_names: the operator's ``interval_variables``
    :param zone: the tenant's time zone
    :raises ClarusInputError: for whatever would not certainly mean to the server what it means in the DAG
    """
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    dag = context.get("dag")
    window = None
    if window_names is not None:
        window = interval_variables(
            window_names,
            start,
            end,
            timetable_name=type(dag.timetable).__name__ if dag else "the timetable",
            resolution=timedelta(microseconds=1) if variable_format == "precise" else timedelta(seconds=1),
        )
        if end is not None and end > datetime.now(timezone.utc):
            log.warning(
                "The window ends at %s, so it is not over yet, and the report cannot be whole",
                end.isoformat(),
            )
    return to_api(variables, window, timezone=zone, variable_format=variable_format)


def check_late(
    context: Mapping[str, Any],
    sent: Sequence[Mapping[str, str]],
    *,
    allow_relative: bool | Collection[str],
    types: Mapping[str, str] | None,
) -> None:
    """Warn of each relative expression that a task sends, and refuse it where it would be wrong in this run.

    :param context: the task's, of which the data interval and the run are read
    :param sent: what :func:`variables_of_run` answered
    :param allow_relative: the operator's ``allow_relative_variables``
    :param types: ``Date`` and others by the names that the report declares, ``None`` where nobody knows
    :raises ClarusInputError: when the run is late
    """
    warnings = check_relative(
        sent,
        interval_start=context.get("data_interval_start"),
        interval_end=context.get("data_interval_end"),
        now=datetime.now(timezone.utc),
        is_backfill=getattr(context.get("dag_run"), "run_type", None) == "backfill",
        allow=allow_relative,
        types=types,
    )
    for warning in warnings:
        log.warning(warning)
