# SPDX-License-Identifier: Apache-2.0
"""Write a DAG for a report, ready to paste."""

from __future__ import annotations

import re

from airflow_provider_clarus.api.reports import Report

_DAG = """\
from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

with DAG(
    dag_id="clarus_{slug}",
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1),
    catchup=False,
):
    ClarusReportToObjectStorageOperator(
        task_id="{slug}",
        report_id={id},  # {name}
{arguments}        destination="s3://aws_default@bucket/{slug}/{{{{ data_interval_start | ds }}}}.csv",
        deferrable=True,
        retries=2,
    )
"""
_EXAMPLES = {"Integer": "1", "String": '""', "Date": '"{{ data_interval_start | ts }}"'}


def snippet(report: Report) -> str:
    """Return the source of a DAG that lands a report once a day.

    Two dates that are called like a window get the run's data interval. The other variables are there as
    comments: what is not passed keeps the value that is stored in the report.
    """
    variables = dict(report.variables or {})
    window = _window([name for name, kind in variables.items() if kind == "Date"])
    lines = []
    if window:
        lines.append(f"interval_variables=({_text(window[0])}, {_text(window[1])}),")
    others = [(name, kind) for name, kind in variables.items() if name not in window]
    if others:
        lines += ["variables={", "    # What is not passed keeps the value stored in the report."]
        lines += [f"    # {_text(name)}: {_EXAMPLES.get(kind, '...')},  # {kind}" for name, kind in others]
        lines.append("},")
    return _DAG.format(
        slug=re.sub(r"[^a-z0-9]+", "_", report.name.lower()).strip("_") or f"report_{report.id}",
        id=report.id,
        name=" ".join(report.name.split()),
        arguments="".join(f"        {line}\n" for line in lines),
    )


def _window(dates: list[str]) -> tuple[str, ...]:
    """Return the two dates whose names differ by ``from`` and ``to``, or by ``start`` and ``end``."""
    for first, last in (("from", "to"), ("start", "end")):
        for name in dates:
            other = re.sub(rf"(?<![a-z]){first}(?![a-z])", last, name)
            if other != name and other in dates:
                return name, other
    return ()


def _text(name: str) -> str:
    return f'"{name}"'
