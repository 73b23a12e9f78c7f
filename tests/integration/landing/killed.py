# SPDX-License-Identifier: Apache-2.0
"""A task's first try, which lands a file and is killed before it can say so: ``STATE WHEN ARGUMENTS``."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from airflow_provider_clarus.landing import land
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import Store, context, task_instance


class FileStore(Store):
    """A task state store that outlives the process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        if path.exists():
            self._values = json.loads(path.read_text())

    def set(self, key: str, value: Any) -> None:
        super().set(key, value)
        self._path.write_text(json.dumps(self._values))

    def delete(self, key: str) -> None:
        super().delete(key)
        self._path.write_text(json.dumps(self._values))


def attempt(store: Store | None, try_number: int, max_tries: int = 2, **arguments: Any) -> Any:
    """Run one try of a task."""
    kind = (
        ClarusDownloadDocumentOperator if "document_id" in arguments else ClarusReportToObjectStorageOperator
    )
    operator: Any = kind(task_id="land", retries=2, **arguments)
    ti = task_instance(max_tries=max_tries, try_number=try_number, task=operator)
    return operator.execute(context(ti=ti, **({"task_state_store": store} if store else {})))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    state, when, given = sys.argv[1:]
    if when == "published":
        commit = land._commit
        land._commit = lambda *parts: (commit(*parts), _die())
    else:
        link = os.link

        def link_and_die(source: Any, target: Any, **how: Any) -> None:
            link(source, target, **how)
            if str(target).endswith(".csv"):  # And not a library's, which tries what the system can do.
                _die()

        os.link = link_and_die
    attempt(FileStore(Path(state)), 1, **json.loads(given))
