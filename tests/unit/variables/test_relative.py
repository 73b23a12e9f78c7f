# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.variables.relative import (
    check_relative,
    is_absolute,
    is_relative,
    may_be_relative,
)
from airflow_provider_clarus.variables.values import to_api

RELATIVE = """
    today
    today 00:00:00
    TODAY
    Today at noon
    today, 09:00
    09:00 today
    today 00:00:00+01:00
    yesterday
    yesterday at 4:00
    yesterday morning
    tomorrow at 6:45pm
    now
    3 days ago
    3  Days  Ago
    3 days ago at 09:00
    three days ago
    an hour ago
    2 weeks and 3 days ago
    3 months ago saturday at 5:00 pm
    7 hours before tomorrow at noon
    5 months before now
    7 days from now
    1 week hence
    in 3 hours
    beginning of month
    beginning of the month
    beginning of last week
    start of today
    start of this month
    start of the next quarter
    start of year
    end of today
    end of yesterday
    end of day
    end of month
    end of last month
    end of march
    last monday
    last monday 09:00
    last mon 09:00
    last monday at 9am
    this tuesday 5:00
    next friday
    last week
    last week tuesday
    thursday last week
    last day of month
    1st day of this month
    last 7 days
    last march
    last night
    this morning
    this hour
    next month
    monday 09:00
    friday at 1pm
    first day of last month
    previous friday
    previous month
    past 7 days
    past week
    twenty days ago
    twenty-one days ago
    3 days ago.
    '3 days ago'
    "yesterday"
    today at 5.30pm
    last summer
    31 december
    december 31st
    yesterday BST
    until yesterday
"""
PERHAPS = """
    Today Ltd
    kindly 3 days ago
    3 days ago please
    roughly last month
    beginning of last week, inclusive
"""
ABSOLUTE = """
    2024-01-15
    2024/01/15
    20240115
    2024-01-15 09:00
    2024-01-15 09:00:00
    2024-01-15T09:00:00Z
    2024-03-31T00:00:00+00:00
    2024-03-31T23:59:59.999999+01:00
    2024-03-31 00:00:00 UTC
    15 January 2024
    15th Jan 2024 at 9:00
    January 15, 2024 09:00
    jan 15 2024 9:00 pm
"""
NOT_RELATIVE = """
    AVAILABLE
    Last Mile Ltd
    Today Ltd
    Tomorrow's World
    Now Foods
    Start
    END
    End of Line
    Start of Life Supplies
    Beginning
    Next
    Next plc
    Next Day
    NEXT DAY 09:00
    Next Day by 12:00
    Last Minute
    Last
    Last Name
    This Way Up
    Monday
    May
    March
    Sun
    August 2024
    Second
    Second Day
    2 Day
    7 days
    daily
    Month
    Long Ago
    Agorà
    3 pallets ago
    In Transit
    In 48 Hours
    Saturday AM
    in stock
    noon
    09:00
    17
    -3
    2024
    2024-01-15
    2024-01-15 09:00:00
    2024-03-31T00:00:00+00:00
    20240331
    15 January 2024
    January 15 2024 at 09:00
    start of 2024
    start of january 2024
    end of March 2024
    scheduled__today
    end-of-line
    None
"""
END = datetime(2024, 3, 31, tzinfo=timezone.utc)


def lines(table: str) -> list[str]:
    return [line.strip() for line in table.strip().splitlines()]


def check(value, *, late=timedelta(), interval=True, is_backfill=False, allow=False, types=None) -> list[str]:
    return check_relative(
        to_api({"date_from": value, "state": "AVAILABLE"}),
        interval_start=END - timedelta(days=1) if interval else None,
        interval_end=END if interval else None,
        now=END + late,
        is_backfill=is_backfill,
        allow=allow,
        types=types,
    )


@pytest.mark.parametrize("value", lines(RELATIVE))
def test_relative(value):
    assert is_relative(value)


@pytest.mark.parametrize("value", ["", " ", *lines(NOT_RELATIVE)])
def test_not_relative(value):
    assert not is_relative(value)


@given(st.datetimes(datetime(1900, 1, 1)), st.sampled_from(["T", " "]))
def test_no_absolute_moment_is_relative(moment, sep):
    assert not is_relative(moment.isoformat(sep))
    assert not is_relative(str(moment.date()))


@pytest.mark.parametrize("value", lines(ABSOLUTE))
def test_absolute(value):
    assert is_absolute(value)
    assert not is_relative(value)


@pytest.mark.parametrize(
    "value", ["", *lines(RELATIVE), *lines(PERHAPS), "January 2024", "15 January", "9:00"]
)
def test_not_certainly_absolute(value):
    assert not is_absolute(value)


@given(st.datetimes(datetime(1900, 1, 1)), st.sampled_from(["T", " "]))
def test_every_moment_as_text_is_absolute(moment, sep):
    assert is_absolute(moment.isoformat(sep))
    assert is_absolute(moment.replace(tzinfo=timezone.utc).isoformat(sep))
    assert is_absolute(str(moment.date()))


@pytest.mark.parametrize("value", lines(PERHAPS))
def test_what_the_server_may_make_of_strange_words_is_warned_of_and_passes(value):
    assert not is_relative(value)
    [warning] = check(value, late=timedelta(days=2), is_backfill=True)
    assert "may count from the moment" in warning
    assert check(value) == []


@given(st.sampled_from(lines(RELATIVE)), st.from_regex(r"[A-Z]{5,12}", fullmatch=True), st.booleans())
def test_one_strange_word_makes_it_free_text_to_be_warned_of(expression, word, before):
    if is_relative(f"today {word}"):
        return  # a word of the vocabulary after all
    text = f"{word} {expression}" if before else f"{expression} {word}"
    assert not is_relative(text)
    assert may_be_relative(text) or expression in (
        "now",
        "5 months before now",
        "7 days from now",
        "last night",
    )


def test_where_types_are_known_dates_alone_are_judged_and_strictly():
    types = {"date_from": "Date", "state": "String"}
    for value in ("whenever", "January 2024", "15 January"):
        with pytest.raises(ClarusInputError, match="counts from the moment"):
            check(value, late=timedelta(days=2), types=types)
        assert len(check(value, types=types)) == 1
    assert check("2024-01-15", late=timedelta(days=2), types=types) == []
    assert check("3 days ago", late=timedelta(days=2), types={"date_from": "String"}) == []
    # What the report does not declare, nobody knows.
    with pytest.raises(ClarusInputError):
        check("3 days ago", late=timedelta(days=2), types={"state": "String"})


def test_names_can_be_allowed():
    assert check("today", late=timedelta(days=9), allow=["date_from"]) == []
    with pytest.raises(ClarusInputError):
        check("today", late=timedelta(days=9), allow=["date_to"])


@pytest.mark.parametrize("late", [timedelta(hours=-1), timedelta(), timedelta(minutes=5), timedelta(days=1)])
@pytest.mark.parametrize("is_backfill", [True, False])
def test_a_run_in_time_is_warned(late, is_backfill):
    [warning] = check("3 days ago", late=late, is_backfill=is_backfill)
    assert "'date_from' is '3 days ago'" in warning


@pytest.mark.parametrize("is_backfill", [True, False])
def test_a_late_run_is_refused_with_the_way_out(is_backfill):
    with pytest.raises(ClarusInputError) as caught:
        check("start of today", late=timedelta(days=1, seconds=1), is_backfill=is_backfill)
    for part in (
        "'date_from' is 'start of today'",
        "2024-03-30T00:00:00+00:00 to 2024-03-31T00:00:00+00:00, ended 1 day, 0:00:01 ago",
        "{{ data_interval_start | ts }}",
        "interval_variables",
        "allow_relative_variables=['date_from']",
    ):
        assert part in str(caught.value)


def test_without_an_interval_a_backfill_is_refused_and_a_manual_run_is_warned():
    with pytest.raises(ClarusInputError, match=r"no data interval.*give the run a logical date"):
        check("today", interval=False, is_backfill=True)
    assert len(check("today", interval=False)) == 1


@pytest.mark.parametrize("interval", [(END, None), (None, END)])
def test_half_an_interval_is_none(interval):
    start, end = interval
    [warning] = check_relative(
        to_api({"date_from": "today"}),
        interval_start=start,
        interval_end=end,
        now=END,
        is_backfill=False,
        allow=False,
    )
    assert "this run has no data interval" in warning


def test_allowed_is_neither_refused_nor_warned():
    assert check("today", late=timedelta(days=9), allow=True) == []
    assert check("today", interval=False, is_backfill=True, allow=True) == []


def test_what_is_absolute_passes_however_late():
    assert check(END, late=timedelta(days=900), is_backfill=True) == []
    assert check("Last Mile Ltd", interval=False, is_backfill=True) == []


def test_every_relative_variable_is_named():
    with pytest.raises(ClarusInputError, match=r"(?s)'3 days ago'.*'today'"):
        check(["3 days ago", "today"], late=timedelta(days=2))
