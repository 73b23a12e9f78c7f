# SPDX-License-Identifier: Apache-2.0
"""Servers that want to be asked differently: what is learnt, from what, for how long, and at what cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_provider_clarus.api._way import GROW_AFTER, LEARN_AFTER, PROBE_AFTER
from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.api.documents import FILTERS_QUERY, PAGE_SIZE
from airflow_provider_clarus.exceptions import ClarusError, ClarusRejectedError, ClarusTransientError
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.conftest import Connect

BROKEN = {"errors": [{"message": "Internal server error"}]}


class Server:
    """A sandbox with documents, a client that asks once, and a clock of its own."""

    def __init__(self, connect: Connect, stack: ExitStack, **options: Any) -> None:
        reports = [Report(7, seconds=math.inf), Report(8, seconds=0)]
        self.sandbox = stack.enter_context(Sandbox(reports, **options))
        self.now = 1000.0
        self.client = self.connected(connect)

    def connected(self, connect: Connect) -> ClarusClient:
        client = connect(self.sandbox, attempts=1)
        client.documents._clock = lambda: self.now
        return client

    def asked(self) -> list[Any]:
        """The page sizes of the GraphQL requests so far; ``schema`` for introspection."""
        asked = [request.json for request in self.sandbox.requests if request.endpoint == "graphql"]
        sizes = ["schema" if one["query"] == FILTERS_QUERY else one["variables"]["first"] for one in asked]
        self.sandbox.requests.clear()
        return sizes


@pytest.fixture
def server(connect: Connect) -> Iterator[Any]:
    with ExitStack() as stack:
        yield lambda **options: Server(connect, stack, **options)


def statuses(client: ClarusClient, ids: list[int]) -> dict[int, str]:
    return {number: document.status.value for number, document in client.get_documents(ids).items()}


def test_a_page_is_as_large_as_there_are_ids(server: Any) -> None:
    one = server()
    ids = one.sandbox.add_documents(PAGE_SIZE + 3, 7)
    one.client.get_document(ids[0])
    one.client.get_documents(ids)
    assert one.asked() == [1, PAGE_SIZE, 3]


@pytest.mark.parametrize("options", [{}, {"redacted": True}, {"introspection": False}], ids=str)
def test_a_limit_of_complexity_shrinks_the_batches_and_they_grow_back_slowly(
    server: Any, options: dict[str, bool]
) -> None:
    limited = server(max_complexity=100, **options)
    ids = limited.sandbox.add_documents(30, 8)
    assert limited.client.get_document(ids[0])
    assert limited.asked() == [1]
    for _ in range(2):
        assert len(limited.client.get_documents(ids)) == 30
    # Refused at 30; the documented question, and one for nobody, are answered; then what fits is found.
    assert limited.asked() == [30, 1, 1, 30, 15, *[15, 15], *[15, 15]]
    limited.now += GROW_AFTER
    assert len(limited.client.get_documents(ids)) == 30
    assert limited.asked() == [30, 1, 1, 30, 15, *[15, 15]]
    limited.sandbox._graphql._max_complexity = math.inf
    limited.now += GROW_AFTER
    assert len(limited.client.get_documents(ids)) == 30
    assert limited.asked() == [30]


def test_the_pages_of_the_documented_way_shrink_too(server: Any) -> None:
    limited = server(max_complexity=100, id_filter=False)
    ids = limited.sandbox.add_documents(20, 7)
    assert set(statuses(limited.client, ids).values()) <= {"queued", "processing"}
    assert limited.asked() == [20, 1, 1, "schema", 100, 1, 100, 50, 25, 12, *[12, 12]]
    statuses(limited.client, ids)
    assert limited.asked() == [12, 12]


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, [2, "schema"]),
        ({"introspection": False}, [2, "schema", 1, 1, 1, 1, 1]),
        ({"redacted": True}, [2, 1, 1, "schema"]),
        ({"redacted": True, "introspection": False}, [2, 1, 1, "schema", 1, 1, 1]),
    ],
    ids=str,
)
def test_a_server_without_a_filter_for_ids_is_known_by_facts(
    server: Any, options: dict[str, bool], asked: list[Any]
) -> None:
    other = server(id_filter=False, **options)
    processing, available = (other.sandbox.add_documents(1, report)[0] for report in (7, 8))
    assert statuses(other.client, [processing, available])[available] == "available"
    learnt, documented = other.asked(), [PAGE_SIZE]
    assert (learnt[: -len(documented)], learnt[-1:]) == (asked, documented)
    assert not other.client.has_id_filter
    statuses(other.client, [processing])
    assert other.asked() == documented
    other.now += PROBE_AFTER
    statuses(other.client, [processing])
    assert other.asked()[0] == "schema"


def test_it_is_asked_by_ids_again_when_it_takes_them(server: Any) -> None:
    other = server(id_filter=False)
    [available] = other.sandbox.add_documents(1, 8)
    assert other.client.get_document(available).file_name is None
    other.sandbox._graphql = server().sandbox._graphql
    other.client.documents.way.without_ids(other.now)
    other.now += PROBE_AFTER
    with Sandbox([Report(8, seconds=0)]) as updated:
        other.client.documents._graphql = lambda query, variables: _answered(updated, query, variables)
        [again] = updated.add_documents(1, 8)
        assert other.client.get_document(again).file_name == f"report-8-{again}.csv"
    assert other.client.has_id_filter


def _answered(sandbox: Sandbox, query: str, variables: Any) -> Any:
    return sandbox._graphql.answer(sandbox.tenant, {"query": query, "variables": variables})["data"]


@pytest.mark.parametrize("options", [{}, {"introspection": False}], ids=str)
@pytest.mark.parametrize("stray", [1, 2, 3, 4])
def test_stray_errors_teach_nothing(server: Any, options: dict[str, bool], stray: int) -> None:
    healthy = server(**options)
    ids = healthy.sandbox.add_documents(5, 8)
    healthy.sandbox.inject(Fault("graphql", status=200, body=BROKEN, times=stray))
    names = set()
    for _ in range(6):
        try:
            names |= {document.file_name for document in healthy.client.get_documents(ids).values()}
        except ClarusTransientError:
            healthy.now += LEARN_AFTER
    assert names == {f"report-8-{number}.csv" for number in ids}
    assert healthy.client.has_id_filter
    assert healthy.sandbox.count("download") == 0


@pytest.mark.parametrize("options", [{}, {"introspection": False}, {"redacted": True}], ids=str)
def test_an_error_at_every_second_request_teaches_nothing(server: Any, options: dict[str, bool]) -> None:
    shaky = server(**options)
    ids = shaky.sandbox.add_documents(50, 8)
    found: set[int] = set()
    for look in range(40):
        if look % 2 == 0:
            shaky.sandbox.inject(Fault("graphql", status=200, body=BROKEN, times=1))
        try:
            found |= shaky.client.get_documents(ids).keys()
        except ClarusTransientError:
            shaky.now += 5
    assert found == set(ids)
    assert shaky.client.has_id_filter
    assert shaky.sandbox.count("download") == 0


def test_an_outage_costs_few_requests_more(server: Any) -> None:
    down = server()
    ids = down.sandbox.add_documents(50, 8)
    down.sandbox.inject(Fault("graphql", status=200, body=BROKEN))
    for _ in range(60):
        with pytest.raises(ClarusTransientError):
            down.client.get_documents(ids)
        down.now += 1
    assert down.sandbox.count("graphql") == 60 + 2


def test_a_schema_that_has_changed_is_no_other_way(server: Any) -> None:
    changed = server()
    refusal = {
        "errors": [{"message": "Field 'file_type' doesn't exist", "locations": [{"line": 5, "column": 20}]}]
    }
    changed.sandbox.inject(Fault("graphql", status=200, body=refusal))
    with pytest.raises(ClarusRejectedError, match="file_type"):
        changed.client.get_document(1)
    assert changed.client.has_id_filter


def test_what_one_tenant_has_taught_is_known_of_the_others(server: Any) -> None:
    other = server(id_filter=False, tenants=("acme", "initech"))
    other.client.get_documents([1])
    other.asked()
    view = other.client.for_tenant("initech")
    view.documents._clock = lambda: other.now
    view.get_documents([1])
    assert "schema" not in other.asked()


def test_without_ids_a_download_that_breaks_off_loses_no_answers(server: Any) -> None:
    other = server(id_filter=False)
    ids = other.sandbox.add_documents(3, 8)
    other.sandbox.inject(Fault("download", status=503, document_id=ids[1]))
    assert statuses(other.client, ids) == {ids[0]: "available", ids[1]: "unknown", ids[2]: "unknown"}


def test_without_ids_a_poisoned_document_hides_no_file(server: Any) -> None:
    """No list can be read as long as it is there: files are asked for, some in each look, all in turn."""
    other = server(id_filter=False)
    client = other.client
    client.get_documents([1])
    ids = other.sandbox.add_documents(50, 8)
    [poisoned] = other.sandbox.add_documents(1, 7)
    other.sandbox.documents[poisoned].poisoned = True
    assert statuses(client, [poisoned, ids[3]]) == {poisoned: "unknown", ids[3]: "available"}
    found: set[int] = set()
    for _ in range(3):
        looked_at = statuses(client, [*ids, poisoned])
        assert len(looked_at) == 51
        found |= {one for one, status in looked_at.items() if status == "available"}
    assert found == set(ids)
    with pytest.raises(ClarusError, match=f"Document {poisoned} could not be read"):
        client.get_documents([poisoned])


def test_without_ids_a_list_of_the_failed_that_breaks_off_loses_no_answers(server: Any) -> None:
    other = server(id_filter=False)
    other.client.get_documents([1])
    [ready] = other.sandbox.add_documents(1, 8)
    stray = Fault("graphql", asks_for="failed", status=500, body=HTML_ERROR)
    other.sandbox.inject(stray)
    assert statuses(other.client, [ready, 9_999]) == {ready: "available", 9_999: "unknown"}
    with pytest.raises(ClarusError, match="500"):
        other.client.get_documents([9_999])


def test_nobody_is_asked_about_nothing(server: Any) -> None:
    other = server(id_filter=False)
    other.client.get_documents([1])
    other.asked()
    assert other.client.get_documents([]) == {}
    assert other.asked() == []


def test_a_poisoned_document_shrinks_nobodys_pages(connect: Connect) -> None:
    """It is on the page of what is unfinished; what is learnt is every tenant's."""
    with Sandbox([Report(id=7, seconds=math.inf)], id_filter=False) as clarus:
        ids = clarus.add_documents(6, 7)
        clarus.documents[ids[3]].poisoned = True
        client = connect(to=clarus, attempts=1)
        for _ in range(2):
            with pytest.raises(ClarusError):
                client.get_documents(ids)
        assert not client.has_id_filter
        assert client.documents.page_size == PAGE_SIZE
