# SPDX-License-Identifier: Apache-2.0
"""Whatever a DAG hands over, in whatever way, means what it says, or is refused before anything is sent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from importlib.metadata import version
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pendulum
import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    BaseOperator,
    ObjectStoragePath,
    TaskDeferred,
    task_group,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import (
    ClarusConfigError,
    ClarusError,
    ClarusInputError,
    ClarusNotFoundError,
    ClarusOutcomeUnknownError,
    ClarusTimeoutError,
)
from airflow_provider_clarus.landing import document as landing_document
from airflow_provider_clarus.landing.landing import Landing
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.policy import patience
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from airflow_provider_clarus.triggers import deferral
from tests.integration.tasks import context

DAY = {
    "data_interval_start": pendulum.datetime(2024, 3, 30),
    "data_interval_end": pendulum.datetime(2024, 3, 31),
}


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


#: What a value means as a flag, as seconds, as an id and as a name; what is in none of them means nothing.
FLAGS: list[tuple[Any, bool]] = [
    *[(value, True) for value in (True, 1, "true", "True", " YES ", "1")],
    *[(value, False) for value in (False, 0, "false", "False", "no", "0")],
]
SECONDS: list[tuple[Any, float]] = [
    (5, 5),
    (2.5, 2.5),
    ("90", 90),
    (" 7.5 ", 7.5),
    ("1e2", 100),
    (numpy.float64(3), 3),
    (numpy.int64(40), 40),
    (timedelta(minutes=2), 120),
    (pendulum.duration(minutes=1), 60),
]
NOTHING: list[Any] = [
    None,
    "None",
    "",
    "  ",
    "soon",
    b"5",
    -1,
    "-5",
    math.nan,
    math.inf,
    "nan",
    "inf",
    10**400,
    2**64,
    10**5000,
    1e300,
    timedelta(seconds=-1),
    timedelta.max,
    Decimal(5),
    complex(1, 0),
    date(2024, 3, 31),
    [],
    [5],
    {"a": 1},
    {5},
    object(),
    Unprintable(),
    Path("/tmp/5"),
    "on",
    "maybe",
]
#: What a template makes of them is a number.
MEANT_AS_TEXT = {str(Decimal(5)), str(2.0)}

NOTES: list[tuple[Any, bool]] = [(["note"], True), ({"note", "x"}, True), (("x",), False), ([], False)]
AS: dict[str, list[tuple[Any, Any]]] = {
    "flag": FLAGS,
    "flag or names": FLAGS + NOTES,
    "seconds": SECONDS,
    "report": [(7, 7), ("7", 7), (" 7 ", 7), (numpy.int64(7), 7)],
    "document": [(1, 1), ("1", 1), (" 1 ", 1), (numpy.int64(1), 1)],
    "tenant": [("globex", "globex"), (" globex ", "globex"), (None, "acme"), (404, "404")],
    "connection": [("clarus_eu", "clarus_eu"), (" clarus_eu ", "clarus_eu")],
    "window": [(("a", "b"), ("a", "b")), (["a", "b"], ("a", "b")), (None, None)],
    "overwriting": [("replace", True), ("fail", False)],
    "report's name": [("Picks", "Picks"), ("404", "404"), ("Picks, by hour", "Picks, by hour")],
    "after doubt": [("retry", "retry"), (" retry ", "retry"), ("fail", "fail")],
    "media type": [("text/csv", "text/csv"), (" text/plain ", "text/plain"), (None, None)],
    "metadata": [
        ({"team": "stock"}, {"team": "stock"}),
        ({"year": 2024, "day": date(2024, 3, 31)}, {"year": "2024", "day": "2024-03-31"}),
        ({"team": "stock", "owner": None}, {"team": "stock"}),
        ({}, {}),
        (None, {}),
    ],
    "object's arguments": [
        ({"CacheControl": "no-store"}, {"CacheControl": "no-store"}),
        ({"Expires": date(2024, 3, 31)}, {"Expires": "2024-03-31"}),
        ({}, {}),
        (None, {}),
    ],
    "compression": [("gzip", "gzip"), (" gzip ", "gzip"), (None, None)],
    "destination": [
        ("s3://aws_arguments@bucket/x.csv", "s3://aws_arguments@bucket/x.csv"),
        ("s3://bucket/a b/", "s3://bucket/a b/"),
        (ObjectStoragePath("s3://bucket/x.csv", conn_id="aws_arguments"), "s3://aws_arguments@bucket/x.csv"),
    ],
    "variables": [
        ({"note": "x"}, {"note": ["x"]}),
        ({"account_id": [3, 4], "note": None}, {"account_id": ["3", "4"]}),
        ([{"name": "note", "value": "x"}], {"note": ["x"]}),
        ({"since": date(2024, 3, 31)}, {"since": ["2024-03-31T00:00:00+00:00"]}),
        ({}, {}),
        ([], {}),
        (None, {}),
    ],
}
#: Of which ``None`` is a value: what is not passed.
OPTIONAL = ("tenant", "window", "media type", "metadata", "object's arguments", "compression", "variables")
KINDS = {
    "report_id": "report",
    "document_id": "document",
    "subdomain": "tenant",
    "clarus_conn_id": "connection",
    "interval_variables": "window",
    "allow_relative_variables": "flag or names",
    "wait_for_completion": "flag",
    "deferrable": "flag",
    "check_variables": "flag",
    "if_exists": "overwriting",
    "report_name": "report's name",
    "variables": "variables",
    "destination": "destination",
    "on_unknown_outcome": "after doubt",
    "content_type": "media type",
    "metadata": "metadata",
    "extra_args": "object's arguments",
    "compression": "compression",
    "poll_interval": "seconds",
    "poke_interval": "seconds",
    "timeout": "seconds",
}

numbers = count(1)


def names() -> tuple[str, str]:
    number = next(numbers)
    return f"dag_{number}", f"task_{number}"


class Upstream(BaseOperator):
    def execute(self, context: Any) -> None:
        raise AssertionError


def arguments_of(operator_class: Any, folder: Path, name: str) -> dict[str, Any]:
    """Return arguments with which the operator defers, or lands a file, and one of them shows."""
    given = {
        ClarusGenerateReportOperator: {"report_id": 7, "wait_for_completion": True, "deferrable": True},
        ClarusDocumentSensor: {"document_id": 2, "deferrable": True},
        ClarusDownloadDocumentOperator: {"document_id": 1, "destination": f"file://{folder}/x.csv"},
        ClarusReportToObjectStorageOperator: {
            "report_id": 7,
            "destination": f"file://{folder}/not-yet.csv",
            "deferrable": True,
        },
    }
    arguments = dict(given[operator_class])
    if name == "report_name":
        del arguments["report_id"]
    if name == "check_variables":
        arguments["variables"] = {"account_id": 3}
    if name == "allow_relative_variables":
        arguments["variables"] = {"note": "3 days ago"}
    if name == "extra_args":
        arguments["destination"] = "s3://aws_arguments@bucket/x.csv"
    return arguments


def plain(operator_class: Any, name: str, value: Any, others: dict[str, Any]) -> Any:
    with DAG(names()[0], schedule=None, start_date=pendulum.datetime(2024, 1, 1)):
        return operator_class(task_id=names()[1], **(others | {name: value}))


def jinja(operator_class: Any, name: str, value: Any, others: dict[str, Any]) -> Any:
    return plain(operator_class, name, "{{ value }}", others)


def native_jinja(operator_class: Any, name: str, value: Any, others: dict[str, Any]) -> Any:
    start = pendulum.datetime(2024, 1, 1)
    with DAG(names()[0], schedule=None, start_date=start, render_template_as_native_obj=True):
        return operator_class(task_id=names()[1], **(others | {name: "{{ value }}"}))


def xcom(operator_class: Any, name: str, value: Any, others: dict[str, Any]) -> Any:
    with DAG(names()[0], schedule=None, start_date=pendulum.datetime(2024, 1, 1)):
        upstream = Upstream(task_id=names()[1])
        return operator_class(task_id=names()[1], **(others | {name: upstream.output}))


def default_args(operator_class: Any, name: str, value: Any, others: dict[str, Any]) -> Any:
    start = pendulum.datetime(2024, 1, 1)
    others = {key: other for key, other in others.items() if key != name}
    with DAG(names()[0], schedule=None, start_date=start, default_args={name: value}):
        return operator_class(task_id=names()[1], **others)


def mapped(operator_class: Any, name: str, value: Any, others: dict[str, Any]) -> Any:
    others = {key: other for key, other in others.items() if key != name}
    with DAG(names()[0], schedule=None, start_date=pendulum.datetime(2024, 1, 1)):
        return operator_class.partial(task_id=names()[1], **others).expand(**{name: [value]})


def mapped_task_group(operator_class: Any, name: str, value: Any, others: dict[str, Any]) -> Any:
    made = []

    @task_group
    def group(value: Any) -> None:
        made.append(operator_class(task_id=names()[1], **(others | {name: value})))

    with DAG(names()[0], schedule=None, start_date=pendulum.datetime(2024, 1, 1)):
        group.expand(value=[value])
    return made[0]


WAYS = [plain, jinja, native_jinja, xcom, default_args, mapped, mapped_task_group]


def rendered(task: Any, value: Any) -> tuple[Any, Any]:
    """Return a task as a worker has it before it executes, and its context."""
    ti = SimpleNamespace(
        max_tries=0,
        map_index=0,
        run_id="run",
        dag_id=task.dag_id,
        task_id=task.task_id,
        xcom_pull=lambda **which: value,
        task=task,
        is_mapped=True,
        get_first_reschedule_date=lambda context: None,
    )
    dag_run = SimpleNamespace(run_type="scheduled", conf={})
    values = context(
        ti=ti, value=value, run_id="run", dag_run=dag_run, expanded_ti_count=1, task=task, dag=task.dag, **DAY
    )
    task.render_template_fields(values)
    return values["ti"].task, values


CLASSES = [
    ClarusGenerateReportOperator,
    ClarusDocumentSensor,
    ClarusDownloadDocumentOperator,
    ClarusReportToObjectStorageOperator,
]
PARAMETERS = [
    (operator_class, name)
    for operator_class in CLASSES
    for name in operator_class.template_fields
    if name in KINDS
]


REPORTS = {8: "Picks", 9: "404", 10: "Picks, by hour"}
landings: list[Landing] = []
really_land_document = landing_document.land_document


def land_document(hook: Any, document_id: int, document: Any, landing: Landing, **options: Any) -> Any:
    """Land a file, unless it is for a storage that is not there."""
    landings.append(landing)
    if landing.destination.startswith("file:"):
        return really_land_document(hook, document_id, document, landing, **options)
    return {"uri": landing.destination, "file_name": "x.csv"}


@pytest.fixture(autouse=True)
def _short_intervals() -> None:
    """Leave them as DAGs have them."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path]]:
    """Two connections to two tenants of one Clarus: document 1 is available, and no report ever ends."""
    tenants = ("acme", "globex", "404")
    reports = [Report(7, seconds=math.inf, tenant=tenant) for tenant in tenants]
    reports += [Report(number, name=name, seconds=math.inf) for number, name in REPORTS.items()]
    with Sandbox(reports, tenants=tenants) as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", sandbox.connection_uri)
        patch.setenv("AIRFLOW_CONN_CLARUS_EU", sandbox.connection_uri.replace("/acme", "/globex"))
        patch.setenv("AIRFLOW_CONN_AWS_ARGUMENTS", "aws://")
        patch.setattr(landing_document, "land_document", land_document)
        patch.setattr(deferral, "TOO_SOON", -1.0)
        for refused in patience.PATIENCE:
            patch.setitem(patience.PATIENCE, refused, patience.AT_ONCE)
        (landed,) = sandbox.add_documents(1, 7)
        sandbox.documents[landed].seconds = 0
        sandbox.add_documents(1, 7)
        yield sandbox, tmp_path_factory.mktemp("landing")


def outcome(task: Any, values: Any, sandbox: Sandbox, folder: Path) -> dict[str, Any]:
    """Execute a task and return what it did, under the names of its parameters."""
    landed = folder / "x.csv"
    landed.write_text("old")
    before = len(sandbox.requests)
    landings.clear()
    done: dict[str, Any] = {
        "deferrable": False,
        "wait_for_completion": False,
        "allow_relative_variables": True,
    }
    try:
        task.execute(values)
    except TaskDeferred as deferred:
        done |= {"deferrable": True, "wait_for_completion": True}
        _, kept = deferred.trigger.serialize()
        assert {type(value) for value in kept.values()} <= {int, float, str, bool, type(None)}
        settled = json.loads(kept["settled"])
        done |= {
            "document_id": kept["document_id"],
            "subdomain": kept["subdomain"],
            "poll_interval": kept["poll_interval"],
            "poke_interval": kept["poll_interval"],
            "timeout": pytest.approx(kept["deadline"] - kept["since"], abs=1e-3),
        }
        if "landing" in settled:
            landings.append(Landing(**settled["landing"]))
    except ClarusOutcomeUnknownError as error:
        done["on_unknown_outcome"] = "fail" if isinstance(error, AirflowFailException) else "retry"
    except ClarusNotFoundError:
        # Document 1 is in one tenant only, and a name may be nobody's.
        assert "document_id" in task.template_fields or task.report_name is not None
    except ClarusInputError as error:
        if "exists already" in str(error):
            done["if_exists"] = False
        elif "3 days ago" in str(error):
            done["allow_relative_variables"] = False
        else:
            raise
    for landing in landings:
        done |= landing.as_dict() | {"if_exists": landing.if_exists == "replace"}
    for request in sandbox.requests[before:]:
        done["check_variables"] = done.get("check_variables", False) or request.endpoint == "graphql"
        if request.endpoint == "generate":
            report_id = int(request.path.split("/")[3])
            sent: dict[str, list[str]] = {}
            for variable in request.json.get("variables", ()):
                sent.setdefault(variable["name"], []).append(variable["value"])
            done |= {"report_id": report_id, "report_name": REPORTS.get(report_id), "variables": sent}
            done["interval_variables"] = tuple(name for name in sent if name in "ab") or None
        for document_id in sandbox.documents:
            if request.concerns(document_id):
                done["document_id"] = document_id
        if request.origin == "api" and request.endpoint != "token":
            done["subdomain"] = request.tenant
            done["clarus_conn_id"] = "clarus_eu" if request.tenant == "globex" else "clarus_default"
    return done


def means_something(kind: str, way: Callable[..., Any], value: Any) -> bool:
    """Tell whether a value of ``NOTHING`` is one for this kind, or is made one by a template."""
    if way in (jinja, native_jinja):
        if isinstance(value, Unprintable) or value == 10**5000:
            return True
        value = value if isinstance(value, str) else str(value)
        if value == "None":
            return way is native_jinja and kind in OPTIONAL
        is_text = bool(value.strip())
    else:
        is_text = isinstance(value, str) and value.strip() not in ("", "None")
    if value is None:
        return kind in OPTIONAL
    if kind in ("tenant", "connection", "report's name"):
        return is_text or (isinstance(value, int) and abs(value) < 10**4000)
    if value in ([], "[]"):
        return kind in ("flag or names", "variables") and way is not jinja
    if value in ({"a": 1}, "{'a': 1}"):
        return kind in ("metadata", "variables") and way is not jinja
    return way in (jinja, native_jinja) and value in MEANT_AS_TEXT


in_every_way = pytest.mark.parametrize(
    "way",
    [plain, *(pytest.param(way, marks=pytest.mark.long) for way in WAYS[1:])],
    ids=lambda way: way.__name__,
)
for_every_parameter = pytest.mark.parametrize(
    ("operator_class", "name"), PARAMETERS, ids=lambda item: getattr(item, "__name__", item)
)


@in_every_way
@for_every_parameter
def test_what_means_nothing_is_refused_before_anything_is_sent(
    world: tuple[Sandbox, Path], operator_class: Any, name: str, way: Callable[..., Any]
) -> None:
    sandbox, folder = world
    sent = len(sandbox.requests)
    for value in NOTHING:
        if means_something(KINDS[name], way, value):
            continue
        task = way(operator_class, name, value, arguments_of(operator_class, folder, name))
        try:
            task, values = rendered(task, value)
        except FileNotFoundError:
            # These call the `resolve` of whatever has one, and the path's fails.
            assert isinstance(value, Path)
            assert version("apache-airflow").startswith(("3.0.", "3.1."))
        else:
            with pytest.raises(ClarusInputError, match=name):
                outcome(task, values, sandbox, folder)
        assert len(sandbox.requests) == sent


@in_every_way
@for_every_parameter
@settings(max_examples=min(8, settings().max_examples))
@given(data=st.data())
def test_what_means_something_means_that_in_every_way(
    world: tuple[Sandbox, Path], operator_class: Any, name: str, way: Callable[..., Any], data: Any
) -> None:
    sandbox, folder = world
    value, meaning = data.draw(st.sampled_from(AS[KINDS[name]]))
    others = arguments_of(operator_class, folder, name)
    if name == "deferrable" and not meaning:
        others |= {"timeout": 0}
    if name == "on_unknown_outcome":
        sandbox.inject(Fault("generate", reset=True, times=1))
    task, values = rendered(way(operator_class, name, value, others), value)
    try:
        done = outcome(task, values, sandbox, folder)
    except ClarusInputError:
        # A template makes a text of it, and not everything has one.
        if way in (jinja, native_jinja) and type(value) not in (bool, int, float, str):
            return
        raise
    except ClarusTimeoutError:
        assert name == "deferrable"
        done = {"deferrable": False}
    finally:
        sandbox.clear_faults()
    assert done[name] == (max(1, meaning) if name in ("poll_interval", "poke_interval") else meaning)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@for_every_parameter
@settings(max_examples=min(15, settings().max_examples))
@given(value=JSON | st.binary() | st.timedeltas() | st.dates() | st.decimals() | st.sets(st.text()))
def test_no_value_at_all_breaks_the_settling(
    world: tuple[Sandbox, Path], operator_class: Any, name: str, value: Any
) -> None:
    sandbox, folder = world
    others = arguments_of(operator_class, folder, name)
    if "timeout" in operator_class.template_fields:
        others |= {"timeout": 0}
    task = plain(operator_class, name, value, others)
    sent = sandbox.count("generate")
    try:
        outcome(task, context(), sandbox, folder)
    except (ClarusInputError, ClarusConfigError):
        # Settled before anything, or no name of a connection or a header.
        assert sandbox.count("generate") == sent
    except ClarusError:
        # Such a report, document, tenant or connection there may be.
        assert name in (
            "report_id",
            "report_name",
            "document_id",
            "subdomain",
            "clarus_conn_id",
            "deferrable",
        )
