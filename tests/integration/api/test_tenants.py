# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.conftest import Connect


def test_two_tenants_share_one_token_and_nothing_else(connect: Connect) -> None:
    reports = [Report(id=7, seconds=0, tenant=tenant) for tenant in ("acme", "other")]
    with Sandbox(reports, tenants=("acme", "other")) as clarus:
        client = connect(clarus)
        other = client.for_tenant("other")
        (ours,), (theirs,) = (clarus.add_documents(1, 7, tenant=tenant) for tenant in ("acme", "other"))
        assert list(other.get_documents([ours, theirs])) == [theirs]
        assert list(client.for_tenant(None).get_documents([ours, theirs])) == [ours]
        assert clarus.count("token") == 1
        assert [request.tenant for request in clarus.requests[1:]] == ["other", "acme"]
