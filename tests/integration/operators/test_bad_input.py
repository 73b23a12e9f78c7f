# SPDX-License-Identifier: Apache-2.0
"""What a user may get wrong: named with its remedy, if possible before anything is sent, and not retried."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusConfigError,
    ClarusForbiddenError,
    ClarusInputError,
    ClarusNotFoundError,
    ClarusTransientError,
)
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox._serving import listen
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import context

Connected: TypeAlias = Callable[..., Sandbox]


@pytest.fixture
def connected(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connected:
    """Set ``clarus_default`` to the sandbox's connection, with changed fields."""

    def connected(**fields: Any) -> Sandbox:
        connection = json.loads(sandbox.connection_json) | fields
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", json.dumps(connection))
        return sandbox

    return connected


def generate(**arguments: Any) -> Any:
    return ClarusGenerateReportOperator(task_id="t", **({"report_id": 7} | arguments))


def wait(**arguments: Any) -> Any:
    return ClarusDocumentSensor(task_id="t", **({"document_id": 1, "poke_interval": 0.6} | arguments))


def download(**arguments: Any) -> Any:
    defaults = {"document_id": 1, "destination": "file:///nowhere/"}
    return ClarusDownloadDocumentOperator(task_id="t", **(defaults | arguments))


def transfer(**arguments: Any) -> Any:
    defaults = {"report_id": 7, "destination": "file:///nowhere/"}
    return ClarusReportToObjectStorageOperator(task_id="t", **(defaults | arguments))


ALL = pytest.mark.parametrize("make", [generate, wait, download, transfer])


@ALL
@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"schema": ""}, "no tenant.*pass `subdomain`"),
        ({"login": ""}, "needs login"),
        ({"password": ""}, "needs password"),
        ({"login": "", "password": ""}, "needs login and password"),
    ],
)
def test_a_connection_without_tenant_or_credentials_is_refused_before_anything_is_sent(
    connected: Connected, make: Callable[..., Any], fields: dict[str, Any], problem: str
) -> None:
    sandbox = connected(**fields)
    with pytest.raises(ClarusConfigError, match=f"Connection 'clarus_default': .*{problem}") as raised:
        make().execute(context())
    assert isinstance(raised.value, AirflowFailException)
    assert not sandbox.requests


@ALL
def test_a_connection_that_does_not_exist_is_named(make: Callable[..., Any]) -> None:
    with pytest.raises(ClarusTransientError, match=r"connection 'warehouse'.*AIRFLOW_CONN_WAREHOUSE"):
        make(clarus_conn_id="warehouse").execute(context())


@ALL
@pytest.mark.usefixtures("impatience")
def test_a_wrong_secret_is_refused_by_the_token_endpoint_alone(
    connected: Connected, make: Callable[..., Any]
) -> None:
    sandbox = connected(password="wrong")
    with pytest.raises(ClarusAuthError, match=r"401: invalid_client.*Check the connection's login") as raised:
        make().execute(context())
    assert isinstance(raised.value, AirflowFailException)
    # In the body and in the header, twice; a read is refused for good when it stays refused.
    assert {request.endpoint for request in sandbox.requests} == {"token"}
    assert len(sandbox.requests) <= (4 if make in (generate, transfer) else 8)


@pytest.mark.parametrize("make", [generate, transfer])
def test_an_unknown_report_is_named(connected: Connected, make: Callable[..., Any]) -> None:
    sandbox = connected()
    with pytest.raises(
        ClarusNotFoundError, match=r"report 70 in tenant 'acme'.*Check the report's id and the tenant"
    ) as raised:
        make(report_id=70).execute(context())
    assert isinstance(raised.value, AirflowFailException)
    assert sandbox.count("generate") == 1


@pytest.mark.parametrize("make", [generate, transfer])
def test_someone_elses_report_is_refused_with_the_reason(
    connected: Connected, make: Callable[..., Any]
) -> None:
    sandbox = connected()
    sandbox.add_report(Report(8, owner="someone-else"))
    with pytest.raises(
        ClarusForbiddenError, match=r"report 8 in tenant 'acme'.*Only a report's owner"
    ) as raised:
        make(report_id=8).execute(context())
    assert isinstance(raised.value, AirflowFailException)
    assert sandbox.count("generate") == 1


@pytest.mark.parametrize("value", [0, -1, "-7", "seven", "", "7.5", None, True, "None"])
@pytest.mark.parametrize(
    ("make", "name"),
    [(generate, "report_id"), (transfer, "report_id"), (wait, "document_id"), (download, "document_id")],
)
def test_what_is_no_id_is_refused_before_anything_is_sent(
    connected: Connected, make: Callable[..., Any], name: str, value: Any
) -> None:
    sandbox = connected()
    with pytest.raises(ClarusInputError, match=rf"{name} is .*positive integer|neither is given") as raised:
        make(**{name: value}).execute(context())
    assert isinstance(raised.value, AirflowFailException)
    assert not sandbox.requests


@pytest.mark.parametrize("make", [generate, transfer])
@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ([{"value": "3"}], "Entry 0 of variables is"),
        ([{"name": "", "value": "3"}], "A variable's name is ''"),
        ({" ": "3"}, "A variable's name is ' '"),
        ({3: "3"}, "A variable's name is 3"),
        ("date_from=today", "variables is a str"),
    ],
)
def test_a_variable_without_a_name_is_refused_before_anything_is_sent(
    connected: Connected, make: Callable[..., Any], variables: Any, problem: str
) -> None:
    sandbox = connected()
    with pytest.raises(ClarusInputError, match=problem) as raised:
        make(variables=variables).execute(context())
    assert isinstance(raised.value, AirflowFailException)
    assert not sandbox.requests


@pytest.mark.parametrize("make", [download, transfer])
@pytest.mark.parametrize(
    "destination", ["", "reports/stock", "/reports/stock", "https://host/stock", "s3://", "s3:///x"]
)
def test_a_destination_that_is_none_is_refused_before_anything_is_sent(
    connected: Connected, make: Callable[..., Any], destination: str
) -> None:
    sandbox = connected()
    with pytest.raises(ClarusInputError, match=f"destination '{destination}'") as raised:
        make(destination=destination).execute(context())
    assert isinstance(raised.value, AirflowFailException)
    assert not sandbox.requests


@ALL
def test_an_argument_that_renders_to_nothing_is_refused_with_the_remedy(
    connected: Connected, make: Callable[..., Any]
) -> None:
    sandbox = connected()
    with pytest.raises(ClarusInputError, match=r"subdomain is ''.*Pass None"):
        make(subdomain="").execute(context())
    with pytest.raises(ClarusInputError, match=r"subdomain is 'None'.*XComArg"):
        make(subdomain="None").execute(context())
    with pytest.raises(ClarusInputError, match="clarus_conn_id is None"):
        make(clarus_conn_id=None).execute(context())
    assert not sandbox.requests


@pytest.mark.parametrize("make", [generate, transfer])
@pytest.mark.parametrize("variables", [{"account_id": "None"}, {"account_id": ["3", "None"]}])
def test_the_text_none_is_no_variables_value(
    connected: Connected, make: Callable[..., Any], variables: Any
) -> None:
    sandbox = connected()
    with pytest.raises(ClarusInputError, match=r"'account_id' is the text 'None'.*XComArg"):
        make(variables=variables).execute(context())
    assert not sandbox.requests


@pytest.fixture
def closed_port() -> int:
    """A port at which nobody listens."""
    with listen("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.usefixtures("no_pauses")
def test_an_unreachable_host_is_named_and_may_come_back(connected: Connected, closed_port: int) -> None:
    connected(port=closed_port)
    with pytest.raises(
        ClarusTransientError, match=rf":{closed_port}/oauth/token.*Check the connection's host"
    ) as raised:
        generate().execute(context())
    assert not isinstance(raised.value, AirflowFailException)


@pytest.mark.usefixtures("no_pauses")
def test_an_unreachable_host_does_not_end_a_wait_before_its_time(
    connected: Connected, closed_port: int
) -> None:
    connected(port=closed_port)
    with pytest.raises(Exception, match=r"Document 1 .* was not available .* 'not seen yet'"):
        wait(deferrable=False, poke_interval=0.1, timeout=0.3).execute(context())
