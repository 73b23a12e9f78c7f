# SPDX-License-Identifier: Apache-2.0
"""Answer Airflow's OpenLineage provider, which asks an operator when its task is over."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.lineage import datasets

if TYPE_CHECKING:
    from airflow_provider_clarus.stopping import Work

log = logging.getLogger(__name__)


class Traced:
    """A mixin in front of an operator that is ``Stoppable``, and so keeps what it has worked on.

    Airflow asks for what its hooks have collected only where an operator tells of no dataset, so the object
    that the landing reports there is not told twice.
    """

    worked_on: Work | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the report or document that was read, and what came of it; ``None`` if that is not known."""
        return _lineage_of(self.worked_on, is_complete=True)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Return the report or document that was asked for, as far as it is known."""
        return _lineage_of(self.worked_on, is_complete=False)


def _lineage_of(work: Work | None, *, is_complete: bool) -> Any:
    """Return the lineage, or nothing: it is no reason for a task to fail, or to look as if it had."""
    if work is None:
        return None
    try:
        from airflow_provider_clarus.lineage.facets import lineage_of

        return lineage_of(work, is_complete=is_complete, account=_account(work))
    except Exception as error:
        log.warning("OpenLineage is told nothing of this task: %r", error)
        return None


def _account(work: Work) -> str | None:
    uri: str = work.landed["uri"] if work.landed else ""
    if uri.partition("://")[0] not in datasets.AZURE:
        return None
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    # The one that the landing has opened: Airflow keeps it by the connection's id, and asks nobody again.
    client = getattr(ObjectStoragePath(uri).fs, "service_client", None)
    return getattr(client, "account_name", None)
