# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.variables.declared import check_declared, nearest
from airflow_provider_clarus.variables.values import VariableFormat, to_api

DECLARED = {
    "date_from": "Date",
    "date_to": "Date",
    "account_id": "Integer",
    "note": "String",
    "ids": "[ID!]!",
    "odd": "unknown",
}
LONDON = ZoneInfo("Europe/London")


def check(variables: Any, declared: dict[str, str] = DECLARED) -> list[str]:
    return check_declared(to_api(variables), declared, "report 7 in tenant 'acme'")


def refused(variables: Any) -> str:
    with pytest.raises(ClarusInputError) as raised:
        check(variables)
    return str(raised.value)


@pytest.mark.parametrize(
    "variables",
    [
        {"account_id": [3, "14"], "note": "", "ids": "x", "odd": ""},
        {"date_from": date(2024, 3, 31), "date_to": datetime(2024, 4, 1, tzinfo=LONDON)},
        {"date_from": "2024-01-15 09:00:00", "date_to": "2024-01-15T09:00:00.123456Z"},
        {"date_from": "today 00:00:00", "date_to": "3 days ago"},
        {"date_from": "beginning of month", "date_to": "end of today"},
        {"date_from": "start of this month", "date_to": "Start of Today"},
        # A String is what it is.
        {"note": "3 days ago"},
        {"note": "2024-13-45"},
        {},
    ],
)
def test_what_a_report_takes(variables: Any) -> None:
    assert check(variables) == []


@given(st.datetimes(timezones=st.timezones()), st.sampled_from(["iso", "naive", "precise"]))
def test_a_date_takes_whatever_is_made_of_one(moment: datetime, variable_format: VariableFormat) -> None:
    try:
        sent = to_api(
            {"date_from": moment.replace(microsecond=0)}, timezone=LONDON, variable_format=variable_format
        )
    except ClarusInputError:
        return
    assert check_declared(sent, DECLARED, "report 7") == []


@pytest.mark.parametrize(
    "value",
    ["soon", "7", "", " ", "2024-13-45", "2024-02-30", "2024-01-31T25:00:00", "31/12/2024", "3",
     "last stock take", "the", "2024", "today Ltd"],
)  # fmt: skip
def test_a_date_is_none_of_these(value: str) -> None:
    said = refused({"date_from": value})
    assert f"Variable 'date_from' is {value!r}, but report 7 in tenant 'acme' declares a Date" in said
    assert "check_variables=False" in said


@pytest.mark.parametrize(
    "value", ["three", "", " 3", "3 ", "-3", "3.0", "1e3", "٣", "3,14", date(2024, 1, 1), "today"]
)
def test_an_integer_takes_digits(value: Any) -> None:
    assert "declares an Integer: digits only" in refused({"account_id": value})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("date_form", "did you mean 'date_from' or 'date_to'?"),
        ("DATE_FROM", "did you mean 'date_from', which differs by case?"),
        (" date_from", "did you mean 'date_from', which differs by spaces?"),
        ("Date_ From", "did you mean 'date_from', which differs by case and spaces?"),
        ("account", "did you mean 'account_id'?"),
        ("from", "did you mean 'date_from'?"),
        ("colour", "no other is like it."),
    ],
)
def test_a_name_that_is_not_declared_shows_the_nearest_and_the_list(name: str, said: str) -> None:
    assert refused({name: "today"}).startswith(
        f"Variable {name!r} is not declared by report 7 in tenant 'acme': {said} It declares "
        "date_from (Date), date_to (Date), account_id (Integer), note (String), ids ([ID!]!), odd (unknown)."
    )


def test_a_report_may_declare_nothing() -> None:
    with pytest.raises(ClarusInputError, match=r"there is none at all\. It declares none\."):
        check({"a": 1}, {})


def test_all_that_is_wrong_is_told_at_once() -> None:
    said = refused({"date_form": "today", "account_id": "x", "date_to": "soon", "note": "fine"})
    assert [line.split("'")[1] for line in said.splitlines()[:-1]] == ["date_form", "account_id", "date_to"]


def test_a_bare_day_is_read_as_its_noon() -> None:
    (warning,) = check({"date_from": "2024-01-15"})
    assert "as its noon; pass a date for its midnight" in warning


def test_case_comes_before_likeness() -> None:
    assert nearest("AB", ["ac", "ab", "ad"]) == "did you mean 'ab', which differs by case?"
    assert nearest("x", []) == "there is none at all."
