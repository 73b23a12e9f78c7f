# SPDX-License-Identifier: Apache-2.0
"""The date rules, proved on Chronic in a tenant's time zone, and what a window's last second loses."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
import requests

from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.variables.run import variables_of_run
from airflow_provider_clarus.variables.values import to_api
from tests.reference.server import Reference, chronic

ZONE = "Europe/London"
#: Rows at both ends of days, the day when the clocks go forward included.
TIMES = [
    "2024-03-30T00:00:00Z",
    "2024-03-30T23:59:59Z",
    "2024-03-30T23:59:59.500000Z",
    "2024-03-30T23:59:59.999999Z",
    "2024-03-31T00:00:00Z",
    "2024-03-31T22:59:59.999999Z",
    "2024-03-31T23:00:00Z",
    "2024-04-01T22:59:59.999Z",
]


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    with Reference(time_zone=ZONE) as reference:
        reference.add_report(id=8, times=TIMES)
        yield reference


def rows(reference: Reference, monkeypatch: pytest.MonkeyPatch, variable_format: str, day: date) -> list[str]:
    """Generate a day's report as a task does, and return the times of its rows."""
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", reference.connection_json)
    start = pendulum.datetime(day.year, day.month, day.day, tz=ZONE)
    context = {"data_interval_start": start, "data_interval_end": start.add(days=1)}
    sent = variables_of_run(
        context,
        None,
        window_names=("date_from", "date_to"),
        zone=ZoneInfo(ZONE),
        variable_format=variable_format,  # type: ignore[arg-type]
    )
    hook = ClarusHook()
    document = hook.client.generate_report(8, sent)
    text = requests.get(hook.get_download_url(document.id), timeout=10).text
    return [row["value"] for row in csv.DictReader(text.splitlines()) if row["kind"] == "row"]


@pytest.mark.parametrize(("variable_format", "lost"), [("iso", 4), ("precise", 0)])
def test_a_window_in_whole_seconds_loses_the_rows_of_its_last_seconds_fraction(
    reference: Reference, monkeypatch: pytest.MonkeyPatch, variable_format: str, lost: int
) -> None:
    days = [date(2024, 3, 30) + timedelta(days=number) for number in range(3)]
    found = [row for day in days for row in rows(reference, monkeypatch, variable_format, day)]
    assert len(found) == len(set(found))
    assert len(TIMES) - len(found) == lost
    if not lost:
        assert sorted(found) == sorted(TIMES)


@pytest.mark.parametrize("zone", ["Europe/London", "Africa/Cairo", "Asia/Beirut", "America/Havana", "UTC"])
@pytest.mark.parametrize("variable_format", ["iso", "precise"])
def test_chronic_reads_every_date_of_a_year_as_its_first_moment(zone: str, variable_format: Any) -> None:
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(367)]
    sent = [
        to_api({"d": day}, timezone=ZoneInfo(zone), variable_format=variable_format)[0]["value"]
        for day in days
    ]
    read = [datetime.fromisoformat(one.replace("Z", "+00:00")) for one, _ in chronic(sent, zone) if one]
    assert len(read) == len(days)
    for day, moment in zip(days, read, strict=True):
        local = moment.astimezone(ZoneInfo(zone))
        assert local.date() == day
        assert (local - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() <= day
        assert (moment - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() == day - timedelta(days=1)
    assert all(timedelta(hours=23) <= later - this <= timedelta(hours=25) for this, later in pairwise(read))
