# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
)

from airflow_provider_clarus import exceptions
from airflow_provider_clarus.exceptions import (
    ClarusError,
    ClarusPermanentError,
    ClarusTimeoutError,
    ClarusTransientError,
)

ALL = [value for name, value in vars(exceptions).items() if name.startswith("Clarus")]


@pytest.mark.parametrize("error_class", ALL)
def test_every_error_has_one_root_and_one_branch(error_class: type[ClarusError]) -> None:
    assert issubclass(error_class, ClarusError)
    assert issubclass(error_class, AirflowException)
    branches = ClarusTransientError, ClarusPermanentError, ClarusTimeoutError
    assert error_class is ClarusError or sum(issubclass(error_class, branch) for branch in branches) == 1


def test_airflow_retries_what_may_pass_and_nothing_else() -> None:
    assert issubclass(ClarusPermanentError, AirflowFailException)
    assert issubclass(ClarusTimeoutError, AirflowSensorTimeout)
    assert not issubclass(ClarusTransientError, (AirflowFailException, AirflowSensorTimeout))
