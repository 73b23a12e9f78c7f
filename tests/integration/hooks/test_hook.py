# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import logging
from datetime import date

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, BaseHook

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import ClarusInputError, ClarusTransientError
from airflow_provider_clarus.hooks import connections
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox


def test_the_hook_offers_the_clients_calls(clarus_default: Sandbox) -> None:
    hook = ClarusHook()
    queued = hook.generate_report(7, {"date_from": date(2024, 3, 31), "account_id": [1, 2]})
    document = clarus_default.documents[queued.id]
    assert document.variables == {"date_from": ["2024-03-31T00:00:00+00:00"], "account_id": ["1", "2"]}
    document.seconds = 0
    assert hook.get_document(queued.id) == hook.get_documents([queued.id])[queued.id]
    assert hook.get_download_url(queued.id).startswith(clarus_default.files_url)
    assert hook.run("GET", f"/api/documents/{queued.id}/download").keys() == {"url"}
    assert hook.graphql("{ reports { all { edges { node { id } } } } }")["reports"]
    assert isinstance(hook.get_conn(), ClarusClient)
    assert clarus_default.count("token") == 1


def test_a_subdomain_is_the_tenant_instead_of_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [Report(7, tenant="acme"), Report(7, tenant="globex")]
    with Sandbox(reports, tenants=["acme", "globex"]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", sandbox.connection_uri)
        assert ClarusHook().generate_report(7) == Document(1, DocumentStatus.QUEUED)
        ClarusHook(subdomain="globex").generate_report(7)
        assert [document.tenant for document in sandbox.documents.values()] == ["acme", "globex"]
        assert sandbox.count("token") == 1


@pytest.mark.parametrize("subdomain", ["", " ", "None"])
def test_an_empty_subdomain_is_not_the_connections_tenant(clarus_default: Sandbox, subdomain: str) -> None:
    with pytest.raises(ClarusInputError, match=r"subdomain is .*Pass None to mean the connection's own"):
        ClarusHook(subdomain=subdomain).get_document(1)
    with pytest.raises(ClarusInputError, match=r"subdomain is "):
        asyncio.run(ClarusHook.aopen("clarus_default", subdomain))
    with pytest.raises(ClarusInputError, match=r"subdomain is "):
        ClarusHook().client.for_tenant(subdomain)
    assert not clarus_default.requests


def test_making_a_hook_asks_for_nothing() -> None:
    ClarusHook("no_such_connection")


def test_a_missing_connection_is_named_and_may_only_be_out_of_reach() -> None:
    with pytest.raises(ClarusTransientError, match=r"'warehouse'.*AIRFLOW_CONN_WAREHOUSE") as raised:
        ClarusHook("warehouse").client  # noqa: B018
    assert "cannot be reached just now" in str(raised.value)
    assert not isinstance(raised.value, AirflowFailException)
    assert not raised.value.may_have_acted


def test_an_event_loop_gets_a_client_that_tries_once(clarus_default: Sandbox) -> None:
    async def use() -> None:
        client = await ClarusHook.aopen("clarus_default")
        clarus_default.inject(Fault("graphql", status=500))
        with pytest.raises(ClarusTransientError):
            await asyncio.to_thread(client.get_documents, [1])
        client.close()

    asyncio.run(use())
    assert clarus_default.count("graphql") == 1


def test_an_event_loop_is_told_of_a_missing_connection() -> None:
    with pytest.raises(ClarusTransientError, match=r"'warehouse'.*cannot be reached just now"):
        asyncio.run(ClarusHook.aopen("warehouse"))


def test_no_secret_is_logged_even_at_debug(
    clarus_default: Sandbox, document: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        hook = ClarusHook()
        hook.get_document(document)
        url = hook.get_download_url(document)
    bearer = clarus_default.requests[-1].headers["authorization"].removeprefix("Bearer ")
    for secret in (clarus_default.client_secret, bearer, url.partition("?")[2]):
        assert secret not in caplog.text


def test_a_secrets_backends_own_time_out_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(conn_id: str) -> None:
        raise TimeoutError("the vault is sealed")

    monkeypatch.setattr(BaseHook, "get_connection", time_out)
    with pytest.raises(ClarusTransientError, match="the vault is sealed"):
        connections.fetch("clarus_default")
