# SPDX-License-Identifier: Apache-2.0
"""Stop a task at work at once, leaving nothing behind; and name in each failure what it worked on.

On SIGTERM, Airflow 3 calls ``on_kill`` in the main thread, in the middle of whatever it does, and lets the
task go on until SIGKILL follows some seconds later. So ``on_kill`` raises: what was under way is undone on
the way out, and nothing more is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_clarus import log_fields
from airflow_provider_clarus.exceptions import ClarusError

log = logging.getLogger(__name__)


class TaskStopped(BaseException):
    """The task is to stop now. No ``except Exception`` may take it for a failure of its own."""


@dataclass
class Work:
    """What a task works on, as far as it knows: plain values.

    :param report_name: where the task names its report so
    :param variables: what is sent, ``{"name", "value"}`` each
    :param window: the values of the two between which the report looks
    :param lands: whether the task lands a file
    :param landed: what it returns then
    :param columns: of what has landed, if it is a CSV
    """

    report_id: int | None = None
    document_id: int | None = None
    tenant: str | None = None
    report_name: str | None = None
    variables: Sequence[Mapping[str, str]] | None = None
    window: Sequence[str] | None = None
    lands: bool = False
    landed: Mapping[str, Any] | None = None
    columns: Sequence[str] = ()

    def has_columns(self, columns: Sequence[str]) -> None:
        """Take note of the columns of what has landed."""
        self.columns = columns

    def settled(self) -> dict[str, Any]:
        """Return what was asked of Clarus, for the task that goes on after the wait: JSON values."""
        asked = {
            "report_name": self.report_name,
            "tenant": self.tenant,
            "variables": [dict(variable) for variable in self.variables or ()],
            "window": self.window and list(self.window),
        }
        known = {name: value for name, value in asked.items() if value}
        return {"report_id": self.report_id, "asked": known}

    @staticmethod
    def asked_before(settled: Mapping[str, Any]) -> dict[str, Any]:
        """Return what :meth:`settled` has; an earlier release tells less of it, a later one more."""
        told = {"report_id": settled.get("report_id"), **settled.get("asked", {})}
        return {name: value for name, value in told.items() if name in Work().__dict__}

    def asks(self, tenant: str) -> None:
        """Take note of the tenant, where the connection had to be fetched to know it."""
        self.tenant = tenant
        log_fields.bind(tenant=tenant)

    @property
    def outlook(self) -> str:
        """What becomes of it in Clarus, which cannot be told to stop."""
        tenant = f" of tenant {self.tenant!r}" if self.tenant else ""
        report, document = f"report {self.report_id}{tenant}", f"document {self.document_id}"
        if self.document_id is None:
            # Its variables are known when it is about to be asked for.
            is_asked = self.report_id and self.variables is not None
            return f"If Clarus was just asked for {report}, it goes on with it." if is_asked else ""
        if self.report_id is None:
            return f"D{document[1:]}{tenant} stays in Clarus as it is."
        return f"R{report[1:]} goes on in Clarus as {document}."

    def __str__(self) -> str:
        return ", ".join(self._known())

    def logger(self, name: str) -> logging.LoggerAdapter[logging.Logger]:
        """Return a logger each line of which names what is worked on."""
        return _Named(logging.getLogger(name), {"work": self})

    def name(self, error: ClarusError) -> None:
        """Let an error know, and its message say, what was worked on, as far as they do not already."""
        said = str(error).lower()
        self.document_id = self.document_id or error.document_id
        error.report_id = error.report_id or self.report_id
        error.document_id = error.document_id or self.document_id
        error.tenant = error.tenant or self.tenant
        if missing := [words for words in self._known() if words.lower() not in said]:
            error.args = (f"{error} ({', '.join(missing)})", *error.args[1:])

    def _known(self) -> list[str]:
        known = {"report": self.report_id, "document": self.document_id, "tenant": self.tenant}
        return [f"{name} {value!r}" for name, value in known.items() if value is not None]


class _Named(logging.LoggerAdapter):  # type: ignore[type-arg]  # Python 3.10 takes none
    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        work = str((self.extra or {})["work"]).replace("%", "%%")
        return f"{msg} ({work})", kwargs


def _stopped(work: Work) -> TaskStopped:
    return TaskStopped(f"The task was told to stop. {work.outlook}".rstrip())


class Stoppable:
    """A mixin in front of an operator, which can be stopped while it is :meth:`working`, and before.

    So all that an operator asks, of Airflow and storages too, it asks while it is working.
    """

    #: While it works: nothing is left of it in an operator that is copied or serialized afterwards.
    _work: Work | None = None
    #: The same, also when the work is over, and with what came of it: for its lineage.
    worked_on: Work | None = None
    #: Airflow tells it once only, from before it renders the templates on.
    _is_told_to_stop = False

    def on_kill(self) -> None:
        """Stop at once, or begin no work; after it, or after its time is over, there is nothing to stop."""
        self._is_told_to_stop = True
        if self._work:
            raise _stopped(self._work)

    @contextmanager
    def working(self, on_stop: Callable[[], Any] = lambda: None, **known: Any) -> Iterator[Work]:
        """Let what is done inside be stopped, and say then what goes on in Clarus.

        :param on_stop: is called when it was stopped, and not when its time was over
        :param known: of the :class:`Work`
        """
        work = self.worked_on = Work(**known)
        with log_fields.bound(report_id=work.report_id, document_id=work.document_id, tenant=work.tenant):
            try:
                self._work = work
                if self._is_told_to_stop:
                    raise _stopped(work)
                yield work
            except TaskStopped as stopped:
                self._work = None
                log.warning("%s", stopped)
                on_stop()
                raise
            except ClarusError as error:
                work.name(error)
                raise
            except AirflowRescheduleException:
                # A sensor looks again later: nothing has failed.
                raise
            except Exception:
                # A storage's own error knows nothing of Clarus.
                log.error("What failed: %s", work)
                raise
            except AirflowTaskTimeout:
                self._work = None
                log.warning("The task's execution_timeout is over. %s", work.outlook)
                raise
            finally:
                self._work = None
