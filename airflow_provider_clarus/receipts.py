# SPDX-License-Identifier: Apache-2.0
"""Write down what a try is about to publish, first, so that its retry knows it for its own: receipts.

A try can land its file and be killed before Airflow hears of it. Its retry then finds an object where it may
not replace one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_clarus.exceptions import ClarusTransientError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)

#: Of the task state store: ``{"max_tries", "result", "metadata"}``.
KEY = "clarus_landing"


class Receipts:
    """What the tries of one task were about to publish.

    :param context: the task's; an empty one where there is no task, and so no retry
    """

    def __init__(self, context: Context | dict[str, Any]) -> None:
        ti: Any = context.get("ti")
        self._store: Any = context.get("task_state_store")
        # The store outlives clearing the task, which is to land anew; clearing raises this, a retry not.
        self._max_tries: int = getattr(ti, "max_tries", None) or 0
        tries: int = getattr(ti, "try_number", None) or 1
        retries = getattr(getattr(ti, "task", None), "retries", None)
        self._is_retry = retries is not None and self._max_tries < tries - 1 + retries

    def write(self, result: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        """Keep what is about to be published; without retries there is nobody to read it.

        :param result: what the task is to return
        :param metadata: what the object carries
        :raises ClarusTransientError: it could not be kept
        """
        if not self._store or not self._max_tries:
            return
        kept = {"max_tries": self._max_tries, "result": dict(result), "metadata": dict(metadata)}
        try:
            self._store.set(KEY, kept)
        except Exception as error:
            raise ClarusTransientError(
                f"Could not write down in Airflow what lands at {result['uri']}: {error!r}. "
                "Nothing was published; a retry helps.",
                may_have_acted=False,
            ) from error

    def read(self) -> tuple[dict[str, Any], dict[str, str]] | None:
        """Return the result and the metadata that an earlier try of this task was about to publish.

        :raises ClarusTransientError: Airflow could not be asked
        """
        try:
            kept: Any = self._store and self._store.get(KEY)
        except Exception as error:
            raise ClarusTransientError(
                f"Could not find out from Airflow what an earlier try has landed: {error!r}. "
                "Nothing was published; a retry helps.",
                may_have_acted=False,
            ) from error
        if not kept or kept.get("max_tries") != self._max_tries:
            return None
        return kept["result"], kept["metadata"]

    @property
    def is_blind(self) -> bool:
        """Whether this is a retry on an Airflow that keeps nothing for it (before 3.3)."""
        return not self._store and self._is_retry

    def forget(self) -> None:
        """Let the next try know nothing, as it is to land anew."""
        if self._store:
            self._store.delete(KEY)
