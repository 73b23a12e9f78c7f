# SPDX-License-Identifier: Apache-2.0
"""What is refused, and stays so."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusForbiddenError,
    ClarusNotFoundError,
    ClarusTimeoutError,
)
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.waiting.waits import NEVER, asked, kinds, outcomes, polls, until, wait_for


def test_a_connection_with_new_credentials_is_fetched_when_the_old_ones_are_refused(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)

    async def scenario() -> Document:
        waiting = asyncio.ensure_future(wait_for(document_id))
        await until(lambda: polls(clarus))
        clarus._authority.client_secret = clarus.client_secret = "another"
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_uri)
        clarus.revoke_tokens()
        await asyncio.sleep(0.5)
        clarus.documents[document_id].seconds = 0
        return await waiting

    assert asyncio.run(scenario()).id == document_id


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize(
    ("fault", "error_class", "says"),
    [
        (Fault("graphql", status=401, body={"error": "Signed out."}), ClarusAuthError, "401: Signed out."),
        (Fault("token", status=401, body={"error": "invalid_client"}), ClarusAuthError, "invalid_client"),
        (
            Fault("graphql", status=403, body={"errors": [{"details": "No."}]}),
            ClarusForbiddenError,
            "403: No.",
        ),
    ],
)
def test_a_refusal_that_stays_ends_all_with_what_was_said(
    clarus: Sandbox, fault: Fault, error_class: type, says: str
) -> None:
    ids = clarus.add_documents(150, NEVER)
    clarus.inject(fault)
    results = outcomes(*map(wait_for, ids))
    assert kinds(results) == [error_class] * 150
    assert says in str(results[0])
    assert len(set(map(id, results))) == 150


@pytest.mark.usefixtures("impatience")
def test_a_tenant_that_does_not_exist_ends_all_of_its_own(clarus: Sandbox) -> None:
    (good,) = clarus.add_documents(1, 7)
    error, document = outcomes(wait_for(1, subdomain="nobody"), wait_for(good))
    assert isinstance(error, ClarusNotFoundError)
    assert "There is no tenant 'nobody'" in str(error)
    assert document.id == good


@pytest.mark.long
def test_a_connection_that_is_not_there_may_come(clarus: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    (document_id,) = clarus.add_documents(1, 7)
    monkeypatch.delenv("AIRFLOW_CONN_CLARUS_DEFAULT")
    (error,) = outcomes(wait_for(document_id, timeout=1))
    assert isinstance(error, ClarusTimeoutError)
    assert "connection 'clarus_default'" in str(error)

    async def scenario() -> Document:
        waiting = asyncio.ensure_future(wait_for(document_id))
        await asyncio.sleep(1)
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_uri)
        return await waiting

    assert asyncio.run(scenario()).id == document_id


@pytest.mark.usefixtures("impatience")
def test_two_tenants_of_one_connection_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [Report(id=7, seconds=0, tenant=tenant) for tenant in ("acme", "other")]
    with Sandbox(reports, tenants=("acme", "other")) as clarus:
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_uri)
        ours, theirs = (clarus.add_documents(2, 7, tenant=tenant) for tenant in ("acme", "other"))
        clarus.inject(Fault("graphql", status=403, body={"errors": [{"details": "No."}]}, tenant="other"))
        results = outcomes(*map(wait_for, ours), *(wait_for(number, subdomain="other") for number in theirs))
        assert kinds(results) == [Document] * 2 + [ClarusForbiddenError] * 2
        assert {(request.tenant, *sorted(asked(request))) for request in polls(clarus)} == {
            ("acme", *ours),
            ("other", *theirs),
        }
