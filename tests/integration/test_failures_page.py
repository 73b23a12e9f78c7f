# SPDX-License-Identifier: Apache-2.0
"""Each row of docs/failures.md happens: the log says what the page says, and who retries is who it says."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import ssl
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, BaseHook

from airflow_provider_clarus import durable
from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.api.models import finished
from airflow_provider_clarus.auth import _failures, tokens
from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.hooks import connections
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.http import transport
from airflow_provider_clarus.landing import _download, destination
from airflow_provider_clarus.landing import document as landing_document
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.oauth import USER
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.stopping import TaskStopped
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from airflow_provider_clarus.triggers import document as trigger_document
from airflow_provider_clarus.waiting import _waiter, watch
from tests import readme
from tests.integration.landing.stores import free_ports
from tests.integration.tasks import Store, context, deferral, event_of, restored, run, task_instance

WAIT = {"wait_for_completion": True, "deferrable": False, "poll_interval": 0.1}
DEFER = WAIT | {"deferrable": True}
OWN = {"errors": [{"code": 1403, "symbol": "forbidden", "details": "Not allowed."}]}


class Killed(BaseException):
    """What a process does not live to tell."""


class Night:
    """A sandbox, a connection to it, and the tries of one task with two retries."""

    def __init__(self, sandbox: Sandbox, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.sandbox, self.patch, self.file, self.store = sandbox, patch, folder / "stock.csv", Store()
        self.connect()

    def connect(self, **fields: Any) -> None:
        connection = json.loads(self.sandbox.connection_json) | fields
        self.patch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", json.dumps(connection))

    def fault(self, endpoint: str, **what: Any) -> None:
        self.sandbox.inject(Fault(endpoint, **what))

    def context(self, number: int = 1, max_tries: int = 2, **facts: Any) -> Any:
        facts = {"dag_id": "stock", "task_id": "t", "run_id": "today", "map_index": -1, **facts}
        ti = task_instance(max_tries=max_tries, try_number=number, **facts)
        return context(ti=ti, task_state_store=self.store)

    def generate(self, number: int = 1, max_tries: int = 2, **arguments: Any) -> Any:
        task = ClarusGenerateReportOperator(task_id="t", **({"report_id": 7} | arguments))
        return task.execute(self.context(number, max_tries, start_date=datetime.now(timezone.utc)))

    def land(self, number: int = 1, **arguments: Any) -> Any:
        defaults = {"destination": f"file://{self.file}", "deferrable": False, "poll_interval": 0.1}
        task = ClarusReportToObjectStorageOperator(task_id="t", **({"report_id": 7} | defaults | arguments))
        return task.execute(self.context(number))

    def store_is_away(self, when: Callable[[str], Any] = lambda key: True) -> None:
        write = self.store.set

        def refuse(key: str, value: Any) -> None:
            if when(key):
                raise RuntimeError("the API server is away")
            write(key, value)

        self.patch.setattr(self.store, "set", refuse)


Happening = Callable[[Night], Any]
HAPPENINGS: dict[str, Happening] = {}


def row(what: str) -> Callable[[Happening], Happening]:
    """Let a function make happen what a row of the page is about, told by how its first cell begins."""

    def keep(happening: Happening) -> Happening:
        HAPPENINGS[what] = happening
        return happening

    return keep


@row("Airflow finds no connection")
def _(night: Night) -> None:
    night.patch.delenv("AIRFLOW_CONN_CLARUS_DEFAULT")
    night.generate()


@row("Airflow's API or a secrets backend")
def _(night: Night) -> None:
    night.patch.setattr(connections, "LONGEST_FETCH", 0.1)
    night.patch.setattr(BaseHook, "get_connection", lambda conn_id: time.sleep(1))
    night.generate()


@row("The library of the destination's storage")
def _(night: Night) -> None:
    night.patch.setattr(destination, "find_spec", lambda library: None)
    night.land(destination="s3://aws_default@bucket/stock.csv")


@row("An object is there")
def _(night: Night) -> None:
    night.file.write_text("")
    night.land(if_exists="fail")


@row("Airflow's task state store is away")
def _(night: Night) -> None:
    night.store_is_away()
    night.generate()


@row("Clarus is not there")
def _(night: Night) -> None:
    night.connect(port=free_ports(1)[0])
    night.generate()


@row("Too many requests")
def _(night: Night) -> None:
    night.fault("generate", status=429)
    night.generate()


@row("A proxy or a firewall answers")
def _(night: Night) -> None:
    night.fault("generate", status=403, body="<h1>Blocked</h1>")
    night.generate()


@row("The token endpoint is in trouble")
def _(night: Night) -> None:
    night.fault("token", status=503)
    night.patch.setattr(_failures, "PAUSE", 0.0)
    night.generate()


@row("A call of your own")
def _(night: Night) -> None:
    night.fault("reports", status=403, body=OWN)
    ClarusHook().run("GET", "/api/reports")


@row("The credentials are refused")
def _(night: Night) -> None:
    night.connect(password="wrong")
    night.generate()


@row("A token has ended before its time")
def _(night: Night) -> None:
    night.generate()
    night.sandbox.revoke_tokens()
    night.generate(max_tries=3)
    assert night.sandbox.count("token") == 2


@row("A new token is refused")
def _(night: Night) -> None:
    night.fault("generate", status=401, body={"error": "invalid_token"})
    night.generate()


@row("The connection's own `access_token`")
def _(night: Night) -> None:
    night.connect(extra={"grant_type": "access_token", "access_token": "ended"})
    night.generate()


def refresh_token(night: Night) -> dict[str, Any]:
    return {"grant_type": "refresh_token", "refresh_token": night.sandbox.issue_token(USER)["refresh_token"]}


@row("A refresh token has rotated")
def _(night: Night) -> None:
    night.connect(extra=refresh_token(night))

    def none_to_offer(*_: Any, **__: Any) -> Any:
        raise OSError("a read-only file system")

    night.patch.setattr(tokens, "open_slot", none_to_offer)
    ClarusHook().client.tokens.get()


@row("A refresh token was used up elsewhere")
def _(night: Night) -> None:
    night.connect(extra=refresh_token(night))
    ClarusHook().client.tokens.get()
    night.patch.setenv("XDG_STATE_HOME", str(night.file.parent / "another machine"))
    ClarusHook().client.tokens.get()


@row("A certificate is not trusted")
def _(night: Night) -> None:
    error = requests.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed certificate"))
    raise transport.failure(error, "generate report 7 in tenant 'acme'")


@row("The catalogue cannot be read")
def _(night: Night) -> None:
    night.sandbox.add_report(Report(7, query=STOCK_QUERY))
    night.fault("graphql", status=503)
    night.generate(variables={"account_id": 3})


@row("Somebody else owns the report")
def _(night: Night) -> None:
    night.sandbox.add_report(Report(7, owner="somebody-else"))
    night.generate()


@row("There is no such report")
def _(night: Night) -> None:
    night.generate(report_id=8)


@row("Clarus refuses the request otherwise")
def _(night: Night) -> None:
    night.fault("generate", status=422, body=OWN)
    night.generate()


@row("Nobody knows whether the report is queued")
def _(night: Night) -> None:
    night.fault("generate", acts=True, status=504)
    night.generate()


@row('The same, with `on_unknown_outcome="fail"`')
def _(night: Night) -> None:
    night.fault("generate", acts=True, status=504)
    night.generate(on_unknown_outcome="fail")


@row("A worker is killed while it asks")
def _(night: Night) -> None:
    generate = ClarusClient.generate_report

    def die(*arguments: Any, **options: Any) -> Any:
        generate(*arguments, **options)
        raise Killed

    with night.patch.context() as patch:
        patch.setattr(ClarusClient, "generate_report", die)
        with pytest.raises(Killed):
            night.generate()
    night.generate(2)


@row("Airflow's task state store goes away just then")
def _(night: Night) -> None:
    night.store_is_away(lambda key: night.sandbox.documents)
    night.generate()


@row("A worker is killed later")
def _(night: Night) -> None:
    assert night.generate() == night.generate(2)


@row("The same before Airflow 3.3")
def _(night: Night) -> None:
    night.store = None  # type: ignore[assignment]
    night.generate()


@row("A retry does not see that document")
def _(night: Night) -> None:
    night.sandbox.add_report(Report(7, replica_lag=math.inf))
    night.patch.setattr(durable, "MISSING_GRACE", 0.5)
    assert (night.generate(), night.generate(2)) == (1, 2)


@row("The document of an earlier try has failed")
def _(night: Night) -> None:
    night.sandbox.add_report(Report(7, seconds=0, outcome="failed"))
    assert (night.generate(), night.generate(2)) == (1, 2)


@row("An outage, a deploy")
def _(night: Night) -> None:
    night.fault("graphql", status=502, times=2)
    run(lambda: ClarusGenerateReportOperator(task_id="t", report_id=7, **DEFER))
    night.fault("graphql", status=502, times=5)
    sensor = ClarusDocumentSensor(task_id="t", document_id=1, deferrable=False, poke_interval=0.1)
    sensor.execute(night.context())


@row("The same refusal of a read")
def _(night: Night) -> None:
    night.fault("graphql", status=403, body=OWN)
    night.generate(**WAIT)


@row("One document breaks the answer for all")
def _(night: Night) -> None:
    night.fault("graphql", status=500, document_id=1, times=2)
    run(lambda: ClarusGenerateReportOperator(task_id="t", report_id=7, **DEFER))


@row("Clarus could not generate the report")
def _(night: Night) -> None:
    night.sandbox.add_report(Report(7, seconds=0, outcome="failed"))
    night.generate(**WAIT)


@row("The document is not ready in time")
def _(night: Night) -> None:
    night.sandbox.add_report(Report(7, seconds=math.inf))
    night.generate(**WAIT, timeout=1)


@row("`execution_timeout` is over")
def _(night: Night) -> None:
    task = ClarusGenerateReportOperator(task_id="t", report_id=7)
    with pytest.raises(AirflowTaskTimeout), task.working(report_id=7, tenant="acme"):
        raise AirflowTaskTimeout
    night.sandbox.add_report(Report(7, seconds=math.inf))
    night.generate(**WAIT, execution_timeout=timedelta(seconds=1))


@row("The document is not to be seen at three looks in a row")
def _(night: Night) -> None:
    finished(None, document_id=1, tenant="acme", missing_for=121)


@row("A triggerer is killed or restarted")
def _(night: Night) -> None:
    deferred = deferral(ClarusGenerateReportOperator(task_id="t", report_id=7, **DEFER))
    for _another in range(2):
        assert "document" in event_of(restored(deferred.trigger))


@row("It comes back after the deadline")
def _(night: Night) -> None:
    task = ClarusGenerateReportOperator(task_id="t", report_id=7, **DEFER)
    trigger = deferral(task).trigger
    trigger.since, trigger.deadline = trigger.since - 3660, trigger.since - 60
    night.patch.setattr(watch, "LAST_LOOK", 0.1)
    night.patch.setattr(_waiter, "LATE_LOOK", 0.5)
    night.fault("graphql", status=503)
    task.execute_complete(night.context(), event=event_of(restored(trigger)))


@row("No triggerer lives")
def _(night: Night) -> None:
    task = ClarusGenerateReportOperator(task_id="t", report_id=7, **DEFER)
    task.resume_execution("__fail__", {"error": "Trigger timeout"}, night.context(xcom_pull=lambda **_: 1))


@row("Something breaks in the triggerer")
def _(night: Night) -> None:
    async def breaks(**_: Any) -> None:
        raise RuntimeError("can't start new thread")

    async def broken() -> Any:
        return breaks

    night.patch.setattr(trigger_document, "_shared_wait", broken)
    run(lambda: ClarusGenerateReportOperator(task_id="t", report_id=7, **DEFER))


@row("A task of one release goes on with another")
def _(night: Night) -> None:
    task = ClarusGenerateReportOperator(task_id="t", report_id=7, **DEFER)
    task.execute_complete(night.context(), event={"version": 99})


@row("A download breaks off")
def _(night: Night) -> None:
    night.fault("file", cut_at=10, times=1)
    night.fault("file", before=night.sandbox.expire_urls, times=1)
    night.land()


@row("It breaks off again and again")
def _(night: Night) -> None:
    night.fault("file", reset=True)
    night.land()


@row("Fresh URLs are refused")
def _(night: Night) -> None:
    night.fault("file", status=403, body="<Error><Code>AccessDenied</Code></Error>")
    night.land()


@row("The file changes while it is read")
def _(night: Night) -> None:
    night.fault("file", cut_at=10, before=lambda: night.sandbox.documents[1].change_content())
    night.land()


@row("The file arrives damaged")
def _(night: Night) -> None:
    for body in (b"a,b\n", b"a;b\n"):
        night.fault("file", status=200, headers={"ETag": f'"{"0" * 32}"'}, body=body, times=1)
    night.land()


@row("The document's name stays unknown")
def _(night: Night) -> None:
    night.patch.setattr(landing_document, "NAME_PAUSES", ())
    landing_document._named(ClarusHook(), 1, None, logging.getLogger("task"))


@row("The user may not download it")
def _(night: Night) -> None:
    night.fault("download", status=403, body=OWN)
    night.land()


@row("The file is gone from its storage")
def _(night: Night) -> None:
    night.fault("file", status=404, body="<Error/>")
    night.land()


@row("The storage refuses for good")
def _(night: Night) -> None:
    night.fault("file", status=400, body="<Error><Code>InvalidArgument</Code></Error>")
    night.land()


@row("The URL leads where no file should be")
def _(night: Night) -> None:
    night.fault("download", status=200, body={"url": "http://example.com/stock.csv"})
    night.land()


@row("The file comes packed")
def _(night: Night) -> None:
    night.fault(
        "file", status=200, headers={"Content-Encoding": "br", "Content-Type": "text/csv"}, body="a,b"
    )
    night.land()


@row("The destination's storage fails")
def _(night: Night) -> None:
    night.file.write_text("")
    night.land(destination=f"file://{night.file}/stock.csv")


@row("Airflow's task state store is away, and")
def _(night: Night) -> None:
    night.store_is_away(lambda key: key == "clarus_landing")
    night.land(if_exists="fail")


@row("A worker is killed after it has landed")
def _(night: Night) -> None:
    night.land(if_exists="fail")
    night.land(2, if_exists="fail")


@row("A task at work is ended")
def _(night: Night) -> None:
    task = ClarusDownloadDocumentOperator(task_id="t", document_id=1, destination="file:///tmp/")
    with task.working(report_id=7, document_id=1, tenant="acme"):
        task.on_kill()


@row("A deferred task is ended")
def _(night: Night) -> None:
    task = ClarusReportToObjectStorageOperator(
        task_id="t", report_id=7, destination=f"file://{night.file}", deferrable=True
    )
    trigger = restored(deferral(task).trigger)
    # Airflow's own logger for triggers hands nothing on.
    night.patch.setattr(type(trigger), "log", logging.getLogger("task"))
    asyncio.run(trigger.on_kill())


@row("A task is cleared while it is at work")
def _(night: Night) -> None:
    night.generate()
    restarting = lambda *_, **__: {"today": {"t": "restarting"}}  # noqa: E731
    durable.forget_if_cleared(night.context(get_task_states=restarting))
    assert night.generate() == 2


@row("A task is cleared later")
def _(night: Night) -> None:
    assert (night.generate(), night.generate(max_tries=3)) == (1, 2)


_TABLE = re.findall(
    r"^\| (.+) \| (.+) \| (.+) \| .+ \|$", readme.section("What happens, and who retries"), flags=re.MULTILINE
)
#: What happened: what the log says, and who retries. Those without a text of their own lead to another page.
ROWS = {what: (says, who) for what, says, who in _TABLE if "`" in says}


def happening(what: str) -> Happening:
    # The longest that fits: some rows begin alike.
    return HAPPENINGS[max((begin for begin in HAPPENINGS if what.startswith(begin)), key=len, default="")]


def test_each_happening_has_its_row() -> None:
    assert len({happening(what) for what in ROWS}) == len(ROWS) == len(HAPPENINGS)


@pytest.mark.usefixtures("no_pauses", "hurry", "impatience")
@pytest.mark.parametrize("what", ROWS)
def test_it_happens_as_the_page_says(
    what: str,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    says, who = ROWS[what]
    monkeypatch.setattr(_download, "_pause", lambda breaks: 0.0)
    error: BaseException | None = None
    with caplog.at_level(logging.INFO):
        try:
            happening(what)(Night(sandbox, monkeypatch, tmp_path))
        except (Exception, TaskStopped) as raised:
            error = raised
    said = f"{error}\n{caplog.text}"
    parts = [part.strip() for text in re.findall("`(.+?)`", says) for part in text.split("…")]
    assert [part for part in parts if part not in said] == [], said
    if isinstance(error, ClarusError):
        at_last = re.split("then |else ", who)[-1].partition(",")[0].partition(";")[0]
        assert at_last == ("Airflow" if error.may_pass else "nobody")
    else:
        assert who != "nobody" or error is None, error
