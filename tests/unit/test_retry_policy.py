# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import math
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout

from airflow_provider_clarus import exceptions
from airflow_provider_clarus.exceptions import ClarusError, ClarusPermanentError, ClarusTransientError
from airflow_provider_clarus.get_provider_info import get_provider_info

try:
    from airflow.sdk import RetryAction
except ImportError:
    RetryAction = None

ALL = [
    value
    for name, value in vars(exceptions).items()
    if name.startswith("Clarus") and value is not ClarusError
]
before_3_3 = pytest.mark.skipif(RetryAction is not None, reason="this Airflow has retry policies")
since_3_3 = pytest.mark.skipif(RetryAction is None, reason="Airflow before 3.3 has no retry policies")


def decide(error: BaseException, try_number: int = 1, **task: Any) -> Any:
    from airflow_provider_clarus.retry_policy import ClarusRetryPolicy

    context: Any = {"task": SimpleNamespace(**task)} if task else None
    return ClarusRetryPolicy().evaluate(error, try_number, 3, context)


@since_3_3
@pytest.mark.parametrize("error_class", ALL)
def test_each_error_is_retried_or_fails_as_without_the_policy_and_says_why(
    error_class: type[ClarusError],
) -> None:
    """An error that Airflow never retries fails, and no other: there is one rule, that of the classes."""
    decision = decide(error_class("It broke in tenant 'acme'", retry_after=None))
    never = issubclass(error_class, AirflowFailException | AirflowSensorTimeout)
    assert decision.action is (RetryAction.FAIL if never else RetryAction.RETRY)
    assert f"{error_class.__name__}: It broke in tenant 'acme'" in decision.reason
    assert (decision.retry_delay is None) is never


@since_3_3
@pytest.mark.parametrize("error_class", [one for one in ALL if issubclass(one, ClarusTransientError)])
@pytest.mark.parametrize("try_number", [1, 5])
def test_the_delay_is_what_clarus_asked_for(error_class: type[ClarusError], try_number: int) -> None:
    task = {"retry_delay": timedelta(seconds=7), "max_retry_delay": timedelta(seconds=9)}
    decision = decide(error_class("later", status=429, retry_after=123.0), try_number, **task)
    assert decision.retry_delay == timedelta(seconds=123)
    assert "Clarus asked for 123 s" in decision.reason


@since_3_3
@pytest.mark.parametrize("error_class", [one for one in ALL if issubclass(one, ClarusPermanentError)])
def test_what_is_permanent_fails_whatever_clarus_asked_for(error_class: type[ClarusError]) -> None:
    assert decide(error_class("no", retry_after=5)).action is RetryAction.FAIL


@since_3_3
@pytest.mark.parametrize("retry_after", [None, 0.0, -3.0, math.nan])
def test_an_outage_backs_off_from_the_tasks_own_delay(retry_after: float | None) -> None:
    outage = ClarusTransientError("Clarus answered 503", status=503, retry_after=retry_after)
    task = {"retry_delay": timedelta(seconds=100), "max_retry_delay": None}
    pauses = [decide(outage, number, **task).retry_delay.total_seconds() for number in range(1, 9)]
    for number, pause in enumerate(pauses):
        most = min(100 * 2**number, 3600)
        assert 0.8 * most <= pause <= most
    assert "backing off" in decide(outage).reason


@since_3_3
@pytest.mark.parametrize(
    ("task", "most"),
    [
        ({}, 60),
        ({"retry_delay": timedelta(seconds=100), "max_retry_delay": timedelta(seconds=50)}, 50),
        ({"retry_delay": 30.0, "max_retry_delay": 40.0}, 30),
    ],
)
def test_the_first_pause_is_bounded_by_the_task(task: dict[str, Any], most: float) -> None:
    pause = decide(ClarusTransientError("away"), **task).retry_delay.total_seconds()
    assert 0.8 * most <= pause <= most


@since_3_3
def test_pauses_differ_so_that_many_do_not_return_at_once() -> None:
    assert len({decide(ClarusTransientError("away"), 3).retry_delay for _ in range(50)}) > 1


@since_3_3
@pytest.mark.parametrize("error", [OSError("disk full"), AirflowException("no"), AirflowFailException("no")])
def test_of_other_errors_nothing_is_decided(error: BaseException) -> None:
    decision = decide(error)
    assert (decision.action, decision.retry_delay) == (RetryAction.DEFAULT, None)


@since_3_3
@pytest.mark.parametrize("retry_after", [1e15, math.inf])
def test_a_pause_without_end_is_a_day(retry_after: float) -> None:
    assert decide(ClarusTransientError("never", retry_after=retry_after)).retry_delay == timedelta(days=1)


@since_3_3
def test_an_error_that_went_through_a_trigger_is_decided_alike() -> None:
    error = ClarusError.from_dict(ClarusTransientError("later", retry_after=90).as_dict())
    assert decide(error).retry_delay == timedelta(seconds=90)


@since_3_3
def test_it_is_made_anew_from_what_airflow_may_keep() -> None:
    from airflow_provider_clarus.retry_policy import ClarusRetryPolicy

    assert isinstance(ClarusRetryPolicy.deserialize(ClarusRetryPolicy().serialize()), ClarusRetryPolicy)


@before_3_3
def test_before_3_3_the_import_says_what_to_do() -> None:
    with pytest.raises(ImportError, match=r"needs Airflow 3\.3 or later\. Leave retry_policy out"):
        importlib.import_module("airflow_provider_clarus.retry_policy")


def test_airflow_3_4_is_told_where_it_is() -> None:
    [entry] = get_provider_info()["retry-policies"]
    assert entry["integration-name"] in {
        one["integration-name"] for one in get_provider_info()["integrations"]
    }
    root = Path(exceptions.__file__).parents[1]
    for module in entry["python-modules"]:
        assert "class ClarusRetryPolicy(" in (root / f"{module.replace('.', '/')}.py").read_text()
