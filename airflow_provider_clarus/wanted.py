# SPDX-License-Identifier: Apache-2.0
"""Find the report that a task wants by its name or id, and check what the task passes.

What cannot be checked is generated all the same: a report is worth more than its check.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.exceptions import ClarusError, concerning
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.variables.declared import JUDGED, check_declared
from airflow_provider_clarus.variables.run import check_late

if TYPE_CHECKING:
    from airflow_provider_clarus.api.client import ClarusClient
    from airflow_provider_clarus.api.reports import Report

log = logging.getLogger(__name__)

_UNCHECKED = "The variables were not checked: "


def finder(
    context: Mapping[str, Any],
    client: ClarusClient,
    report: int | str,
    variables: Sequence[Mapping[str, str]],
    *,
    check_variables: bool,
    allow_relative: bool | Collection[str],
) -> Callable[[], int]:
    """Return what a task does when its report is about to be queued: find it, check it, and return its id.

    :param context: the task's
    :param report: as the task names it: by its id, or by its name
    :param variables: what :func:`~airflow_provider_clarus.variables.run.variables_of_run` answered
    :param check_variables: whether they are held against what the report declares
    :param allow_relative: the operator's ``allow_relative_variables``
    """

    def find() -> int:
        report_id, types = look_up(client, report, variables, check_variables=check_variables)
        check_late(context, variables, allow_relative=allow_relative, types=types)
        return report_id

    return find


def look_up(
    client: ClarusClient, report: int | str, variables: Sequence[Mapping[str, str]], *, check_variables: bool
) -> tuple[int, Mapping[str, str] | None]:
    """Return a report's id, and the types of its variables by their names, as far as they are known.

    Asks for a report that is given by its name, and for one whose variables are to be checked; in both cases
    that is one request.

    :param report: its id, or its whole name
    :param variables: what is passed, ``{"name", "value"}`` each
    :raises ClarusInputError: when the report does not declare a variable, or not as what it is; when several
        reports have the name
    :raises ClarusNotFoundError: when none has
    :raises ClarusError: when the name cannot be looked up, or that was refused for so long that it is final
    """
    from airflow_provider_clarus.http.retries import patiently

    checks = check_variables and bool(variables)
    if isinstance(report, str):
        named = patiently(lambda: client.reports.by_name(report), Call.READ)
        report_id, found = named.id, named if checks else None
        log.info("Report %r of tenant %r has the id %d", report, client.connection.tenant, report_id)
    else:
        report_id, found = report, _by_id(client, report) if checks else None
    if found is None:
        return report_id, None
    what = f"report {report_id} ({found.name!r}) in tenant {client.connection.tenant!r}"
    if found.variables is None:
        gone = "its query was deleted." if found.query_name is None else "its query's text cannot be read."
        log.warning("%s%s declares nothing that can be read, %s", _UNCHECKED, what, gone)
        return report_id, None
    with concerning(tenant=client.connection.tenant, report_id=report_id):
        for warning in check_declared(variables, found.variables, what):
            log.warning(warning)
    passed = {variable["name"] for variable in variables}
    if kept := [name for name in found.variables if name not in passed]:
        log.info("R%s keeps the value stored in the report: %s", what[1:], ", ".join(kept))
    return report_id, {name: kind for name, kind in found.variables.items() if kind in JUDGED}


def _by_id(client: ClarusClient, report_id: int) -> Report | None:
    try:
        found = client.once().reports.by_id(report_id)
    except ClarusError as error:
        log.warning("%s%s", _UNCHECKED, error)
        return None
    if found is None:
        log.warning(
            "%sthe catalogue of tenant %r does not show report %d",
            _UNCHECKED,
            client.connection.tenant,
            report_id,
        )
    return found
