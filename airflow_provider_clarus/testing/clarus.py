# SPDX-License-Identifier: Apache-2.0
"""Give tests a sandbox to hold: define reports and faults in a line, and assert what was generated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.sandbox.clock import Clock
from airflow_provider_clarus.sandbox.documents import Document
from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.requests_log import LoggedRequest
from airflow_provider_clarus.sandbox.server import Sandbox

if TYPE_CHECKING:
    import pytest


class ClarusSandbox(Sandbox):
    """A sandbox with what tests of DAGs say to it, in their words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._by_hand: set[int] = set()

    def report(self, id: int, *, seconds: float = 0.0, **fields: Any) -> Report:  # noqa: A002 (the API's name)
        """Define a report, or define it anew; it is ready at once unless ``seconds`` says otherwise.

        :param fields: ``outcome="failed"``, and whatever else
            :class:`~airflow_provider_clarus.sandbox.reports.Report` has
        """
        report = Report(id=id, seconds=seconds, **fields)
        self.add_report(report)
        return report

    def fault(self, endpoint: str, **fields: Any) -> None:
        """Let something go wrong at an endpoint: ``fault("graphql", status=502, times=2)``.

        :param fields: as :class:`~airflow_provider_clarus.sandbox.faults.Fault` has them
        """
        self.inject(Fault(endpoint, **fields))

    def requests_of(self, endpoint: str) -> list[LoggedRequest]:
        """Return the requests that an endpoint has had, as in :attr:`requests`, the oldest first."""
        return [request for request in self.requests if request.endpoint == endpoint]

    def add_documents(self, count: int, report_id: int, *, tenant: str | None = None) -> list[int]:
        """Generate a report so many times by hand, which no assertion counts; return the documents' ids."""
        ids = super().add_documents(count, report_id, tenant=tenant)
        self._by_hand.update(ids)
        return ids

    def assert_generated(
        self,
        report: int | str | Report,
        variables: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        times: int = 1,
        tenant: str | None = None,
    ) -> list[Document]:
        """Assert that a report was generated, once, with these variables and no others; return the documents.

        :param report: its id, or its name
        :param variables: as an operator takes them, for all that was passed; ``None`` for whatever was. An
            aware ``datetime`` stands for its moment, whatever the zone; a ``date`` for its midnight in the
            zone that was sent; ``unittest.mock.ANY`` for any value. Those stored in the report are added.
        :param times: how often, each with these variables
        :param tenant: the only one that counts; ``None`` for all
        :raises AssertionError: which tells what was generated
        """
        generated = [
            document
            for document in self.documents.values()
            if document.id not in self._by_hand and tenant in (None, document.tenant)
        ]
        found = [
            document
            for document in generated
            if _is(report, document.report)
            and (variables is None or _are(_listed(document.report.variables, variables), document.variables))
        ]
        if len(found) != times:
            name = f"{report!r}" if isinstance(report, str) else _id_of(report)
            of = f" of tenant {tenant!r}" if tenant else ""
            passed = "whatever variables" if variables is None else f"variables {variables!r}"
            told = "".join(f"\n  {_told(document)}" for document in generated) or " nothing"
            raise AssertionError(
                f"Report {name}{of} was generated {len(found)} times, not {times}, with {passed}. "
                f"Generated was:{told}"
            )
        return found


class Connections:
    """Makes connections to one sandbox, for as long as its test runs."""

    def __init__(self, sandbox: ClarusSandbox, patch: pytest.MonkeyPatch) -> None:
        self._sandbox = sandbox
        self._patch = patch

    def __call__(self, conn_id: str = "clarus_default", *, tenant: str | None = None, **extra: Any) -> str:
        """Set ``AIRFLOW_CONN_…`` and return the connection's id.

        :param tenant: ``None`` for the sandbox's first
        :param extra: of the connection, such as ``timezone="Europe/London"``
        """
        connection = json.loads(self._sandbox.connection_json) | {"extra": extra}
        if tenant is not None:
            connection["schema"] = tenant
        self._patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        return conn_id


class MovedTime:
    """Stands for the module ``time`` where pauses are to move a clock on instead of being made."""

    def __init__(self, clock: Clock) -> None:
        self.time = clock.time
        self.monotonic = clock.monotonic
        self.sleep = clock.advance


def _id_of(report: int | str | Report) -> int | str:
    return report.id if isinstance(report, Report) else report


def _is(wanted: int | str | Report, report: Report) -> bool:
    return _id_of(wanted) in (report.id, str(report.id), report.name)


def _listed(
    stored: Mapping[str, str], variables: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """Return the values by name: those that a task passes, in the place of those that the report has."""
    passed: dict[str, list[Any]] = {}
    for name, value in _pairs(variables):
        passed.setdefault(name, []).append(value)
    return {name: [value] for name, value in stored.items()} | passed


def _pairs(
    variables: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, Any]]:
    if not isinstance(variables, Mapping):
        yield from ((item["name"], item["value"]) for item in variables)
        return
    for name, value in variables.items():
        if isinstance(value, list | tuple):
            yield from ((name, item) for item in value)
        elif value is not None:  # which leaves the stored one
            yield name, value


def _are(wanted: Mapping[str, list[Any]], sent: Mapping[str, Sequence[str]]) -> bool:
    return wanted.keys() == sent.keys() and all(
        len(values) == len(sent[name]) and all(map(_means, values, sent[name]))
        for name, values in wanted.items()
    )


def _means(wanted: Any, sent: str) -> bool:
    if isinstance(wanted, datetime):
        return _moment(sent) == wanted
    if isinstance(wanted, date):
        moment = _moment(sent)
        return moment is not None and moment.replace(tzinfo=None) == datetime.combine(wanted, time())
    if isinstance(wanted, int):
        return str(wanted) == sent
    return bool(wanted == sent)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _told(document: Document) -> str:
    variables = {
        name: values[0] if len(values) == 1 else values for name, values in document.variables.items()
    }
    return (
        f"report {document.report.id} ({document.report.name!r}) of tenant {document.tenant!r}, {variables}"
    )
