# SPDX-License-Identifier: Apache-2.0
"""Check a connection as a person's Test button does: step by step, with what every wait asks."""

from __future__ import annotations

import logging
from collections.abc import Callable

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.api.documents import PAGE_SIZE
from airflow_provider_clarus.exceptions import ClarusError, ClarusTransientError

log = logging.getLogger(__name__)


def check(client: ClarusClient) -> str:
    """Do once what every wait does, step by step, and return what was found.

    A catalogue that cannot be read is no failure: reports are generated without it, unchecked.

    :raises ClarusError: which says what step failed
    """
    steps: dict[str, Callable[[], object]] = {
        "get a token": client.tokens.get,
        "reach the tenant": lambda: client.graphql("{ __typename }"),
        "ask for the status of documents": client.documents.check,
    }
    for number, (name, step) in enumerate(steps.items(), 1):
        try:
            step()
        except ClarusError as error:
            # One answer proves nothing about a read; but it is all that a person can be told now.
            passing = isinstance(error, ClarusTransientError)
            said = f"Step {number} of {len(steps) + 1}, {name}: {error}"
            raise error.copy(f"{said} It may pass: test again in a minute." if passing else said) from error
        log.info("Step %d of %d, %s: all right.", number, len(steps) + 1, name)
    found = [f"Token, tenant {client.connection.tenant!r} and the query for documents are all right."]
    if not client.has_id_filter:
        found.append("This server takes no filter for ids.")
    if client.documents.page_size < PAGE_SIZE:
        found.append(f"It answers for no more than {client.documents.page_size} documents at a time.")
    return " ".join([*found, _catalogue(client)])


def _catalogue(client: ClarusClient) -> str:
    try:
        reports, more = client.reports.seen()
    except ClarusError as error:
        return f"Warning: the catalogue cannot be read, so no variables are checked: {error}"
    if not reports:
        return (
            "Warning: this user sees no report in the catalogue, and only a report's owner may "
            "generate it: make one, or use the credentials of its owner."
        )
    return f"This user sees {reports}{' or more' if more else ''} report{'s' if reports > 1 else ''}."
