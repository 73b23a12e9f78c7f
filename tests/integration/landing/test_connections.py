# SPDX-License-Identifier: Apache-2.0
"""The connection that a destination names opens its storage, or nothing does."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowNotFoundException,
    BaseHook,
    Connection,
)

from airflow_provider_clarus.exceptions import ClarusError, ClarusInputError, ClarusTransientError
from airflow_provider_clarus.landing.destination import storage_path
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.landing.stores import AZURITE_KEY, gcs_connection
from tests.integration.tasks import context

ENDPOINT = "http://127.0.0.1:9"
AZURE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    f"AccountKey={AZURITE_KEY};BlobEndpoint={ENDPOINT}/devstoreaccount1;"
)
CONNECTIONS = {
    "s3": {
        "conn_type": "aws",
        "login": "key",
        "password": "secret",
        "extra": {"endpoint_url": ENDPOINT, "region_name": "us-east-1"},
    },
    "gs": json.loads(gcs_connection(ENDPOINT)),
    "abfs": {"conn_type": "wasb", "extra": {"connection_string": AZURE}},
}
#: Where each storage's file system says that it leads.
LEADS_TO: dict[str, Callable[[Any], str]] = {
    "s3": lambda fs: fs.endpoint_url,
    "gs": lambda fs: fs._endpoint,
    "abfs": lambda fs: fs.service_client.url,
}
SCHEMES = list(CONNECTIONS)


def transfer(destination: str, **arguments: Any) -> Any:
    operator = ClarusReportToObjectStorageOperator(
        task_id="land", report_id=7, destination=destination, **arguments
    )
    return operator.execute(context())


def download(destination: str) -> Any:
    return ClarusDownloadDocumentOperator(task_id="get", document_id=1, destination=destination).execute(
        context()
    )


class Backend:
    """A secrets backend that answers a few times, and is away from then on."""

    def __init__(self, connection: Any, times: float) -> None:
        self.connection, self.times = connection, times

    def get_connection(self, conn_id: str) -> Any:
        self.times -= 1
        if self.times < 0:
            raise ConnectionError("500: the database is away")
        return Connection(
            conn_id=conn_id, **(self.connection | {"extra": json.dumps(self.connection["extra"])})
        )


@pytest.fixture
def airflow_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], None]:
    """Let Airflow itself answer for connections only so many times."""

    def answer(scheme: str, times: float) -> None:
        backend = Backend(CONNECTIONS[scheme], times)
        # Where Airflow asks its backends: 3.1 and later in the one, older ones in the other.
        for module, name in (
            ("airflow.sdk.execution_time.supervisor", "ensure_secrets_backend_loaded"),
            ("airflow.models.connection", "ensure_secrets_loaded"),
        ):
            if hasattr(optional(module), name):
                monkeypatch.setattr(f"{module}.{name}", lambda: [*environment_backends(), backend])

    return answer


def optional(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def environment_backends() -> list[Any]:
    from airflow.secrets.environment_variables import EnvironmentVariablesBackend

    return [EnvironmentVariablesBackend()]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("task", [transfer, download], ids=["transfer", "download"])
def test_without_the_connection_nothing_is_opened_or_asked(
    clarus_default: Sandbox, scheme: str, task: Callable[[str], Any]
) -> None:
    with pytest.raises(ClarusTransientError) as raised:
        task(f"{scheme}://misspelt@landing/stock.csv")
    assert not isinstance(raised.value, AirflowFailException)
    assert "'misspelt'" in str(raised.value)
    assert "there is none of that id" in str(raised.value)
    assert "cannot be reached just now" in str(raised.value)
    assert not clarus_default.requests


@pytest.mark.parametrize("scheme", SCHEMES)
def test_while_airflow_is_away_nothing_is_opened_or_asked(
    clarus_default: Sandbox, scheme: str, airflow_away: Callable[[str, float], None]
) -> None:
    airflow_away(scheme, 0)
    with pytest.raises(ClarusTransientError, match="cannot be reached just now"):
        transfer(f"{scheme}://storage@landing/stock.csv")
    assert not clarus_default.requests
    with pytest.raises(ClarusTransientError, match="cannot be reached just now"):
        storage_path(f"{scheme}://storage@landing/stock.csv")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_connection_that_was_fetched_is_the_one_that_opens(
    scheme: str, airflow_away: Callable[[str, float], None]
) -> None:
    airflow_away(scheme, 1)
    before = dict(os.environ)
    path = storage_path(f"{scheme}://storage_{scheme}@landing/stock.csv")
    assert LEADS_TO[scheme](path.fs).startswith(ENDPOINT)
    assert path.conn_id == f"storage_{scheme}" if hasattr(path, "conn_id") else True
    assert dict(os.environ) == before


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_was_opened_without_a_connection_is_not_used(
    scheme: str, airflow_away: Callable[[str, float], None]
) -> None:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    uri = f"{scheme}://late_{scheme}@landing/stock.csv"
    airflow_away(scheme, 0)
    # Only the Amazon hook goes on without its connection.
    with nullcontext() if scheme == "s3" else pytest.raises(AirflowNotFoundException):
        assert ObjectStoragePath(uri).fs
    airflow_away(scheme, 1)
    assert LEADS_TO[scheme](storage_path(uri).fs).startswith(ENDPOINT)


def test_a_connection_without_a_name_is_refused(clarus_default: Sandbox) -> None:
    with pytest.raises(ClarusInputError, match="no connection before it"):
        transfer("s3://@landing/stock.csv")
    assert not clarus_default.requests


def test_a_destination_that_names_no_connection_asks_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(conn_id: str) -> Any:
        raise AssertionError(conn_id)

    monkeypatch.setattr(BaseHook, "get_connection", fail)
    assert str(storage_path("file:///tmp/a@b/stock.csv")) == "file:///tmp/a@b/stock.csv"


def test_a_connection_that_goes_away_before_landing_lands_nothing(
    clarus_default: Sandbox, document: int, airflow_away: Callable[[str, float], None]
) -> None:
    airflow_away("s3", 1)
    with pytest.raises(ClarusError, match="Airflow did not find connection 'storage'"):
        ClarusDownloadDocumentOperator(
            task_id="get", document_id=document, destination="s3://storage@landing/stock.csv"
        ).execute(context())
    assert clarus_default.count("download") == clarus_default.count("file") == 0
