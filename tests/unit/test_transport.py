# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from airflow_provider_clarus.exceptions import ClarusConfigError, ClarusTransientError
from airflow_provider_clarus.transport import failure


def unreachable(reason: str) -> requests.ConnectionError:
    cause = NewConnectionError(None, reason)  # type: ignore[arg-type]
    return requests.ConnectionError(MaxRetryError(None, "/graphql", cause))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error", [unreachable("Connection refused"), requests.ConnectTimeout("connect timed out")]
)
def test_a_connection_that_was_never_made_cannot_have_done_anything(error: requests.RequestException) -> None:
    found = failure(error, "generate report 7")
    assert isinstance(found, ClarusTransientError)
    assert not found.may_have_acted
    assert str(found).startswith("Could not generate report 7: ")
    assert "Check the connection's host, proxies and the network." in str(found)


@pytest.mark.parametrize(
    "error",
    [
        requests.ReadTimeout("read timed out"),
        requests.ConnectionError("Connection reset by peer"),
        requests.exceptions.ChunkedEncodingError("broken off"),
        requests.RequestException(),
    ],
)
def test_a_connection_that_broke_may_have_done_something(error: requests.RequestException) -> None:
    found = failure(error, "generate report 7")
    assert isinstance(found, ClarusTransientError)
    assert found.may_have_acted


def test_a_certificate_is_nothing_that_passes() -> None:
    error = requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
    found = failure(error, "get a token")
    assert isinstance(found, ClarusConfigError)
    assert "extra verify" in str(found)
