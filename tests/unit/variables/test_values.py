# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.variables.values import to_api
from tests.unit.variables.zones import ZONES

LONDON = ZoneInfo("Europe/London")
#: Hypothesis reads the code for its examples, and finds the text that means nothing there.
TEXTS = st.text().filter(lambda text: text.strip() != "None")
MOMENTS = st.datetimes(
    datetime(1950, 1, 1), datetime(2037, 1, 1), timezones=st.sampled_from(ZONES).map(ZoneInfo)
).map(lambda moment: moment.replace(microsecond=0))


def one(value, timezone="UTC", **how) -> str:
    [variable] = to_api({"date_from": value}, timezone=ZoneInfo(str(timezone)), **how)
    return variable["value"]


def exists(moment: datetime) -> bool:
    there_and_back = moment.astimezone(timezone.utc).astimezone(moment.tzinfo)
    return there_and_back.replace(tzinfo=None) == moment.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("today 00:00:00", "today 00:00:00"),
        ("", ""),
        (0, "0"),
        (-7, "-7"),
        (date(2024, 3, 31), "2024-03-31T00:00:00+00:00"),
        (date(2024, 4, 1), "2024-04-01T00:00:00+01:00"),
        (date(2024, 2, 29), "2024-02-29T00:00:00+00:00"),
        (datetime(2024, 3, 31, 12, tzinfo=timezone.utc), "2024-03-31T13:00:00+01:00"),
        (pendulum.datetime(2024, 7, 1, tz="America/New_York"), "2024-07-01T05:00:00+01:00"),
        (datetime(2024, 10, 27, 1, 30, tzinfo=LONDON), "2024-10-27T01:30:00+01:00"),
        (datetime(2024, 10, 27, 1, 30, fold=1, tzinfo=LONDON), "2024-10-27T01:30:00+00:00"),
        (date(1847, 1, 1), "1847-01-01T00:01:15+00:00"),
    ],
)
def test_a_value_is_sent_as_text(value, sent):
    assert one(value, timezone="Europe/London") == sent


def test_the_naive_form_is_the_tenants_wall_clock():
    how = {"timezone": "Europe/London", "variable_format": "naive"}
    assert one(datetime(2024, 7, 1, tzinfo=timezone.utc), **how) == "2024-07-01 01:00:00"
    assert one(date(2024, 7, 1), **how) == "2024-07-01 00:00:00"


def test_a_list_repeats_its_name_and_none_leaves_the_stored_value():
    assert to_api({"account_id": [3, "4"], "sku": None, "site": (5,)}) == [
        {"name": "account_id", "value": "3"},
        {"name": "account_id", "value": "4"},
        {"name": "site", "value": "5"},
    ]


def test_the_list_form_means_the_same_as_the_mapping():
    entries = [
        {"name": "a", "value": 1},
        {"name": "b", "value": None},
        {"name": "a", "value": date(2024, 1, 1)},
    ]
    assert to_api(entries) == [
        {"name": "a", "value": "1"},
        {"name": "a", "value": "2024-01-01T00:00:00+00:00"},
    ]


@pytest.mark.parametrize("nothing", [None, {}, [], {"a": None}])
def test_nothing_given_is_nothing_sent(nothing):
    assert to_api(nothing) == []


@pytest.mark.parametrize(
    "value",
    [
        True,
        1.5,
        b"1",
        {"a": 1},
        {1, 2},
        timedelta(days=1),
        [],
        [[1]],
        [None],
        [1, True],
        [datetime(2024, 1, 1)],
    ],
    ids=repr,
)
def test_what_has_no_certain_meaning_is_refused_by_name(value):
    with pytest.raises(ClarusInputError, match="'date_from'"):
        to_api({"date_from": value})


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"": 1}, "name is ''"),
        ({"  ": 1}, "name is '  '"),
        ({1: 1}, "name is 1"),
        ([{"name": "a"}], "Entry 0"),
        ([{"name": "a", "value": 1, "type": "Date"}], "Entry 0"),
        ([{"name": "a", "value": 1}, "b"], "Entry 1"),
        ([["name", "value"]], "Entry 0"),
        ("{'a': 1}", "render_template_as_native_obj"),
    ],
)
def test_a_wrong_form_is_refused(variables, message):
    with pytest.raises(ClarusInputError, match=re.escape(message)):
        to_api(variables)


def test_a_naive_datetime_is_asked_for_its_zone():
    with pytest.raises(ClarusInputError, match=r"'date_from' is 2024-03-31T00:00:00, without a time zone"):
        one(datetime(2024, 3, 31))


def test_a_fraction_of_a_second_is_not_cut_off_silently():
    with pytest.raises(ClarusInputError, match="whole seconds"):
        one(datetime(2024, 3, 31, 0, 0, 0, 1, tzinfo=timezone.utc))


def test_a_time_that_the_clocks_jump_over_is_refused():
    with pytest.raises(ClarusInputError, match=r"Europe/London does not have.*2024-03-31T02:30:00\+01:00"):
        one(datetime(2024, 3, 31, 1, 30, tzinfo=LONDON))


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Sao_Paulo", date(2018, 11, 4)),
        ("Africa/Cairo", date(2024, 4, 26)),
        ("Asia/Beirut", date(2024, 3, 31)),
        ("America/Havana", date(2024, 3, 10)),
    ],
)
def test_a_date_without_a_midnight_begins_when_the_clocks_have_gone_forward(zone, day):
    first = datetime.fromisoformat(one(day, timezone=zone))
    assert (first.date(), first.time()) == (day, datetime(1, 1, 1, 1).time())
    before = (first - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
    assert before.date() == day - timedelta(days=1)
    assert one(day, timezone=zone, variable_format="naive") == f"{day} 01:00:00"


def test_a_day_that_never_was_is_refused():
    with pytest.raises(ClarusInputError, match="2011-12-30, a day that Pacific/Apia does not have"):
        one(date(2011, 12, 30), timezone="Pacific/Apia")


def test_the_precise_form_has_microseconds():
    moment = datetime(2024, 3, 30, 23, 59, 59, 999999, tzinfo=timezone.utc)
    assert one(moment, variable_format="precise") == "2024-03-30T23:59:59.999999+00:00"
    assert one(date(2024, 3, 30), variable_format="precise") == "2024-03-30T00:00:00.000000+00:00"


@pytest.mark.parametrize(
    "moment", [datetime(2024, 10, 27, 1, 30, fold=fold, tzinfo=LONDON) for fold in (0, 1)]
)
def test_a_time_that_comes_twice_is_refused_in_the_naive_form(moment):
    with pytest.raises(ClarusInputError, match="comes twice in Europe/London"):
        one(moment, timezone="Europe/London", variable_format="naive")


def test_a_date_with_two_midnights_begins_at_the_first_and_has_no_naive_form():
    assert one(date(2024, 11, 3), timezone="America/Havana") == "2024-11-03T00:00:00-04:00"
    with pytest.raises(ClarusInputError, match="comes twice"):
        one(date(2024, 11, 3), timezone="America/Havana", variable_format="naive")


def test_a_date_beyond_the_calendar_is_refused():
    with pytest.raises(ClarusInputError, match="calendar cannot hold"):
        one(datetime(9999, 12, 31, 23, tzinfo=timezone.utc), timezone="Asia/Kathmandu")


def test_a_window_joins_the_variables_but_never_a_second_time():
    window = {"date_from": datetime(2024, 1, 1, tzinfo=timezone.utc)}
    assert [v["name"] for v in to_api({"account_id": [1, 2]}, window)] == [
        "account_id",
        "account_id",
        "date_from",
    ]
    with pytest.raises(ClarusInputError, match=r"'date_from'.*interval_variables"):
        to_api({"date_from": None}, window)


@pytest.mark.parametrize(
    ("native", "template", "sent"),
    [
        (True, "{{ start }}", ["2024-03-30T20:00:00-04:00"]),
        (True, "{{ day }}", ["2024-03-31T00:00:00-04:00"]),
        (True, "{{ accounts }}", ["3", "4"]),
        (True, "{{ accounts[0] }}", ["3"]),
        (True, "{{ missing }}", []),
        (True, "{{ start | ds }}", ["2024-03-31"]),
        (False, "{{ start | ts }}", ["2024-03-31T00:00:00+00:00"]),
        (False, "{{ accounts[0] }}", ["3"]),
    ],
)
def test_a_rendered_template_is_a_value_like_any_other(native, template, sent):
    class Report(BaseOperator):
        template_fields = ("variables",)

        def __init__(self, *, variables, **kwargs):
            super().__init__(**kwargs)
            self.variables = variables

    with DAG("report", schedule=None, render_template_as_native_obj=native):
        report = Report(task_id="report", variables={"value": template})
    report.render_template_fields(
        {
            "start": pendulum.datetime(2024, 3, 31),
            "day": date(2024, 3, 31),
            "accounts": [3, 4],
            "missing": None,
        }
    )
    assert [v["value"] for v in to_api(report.variables, timezone=ZoneInfo("America/New_York"))] == sent


@given(moment=MOMENTS, zone=st.sampled_from(ZONES))
def test_iso_says_the_same_moment_in_the_tenants_zone(moment, zone):
    if not exists(moment):
        with pytest.raises(ClarusInputError, match="does not have"):
            one(moment, timezone=zone)
        return
    read = datetime.fromisoformat(one(moment, timezone=zone))
    assert read.astimezone(timezone.utc) == moment.astimezone(timezone.utc)
    if moment.year > 1972:  # the last zone with seconds in its offset changed that year
        assert read.utcoffset() == moment.astimezone(timezone.utc).astimezone(ZoneInfo(zone)).utcoffset()


@given(moment=MOMENTS.filter(exists), zone=st.sampled_from(ZONES).map(ZoneInfo))
def test_the_naive_form_says_the_same_moment_or_nothing(moment, zone):
    try:
        sent = one(moment, timezone=zone.key, variable_format="naive")
    except ClarusInputError:
        local = moment.astimezone(timezone.utc).astimezone(zone)
        assert local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    else:
        read = datetime.strptime(sent, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
        assert read.astimezone(timezone.utc) == moment.astimezone(timezone.utc)


@given(
    st.dictionaries(
        st.text(min_size=1).filter(str.strip),
        st.none() | TEXTS | st.integers() | st.lists(TEXTS | st.integers(), min_size=1),
    )
)
def test_every_value_arrives_once_under_its_name_and_in_order(variables):
    expected = [
        (name, str(item))
        for name, value in variables.items()
        if value is not None
        for item in (value if isinstance(value, list) else [value])
    ]
    assert [(v["name"], v["value"]) for v in to_api(variables)] == expected
