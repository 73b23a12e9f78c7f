# SPDX-License-Identifier: Apache-2.0
"""Define what a sandbox report is and does: set by a test, read by everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import GraphQLSyntaxError, OperationDefinitionNode, parse


@dataclass(frozen=True)
class ReportQuery:
    """What reports ask: shared by a tenant, unlike they are."""

    id: int

    name: str = "Stock by location"

    graphql: str | None = None
    """Its text, which declares the variables of its reports, and their types. ``None``: nobody sees it, and
    its reports take any variable."""

    description: str | None = None

    tenant: str | None = None
    """``None``: the sandbox's first tenant."""

    def declares(self, name: str) -> bool:
        """Tell whether its reports take a variable of that name; a text that does not parse tells nothing."""
        try:
            definitions = parse(self.graphql or "").definitions
        except GraphQLSyntaxError:
            return True
        return any(
            variable.variable.name.value == name
            for operation in definitions
            if isinstance(operation, OperationDefinitionNode)
            for variable in operation.variable_definitions or ()
        )


HIDDEN_QUERY = ReportQuery(id=1000)

STOCK_QUERY = ReportQuery(
    id=1,
    graphql="""\
query getStock($date_from: Chronic, $date_to: Chronic, $account_id: ID, $note: String) {
  stock_balances { all(filter: {account_id: {eq: $account_id}}) { edges { node { sku quantity } } } }
}
""",
)
"""Two dates, an id and a text."""


@dataclass(frozen=True)
class Report:
    """A report definition in one tenant."""

    id: int
    owner: str = "clarus-client"
    """The OAuth client id, or the user of an authorization code, that alone may generate it."""

    tenant: str | None = None
    """``None``: the sandbox's first tenant."""

    name: str = "Stock by location"

    description: str | None = None

    report_type: str = "table"

    generic: bool = False

    source_path: str | None = "data.stock_balances.all"

    query: ReportQuery | None = HIDDEN_QUERY
    """``None``: it was deleted."""

    seconds: float = 2.0
    """From the POST to the outcome; ``math.inf``: it never comes."""

    outcome: str = "available"
    """The last status: ``available``, ``failed``, ``completed``, or any other word. In upper case, GraphQL
    answers the statuses before it in upper case, too."""

    rows: int = 3
    """Lines of CSV, without the header."""

    size: int | None = None
    """Exact bytes of the file instead of ``rows``; made while they are sent, so that 4 GiB cost no memory."""

    content_type: str = "text/csv"

    file_name: str | None = None
    """``None``: made from the ids."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Stored values, for the variables that a generate call does not pass."""

    multipart_etag: bool | None = None
    """Whether the ETag is that of a multi-part upload, which is no MD5; ``None``: above 64 MiB."""

    replica_lag: float = 0.0
    """Seconds for which GraphQL does not know a new document."""

    download_lag: float = 0.0
    """Seconds for which the download call answers 404 to a new document."""
