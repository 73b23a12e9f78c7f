# SPDX-License-Identifier: Apache-2.0
"""Watchers over HTTP, through Airflow's own shared streams: what they tell of, and what they survive."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

pytest.importorskip("airflow.triggers.shared_stream", reason="watchers share a stream from Airflow 3.3 on")

from airflow_provider_clarus.triggers import documents
from airflow_provider_clarus.triggers.documents import ClarusDocumentsTrigger
from airflow_provider_clarus.watching import ledger, stream
from tests.integration.tasks import context
from tests.integration.triggers.watchers import AssetStore, Database, triggerer, until

READY, NEVER, FAILED = 7, 8, 9
PAGE = 100


@pytest.fixture(autouse=True)
def _quick(hurry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "FIRST_REST", 0.05)
    monkeypatch.setattr(stream, "AGAIN", 0.05)
    monkeypatch.setattr(stream, "LONGEST_REST", 0.3)
    monkeypatch.setattr(stream, "PAUSE_PER_PAGE", 0.0)
    monkeypatch.setattr(ledger, "GRACE", 0.5)


@pytest.fixture
def clarus(clarus_default: Sandbox) -> Iterator[Sandbox]:
    return filled(clarus_default)


def filled(sandbox: Sandbox) -> Sandbox:
    sandbox.add_report(Report(READY, seconds=0))
    sandbox.add_report(Report(NEVER, seconds=math.inf))
    sandbox.add_report(Report(FAILED, seconds=0, outcome="failed"))
    return sandbox


def watcher(**arguments: Any) -> ClarusDocumentsTrigger:
    return ClarusDocumentsTrigger(**({"poll_interval": 0.05} | arguments))


def has_begun(database: Database, *names: str) -> bool:
    """Whether the first look is over, and kept."""
    return all(database.stores[name].values for name in names or ("watcher",))


def run(scenario: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(scenario, 120))


def once(document_ids: list[int]) -> Counter[int]:
    return Counter(document_ids)


def test_it_tells_of_what_becomes_available_from_its_first_look_on(clarus: Sandbox) -> None:
    database = Database()
    clarus.add_documents(250, READY)
    [late] = clarus.add_documents(1, NEVER)

    async def scenario() -> list[int]:
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: has_begun(database))
            new = clarus.add_documents(3, READY)
            clarus.add_documents(2, FAILED)
            clarus.documents[late].seconds = 0
            await until(lambda: len(database.payloads) == 4)
            return [late, *new]

    told = run(scenario())
    assert database.told() == once(told)
    assert {
        "id": late,
        "name": f"report-8-{late}.csv",
        "type": "csv",
        "status": "available",
        "tenant": "acme",
    } in (database.payloads)


def test_failed_ones_can_be_asked_for(clarus: Sandbox) -> None:
    database = Database()

    async def scenario() -> list[int]:
        async with triggerer(database) as one:
            one.start(watcher(failed=True))
            await until(lambda: has_begun(database))
            made = [*clarus.add_documents(1, READY), *clarus.add_documents(2, FAILED)]
            await until(lambda: len(database.payloads) == 3)
            return made

    assert once(run(scenario())) == database.told()
    assert [payload["status"] for payload in database.payloads] == ["available", "failed", "failed"]
    assert database.payloads[1]["name"] is None


def test_it_tells_of_what_was_there_before_when_it_is_to_look_back(clarus: Sandbox) -> None:
    database = Database()
    old, young = clarus.add_documents(2, READY)
    clarus.documents[old].created -= 7200
    [failed] = clarus.add_documents(1, FAILED)

    async def scenario() -> None:
        async with triggerer(database) as one:
            one.start(watcher(look_back=3600))
            await until(lambda: database.told())
            one.start(watcher(look_back="10800", failed=True), "further")
            await until(lambda: len(database.told("further")) == 3)

    run(scenario())
    assert database.told() == once([young])
    assert database.told("further") == once([old, young, failed])


@pytest.mark.long
def test_ten_thousand_are_told_of_a_page_at_a_time(clarus: Sandbox) -> None:
    database = Database()

    async def scenario() -> tuple[list[int], int, int]:
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: has_begun(database))
        made = clarus.add_documents(10_000, READY)
        before = clarus.count("graphql")
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: len(database.told()) == len(made))
            return made, one.most_at_once, clarus.count("graphql") - before

    made, most, requests = run(scenario())
    assert database.told() == once(made)
    assert most <= PAGE
    assert requests <= 1.5 * 10_000 / PAGE
    assert len(database.stores["watcher"].values.popitem()[1]) < 65_535


@pytest.mark.long
def test_a_triggerer_that_is_killed_loses_none_and_repeats_a_page_at_most(clarus: Sandbox) -> None:
    database, kills = Database(), 12

    async def scenario() -> list[int]:
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: has_begun(database))
        made = clarus.add_documents(2_000, READY)
        for kill in range(kills):
            async with triggerer(database) as one:
                one.start(watcher())
                aim = sum(database.told().values()) + 1 + 130 * (kill % 3)
                await until(
                    lambda aim=aim: sum(database.told().values()) >= aim or len(database.told()) == 2_000
                )
                await asyncio.sleep(
                    0.01 * (kill % 5)
                )  # Soon after its events were in the database, or later.
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: len(database.told()) == len(made))
        return made

    made = run(scenario())
    assert set(database.told()) == set(made)
    repeats = sum(database.told().values()) - len(made)
    assert repeats <= kills * PAGE
    print(f"{len(made)} documents, {sum(database.told().values())} events, {repeats} repeats, {kills} kills")


def test_what_finishes_out_of_order_or_while_nobody_looks_is_not_lost(clarus: Sandbox) -> None:
    database = Database()

    def low() -> int:
        return int(database.stores["watcher"].state["low"])

    async def scenario() -> list[int]:
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: has_begun(database))
            slow = clarus.add_documents(150, NEVER)
            quick = clarus.add_documents(5, READY)
            await until(lambda: low() == quick[-1])
        for number in slow[::2]:
            clarus.documents[number].seconds = 0
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: len(database.told()) == 80)
            for number in reversed(slow):
                clarus.documents[number].seconds = 0
            await until(lambda: len(database.told()) == 155)
            await until(lambda: not database.stores["watcher"].state["pending"])
            return slow + quick

    assert once(run(scenario())) == database.told()


def test_two_watchers_with_the_same_filter_get_every_event_and_read_together(clarus: Sandbox) -> None:
    database = Database()

    async def scenario() -> tuple[list[int], int, int]:
        async with triggerer(database) as one:
            one.start(watcher(poll_interval=0.05), "one")
            one.start(watcher(poll_interval=0.06), "two")
            await until(lambda: has_begun(database, "one", "two"))
            before = clarus.count("graphql")
            made = clarus.add_documents(1_000, READY)
            await until(lambda: len(database.told("one")) == len(database.told("two")) == 1_000)
            return made, clarus.count("graphql") - before, one.most_at_once

    made, requests, most = run(scenario())
    assert database.told("one") == database.told("two") == once(made)
    # Each by itself would need ten pages.
    assert requests < 20
    assert most <= 2 * PAGE


def test_two_assets_with_alike_watchers_are_one_trigger_that_keeps_for_both(clarus: Sandbox) -> None:
    database = Database()

    async def scenario() -> list[int]:
        async with triggerer(database) as one:
            one.start(watcher(), "watcher", "stock", "orders")
            await until(lambda: has_begun(database, "stock", "orders"))
        made = clarus.add_documents(3, READY)
        # One of them is new, or was removed and added again.
        database.stores["orders"] = AssetStore()
        async with triggerer(database) as one:
            one.start(watcher(), "watcher", "orders", "stock")
            await until(lambda: len(database.told()) == 3)
            await until(lambda: database.stores["orders"].values == database.stores["stock"].values)
        return made

    assert once(run(scenario())) == database.told()


def test_credentials_that_end_and_return(clarus: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    database = Database()

    async def scenario() -> tuple[list[int], int]:
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: has_begun(database))
            clarus.revoke_tokens()
            clarus.inject(Fault("token", status=401, body={"error": "invalid_client"}))
            made = clarus.add_documents(3, READY)
            before = len(clarus.requests)
            await until(lambda: "failure 5 in a row" in caplog.text)
            spent = len(clarus.requests) - before
            assert not database.told()
            clarus.clear_faults()
            await until(lambda: len(database.told()) == 3)
            return made, spent

    with caplog.at_level(logging.INFO):
        made, requests = run(scenario())
    assert database.told() == once(made)
    # Each of the five failures is a question, and a token that is asked for in two forms, twice.
    assert requests <= 25
    assert "invalid_client" in caplog.text
    assert "Clarus answers again for the watch of tenant 'acme'" in caplog.text


def test_an_outage_in_the_middle_of_many_pages(clarus: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    database = Database()

    async def scenario() -> list[int]:
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: has_begun(database))
            made = clarus.add_documents(1_000, READY)
            await until(lambda: database.told())
            clarus.inject(Fault("graphql", status=502, body=HTML_ERROR, times=3))
            clarus.inject(Fault("graphql", body={"errors": [{"message": "Timeout"}]}, status=200, times=3))
            clarus.inject(Fault("graphql", status=429, headers={"Retry-After": "0.2"}, times=2))
            await until(lambda: len(database.told()) == 1_000)
            return made

    assert once(run(scenario())) == database.told()
    assert "502" in caplog.text


@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_a_clock_that_jumps(clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    database, real = Database(), time.time

    async def scenario() -> list[int]:
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: has_begun(database))
            made = clarus.add_documents(2, READY)
            await until(lambda: len(database.told()) == 2)
            monkeypatch.setattr(time, "time", lambda: real() + seconds)
            for document_id in clarus.add_documents(2, READY):
                clarus.documents[document_id].created = real() - 1e6
                made.append(document_id)
            await until(lambda: len(database.told()) == 4)
            return made

    assert once(run(scenario())) == database.told()


def test_a_server_without_a_filter_for_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database()
    with Sandbox(id_filter=False) as sandbox:
        filled(sandbox)
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", sandbox.connection_uri)
        sandbox.add_documents(150, READY)
        [late] = sandbox.add_documents(1, NEVER)

        async def scenario() -> list[int]:
            async with triggerer(database) as one:
                one.start(watcher())
                await until(lambda: has_begun(database))
                made = sandbox.add_documents(120, READY)
                await until(lambda: len(database.told()) == 120)
                sandbox.documents[late].seconds = 0
                await until(lambda: len(database.told()) == 121)
                return [late, *made]

        assert once(run(scenario())) == database.told()


@pytest.mark.parametrize("redacted", [False, True])
def test_a_server_that_answers_for_few_documents_at_a_time(
    monkeypatch: pytest.MonkeyPatch, redacted: bool
) -> None:
    database = Database()
    with Sandbox(max_complexity=150, redacted=redacted) as sandbox:
        filled(sandbox)
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", sandbox.connection_uri)

        async def scenario() -> list[int]:
            async with triggerer(database) as one:
                one.start(watcher())
                await until(lambda: has_begun(database))
                made = sandbox.add_documents(120, READY)
                await until(lambda: len(database.told()) == 120)
                return made

        assert once(run(scenario())) == database.told()


def test_while_airflow_keeps_nothing_a_watch_goes_on_and_never_begins_anew(
    clarus: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database()

    async def scenario() -> list[int]:
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: has_begun(database))
            database.stores["watcher"].is_away = True
            made = clarus.add_documents(2, READY)
            await until(lambda: len(database.told()) == 2)
            await until(lambda: "Could not keep how far" in caplog.text)
        made += clarus.add_documents(1, READY)
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: "Could not read what this watch kept" in caplog.text)
            database.stores["watcher"].is_away = False
            await until(lambda: len(database.told()) == 3)
        return made

    first, second, third = run(scenario())
    # As declared: those of which it could not be kept that they were told of come again.
    assert database.told() == Counter({first: 2, second: 2, third: 1})


def test_another_tenant_behind_the_connection_begins_anew(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database()

    async def look(until_told: int) -> None:
        async with triggerer(database) as one:
            one.start(watcher())
            await until(lambda: has_begun(database))
            await until(lambda: len(database.told()) == until_told)

    run(look(0))
    with filled(Sandbox(tenants=("globex",))) as other:
        other.add_documents(3, READY)
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", other.connection_uri)

        async def scenario() -> list[int]:
            async with triggerer(database) as one:
                one.start(watcher())
                await until(lambda: "globex" in database.stores["watcher"].state["place"])
                made = other.add_documents(1, READY)
                await until(lambda: database.told())
            return made

        assert once(run(scenario())) == database.told()
    assert "begins anew" in caplog.text


def test_arguments_are_settled_before_airflow_keeps_them() -> None:
    _, kept = ClarusDocumentsTrigger(
        subdomain=" globex ", poll_interval=timedelta(minutes=2), look_back="90", failed="yes", file_name="a*"
    ).serialize()
    assert kept == {
        "clarus_conn_id": "clarus_default",
        "subdomain": "globex",
        "category": None,
        "file_name": "a*",
        "file_type": None,
        "failed": True,
        "poll_interval": 120.0,
        "look_back": 90.0,
    }
    assert ClarusDocumentsTrigger(**kept).serialize()[1] == kept == json.loads(json.dumps(kept))


def test_alike_watchers_are_alike_however_they_are_written() -> None:
    one = ClarusDocumentsTrigger(poll_interval="60").serialize()
    assert one == ClarusDocumentsTrigger().serialize()
    assert ClarusDocumentsTrigger.hash(*one) == ClarusDocumentsTrigger.hash(
        *ClarusDocumentsTrigger().serialize()
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"poll_interval": "soon"},
        {"poll_interval": None},
        {"poll_interval": -1},
        {"poll_interval": True},
        {"poll_interval": math.nan},
        {"poll_interval": 1e12},
        {"look_back": "yesterday"},
        {"look_back": -1},
        {"look_back": math.inf},
        {"clarus_conn_id": None},
        {"clarus_conn_id": ""},
        {"clarus_conn_id": "{{ var.value.connection }}", "subdomain": ""},
        {"subdomain": "None"},
        {"category": ["report"]},
        {"category": ""},
        {"file_name": 1.5},
        {"file_name": "*" * 501},
        {"file_type": b"csv"},
        {"failed": "perhaps"},
        {"failed": None},
    ],
)
def test_an_argument_that_means_nothing_is_refused_where_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    trigger = ClarusDocumentsTrigger(**arguments)
    assert repr(trigger)
    # In a triggerer that has it all the same, it must not be started again and again.
    assert trigger.shared_stream_key() is None
    with pytest.raises(ClarusInputError, match=list(arguments)[-1]):
        trigger.serialize()


def test_an_interval_has_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert ClarusDocumentsTrigger(poll_interval=0).serialize()[1]["poll_interval"] == 1.0


def test_an_event_leads_to_the_file(clarus: Sandbox, tmp_path: Path) -> None:
    database = Database()

    async def scenario() -> None:
        async with triggerer(database) as one:
            one.start(watcher(file_name="report-7-*", file_type="text/csv", category="report"))
            await until(lambda: has_begun(database))
            clarus.add_report(Report(10, seconds=0, file_name="label.pdf"))
            clarus.add_documents(1, 10)
            clarus.add_documents(1, READY)
            await until(lambda: database.payloads)

    run(scenario())
    [payload] = database.payloads
    event = SimpleNamespace(extra={"from_trigger": True, "payload": payload})
    values = context(triggering_asset_events={"asset": [event]})
    operator = ClarusDownloadDocumentOperator(
        task_id="land",
        document_id="{{ (triggering_asset_events.values() | first | first).extra.payload.id }}",
        subdomain="{{ (triggering_asset_events.values() | first | first).extra.payload.tenant }}",
        destination=f"file://{tmp_path}/",
    )
    operator.render_template_fields(values)
    assert operator.execute(values)["uri"] == f"file://{tmp_path}/{payload['name']}"
    assert (tmp_path / payload["name"]).read_text().startswith("line,")


def test_an_error_of_our_own_is_told_and_slows_down_what_airflow_starts_again(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any) -> Any:
        raise ZeroDivisionError("a slip of ours")

    monkeypatch.setattr(documents, "AFTER_A_BREAK", 0.3)
    monkeypatch.setattr(ClarusDocumentsTrigger, "_events", broken)
    begun = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        run(anext(watcher().run()))
    assert time.monotonic() - begun >= 0.3
    assert "broke; it goes on in" in caplog.text
