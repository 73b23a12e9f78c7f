# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.variables import settle


class Word(str, Enum):
    YES = "yes"
    TEN = "10"


@given(st.floats(0, settle.LONGEST))
def test_seconds_are_the_same_in_every_form(number: float) -> None:
    assert settle.seconds(number, "timeout") == settle.seconds(repr(number), "timeout") == number
    duration = timedelta(seconds=number)
    assert settle.seconds(duration, "timeout") == duration.total_seconds()


@pytest.mark.parametrize("value", [0, 0.1, "0", timedelta(milliseconds=1), 1])
def test_nobody_is_asked_more_often_than_once_a_second(value: Any) -> None:
    assert settle.interval(value, "poll_interval") == 1


@pytest.mark.parametrize(
    "value", [None, True, -1, "-1", "nan", float("inf"), 10**400, "ten", "", [1], timedelta.max, b"5"]
)
def test_what_is_no_time_is_named_with_what_is_one(value: Any) -> None:
    with pytest.raises(ClarusInputError, match=r"^timeout is .*must be seconds, from 0 to 31622400"):
        settle.seconds(value, "timeout")


@pytest.mark.parametrize("value", [None, "", "False!", 2, 1.0, [], [False], object(), b"false", "None"])
def test_a_flag_is_not_true_for_not_being_empty(value: Any) -> None:
    with pytest.raises(ClarusInputError, match=r"^overwrite is .*must be True or False"):
        settle.flag(value, "overwrite")


def test_a_member_of_an_enumeration_is_what_it_holds() -> None:
    assert settle.flag(Word.YES, "f") is True
    assert settle.seconds(Word.TEN, "s") == settle.positive_id(Word.TEN, "i") == 10
    assert type(settle.text(Word.YES, "t")) is str
    assert settle.choice(Word.YES, "c", ["yes", "no"]) == "yes"


def test_what_nobody_resolved_says_so() -> None:
    with pytest.raises(ClarusInputError, match=r"a SimpleNamespace.*Airflow has not resolved it"):
        settle.seconds(SimpleNamespace(resolve=lambda context: 5), "poll_interval")


@pytest.mark.parametrize("value", ["None", " None "])
def test_the_text_none_is_refused_with_the_remedy(value: str) -> None:
    for read in (settle.text, settle.tenant, settle.positive_id, settle.flag, settle.seconds):
        with pytest.raises(ClarusInputError, match=r"A template makes this text.*XComArg.*native"):
            read(value, "it")


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_tenant_does_not_mean_the_connections_own(value: str) -> None:
    with pytest.raises(ClarusInputError, match=r"subdomain is .*Pass None to mean the connection's own"):
        settle.tenant(value)
    assert settle.tenant(None) is None


@pytest.mark.parametrize(
    ("value", "uri"),
    [
        ("s3://aws@bucket/key/", "s3://aws@bucket/key/"),
        (ObjectStoragePath("file:///tmp/x.csv"), "file:///tmp/x.csv"),
        (ObjectStoragePath("/tmp/x.csv"), "file:///tmp/x.csv"),
        ("file:///Nonesuch/None5/xNone", "file:///Nonesuch/None5/xNone"),
    ],
)
def test_a_destination_is_its_uri(value: Any, uri: str) -> None:
    assert settle.destination(value) == uri


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (Path("/tmp/x.csv"), "a URI or an ObjectStoragePath: a file's is file:///"),
        (None, "must be a URI, such as s3://"),
        (5, "must be a URI, such as s3://"),
        ("s3://aws@bucket/None/x.csv", "with None in it.*A template"),
        ("s3://aws@bucket/stock-None.csv", "with None in it"),
        ("s3://None@bucket/x", "with None in it"),
        (ObjectStoragePath("file:///x", auto_mkdir=True), "without auto_mkdir: enter them in its connection"),
    ],
)
def test_what_is_no_destination_is_refused_with_what_is(value: Any, problem: str) -> None:
    with pytest.raises(ClarusInputError, match=f"^destination is .*{problem}"):
        settle.destination(value)


@pytest.mark.parametrize(
    "value", [{"a", "b"}, {"a": 1, "b": 2}, "ab", ("a",), ("a", "a"), ("a", ""), ("a", 5), ("a", "None"), 5]
)
def test_an_intervals_names_are_two_in_their_order(value: Any) -> None:
    with pytest.raises(ClarusInputError, match=r"^interval_variables is "):
        settle.two_names(value, "interval_variables")


ANYTHING = st.none() | st.booleans() | st.text() | st.binary() | st.integers() | st.floats() | st.decimals()


@given(ANYTHING | st.lists(ANYTHING) | st.timedeltas() | st.dates() | st.dictionaries(st.text(), ANYTHING))
def test_whatever_it_is_it_is_settled_or_refused_by_its_name(value: Any) -> None:
    for read in (
        settle.seconds,
        settle.interval,
        settle.flag,
        settle.text,
        settle.positive_id,
        settle.tenant,
    ):
        with suppress(ClarusInputError):
            assert type(read(value, "it")) in (bool, int, float, str, type(None))
