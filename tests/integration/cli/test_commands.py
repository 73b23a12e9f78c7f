# SPDX-License-Identifier: Apache-2.0
"""The command line against the sandbox, in this process; ``test_airflow.py`` runs Airflow's own."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_clarus.__main__ import main
from airflow_provider_clarus.api.reports import Report as ReadReport
from airflow_provider_clarus.cli._snippet import snippet
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import STOCK_QUERY, Report, ReportQuery
from airflow_provider_clarus.sandbox.server import Sandbox

TASKS = ReportQuery(id=2, name="Tasks", graphql="query t($user_id: ID, $ids: [ID!]!) { tasks { id } }")

Run = Callable[..., str]


@pytest.fixture
def clarus(clarus_default: Sandbox) -> Sandbox:
    clarus_default.add_report(Report(id=7, name="Stock Summary", query=STOCK_QUERY, seconds=0.1))
    clarus_default.add_report(Report(id=8, name="[red]Tasks[/x]", query=TASKS, owner="somebody-else"))
    return clarus_default


@pytest.fixture
def run(clarus: Sandbox, capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> str:
        main(list(arguments))
        return capfd.readouterr().out

    return run


def fails(*arguments: str) -> str:
    """Return the one line with which a command ends; Python prints it and exits with 1."""
    with pytest.raises(SystemExit) as raised:
        main(list(arguments))
    assert isinstance(raised.value.code, str)
    assert "\n" not in raised.value.code
    return raised.value.code


def test_list(run: Run) -> None:
    table = run("reports", "list")
    assert "Stock Summary" in table
    assert "[red]Tasks[/x]" in table
    assert "date_from (Date), date_to (Date), account_id (Integer), note (String)" in table
    (found,) = json.loads(run("reports", "list", "--name", "stock", "-o", "json"))
    assert (found["id"], found["name"], found["query"]) == ("7", "Stock Summary", "Stock by location")
    assert found["variables"]["date_from"] == "Date"
    assert [row["name"] for row in yaml.safe_load(run("reports", "list", "-o", "yaml"))] == [
        "Stock Summary",
        "[red]Tasks[/x]",
    ]
    assert run("reports", "list", "--name", "nothing").strip() == "No data found"


@pytest.mark.parametrize("report", ["7", "Stock Summary"])
def test_show(run: Run, report: str) -> None:
    shown = run("reports", "show", report)
    assert "account_id | Integer" in shown
    assert 'interval_variables=("date_from", "date_to")' in shown
    (found,) = json.loads(run("reports", "show", report, "--output", "json"))
    assert found["query_name"] == "Stock by location"
    assert "report_id=7,  # Stock Summary" in found["dag"]


def test_show_of_a_report_whose_query_is_gone(run: Run, clarus: Sandbox) -> None:
    clarus.add_report(Report(id=9, query=None))
    assert "What it declares cannot be read" in run("reports", "show", "9")


def test_generate_does_the_whole_job(run: Run, clarus: Sandbox, tmp_path: Path, caplog: Any) -> None:
    before = logging.getLogger("airflow_provider_clarus").handlers[:]
    destination = f"file://{tmp_path}/stock.csv"
    variables = ["--variable", "date_from=2024-01-15T00:00:00+00:00", "--variable", "account_id=3"]
    again = ["--variable", "account_id=14", "--variable", "note=a=b"]
    printed = run(
        "reports", "generate", "Stock Summary", *variables, *again, "--destination", destination,
        "--poll-interval", "1", "-o", "json",
    )  # fmt: skip
    (landed,) = json.loads(printed)
    assert (landed["uri"], landed["document_id"]) == (destination, "1")
    assert (tmp_path / "stock.csv").read_bytes().count(b"\n") == 4
    assert clarus.documents[1].variables == {
        "date_from": ["2024-01-15T00:00:00+00:00"],
        "account_id": ["3", "14"],
        "note": ["a=b"],
    }
    assert logging.getLogger("airflow_provider_clarus").handlers == before


def test_generate_shows_its_progress(clarus: Sandbox, tmp_path: Path, capfd: Any) -> None:
    main(["reports", "generate", "7", "--destination", f"file://{tmp_path}/", "--poll-interval", "1"])
    shown = capfd.readouterr().err
    assert "Report 7 of tenant 'acme' is queued as document 1" in shown
    assert "-> available" in shown
    assert "Landed" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["7", "--variable", "date_form=today"], "did you mean 'date_from' or 'date_to'?"),
        (["7", "--variable", "account_id=x"], "declares an Integer"),
        (["7", "--variable", "oops"], "--variable is 'oops'"),
        (["8"], "answered 403"),
        (["99"], "answered 404"),
        (["stock summary"], "did you mean 'Stock Summary', which differs by case?"),
    ],
)
def test_generate_ends_with_one_line(clarus: Sandbox, arguments: list[str], said: str) -> None:
    assert said in fails("reports", "generate", *arguments, "--destination", "file:///nowhere/at/all/")
    assert not clarus.documents


@pytest.mark.parametrize(
    ("destination", "said"),
    [
        ("bucket/key", "is not a URI"),
        ("file:///tmp", "is no file; end the destination in /"),
        ("file:///tmp/None.csv", "None"),
        ("s3://nowhere@bucket/stock.csv", "nowhere"),
    ],
)
def test_generate_knows_where_to_before_anything_is_sent(
    clarus: Sandbox, destination: str, said: str
) -> None:
    assert said in fails("reports", "generate", "7", "--destination", destination)
    assert not clarus.requests


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["check", "--deep"],
        ["reports", "list"],
        ["reports", "show", "7"],
        ["reports", "generate", "7", "--destination", "file:///nowhere/at/all/"],
        ["reports", "create", "Mine", "--like", "7", "--field", "SKU=node.sku"],
    ],
)
def test_an_empty_tenant_is_not_the_connections_own(clarus: Sandbox, command: list[str]) -> None:
    """Such as of ``--subdomain "$TENANT"`` where that is not set."""
    assert "subdomain is ''" in fails(*command, "--subdomain", "")
    assert not clarus.requests


def test_the_check_of_variables_can_be_left_out(run: Run, clarus: Sandbox, tmp_path: Path) -> None:
    run(
        "reports", "generate", "7", "--variable", "date_form=x", "--no-check-variables",
        "--poll-interval", "1", "--destination", f"file://{tmp_path}/",
    )  # fmt: skip
    assert len(clarus.documents) == 1


def test_create_makes_what_can_be_generated(run: Run, clarus: Sandbox, capfd: Any) -> None:
    assert "which columns" in fails("reports", "create", "Mine", "--like", "8").lower()
    assert "which query" in fails("reports", "create", "Mine", "--field", "Task=node.id").lower()
    wrong = ["--field", "Task=node.id", "--variable", "user=3"]
    assert "did you mean 'user_id'" in fails("reports", "create", "Mine", "--like", "8", *wrong)
    run("reports", "create", "Mine", "--like", "8", "--field", "Task=node.id")
    run(
        "reports",
        "create",
        "Tasks by hand",
        "--query",
        "Tasks",
        "--field",
        "Task=node.id",
        "--variable",
        "user_id=3",
    )
    mine, by_hand = (report for report in clarus.reports if report.id > 8)
    assert (mine.name, mine.report_type, mine.source_path) == ("Mine", "single", "data.stock_balances.all")
    assert (by_hand.owner, by_hand.query and by_hand.query.name) == (clarus.client_id, "Tasks")
    assert by_hand.variables == {"user_id": "3"}


def test_check(clarus: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    main(["check"])
    printed = capfd.readouterr()
    assert printed.out.endswith("This user sees 2 reports.\n")
    steps = [line for line in printed.err.splitlines() if line.startswith("Step ")]
    assert steps == [
        "Step 1 of 4, get a token: all right.",
        "Step 2 of 4, reach the tenant: all right.",
        "Step 3 of 4, ask for the status of documents: all right.",
    ]
    clarus.inject(Fault("graphql", status=403))
    assert fails("check").startswith("Step 2 of 4, reach the tenant: ")
    assert "connection 'nope'" in fails("check", "--conn-id", "nope")
    assert "initech" in fails("check", "--subdomain", "initech")


def test_an_error_that_is_none_of_ours_is_one_line_too(
    clarus: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("two\nlines")

    monkeypatch.setattr("airflow_provider_clarus.hooks.clarus.ClarusHook.get_reports", fail)
    assert fails("reports", "list") == "two lines"


@pytest.mark.parametrize(
    ("name", "variables", "expected"),
    [
        ("Stock", {"date_from": "Date", "date_to": "Date", "id": "Integer"}, ("date_from", "date_to")),
        ("Täglich: 100%\n\"x\"", {"created_at_start": "Date", "created_at_end": "Date"},
         ("created_at_start", "created_at_end")),
        ("¡", {"date_to": "Date", "note": "String", "ids": "[ID!]!"}, None),
        ("{{ ds }} {x}", None, None),
    ],
)  # fmt: skip
def test_the_dag_to_paste_is_a_dag(name: str, variables: dict[str, str] | None, expected: Any) -> None:
    source = snippet(ReadReport(id=7, name=name, variables=variables)).replace(
        "with DAG(", "with (dag := DAG("
    )
    scope: dict[str, Any] = {}
    exec(compile(source.replace("catchup=False,\n):", "catchup=False,\n)):"), "dag.py", "exec"), scope)
    (task,) = scope["dag"].tasks
    assert (task.report_id, task.interval_variables, task.variables or {}) == (7, expected, {})
