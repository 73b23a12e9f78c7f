# SPDX-License-Identifier: Apache-2.0
"""Wait until a document can be downloaded: the sensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.stopping import Stoppable
from airflow_provider_clarus.triggers.deferral import TRIGGER_FAILED, not_ended, wait_for_document
from airflow_provider_clarus.triggers.event import document_of
from airflow_provider_clarus.variables import settle
from airflow_provider_clarus.waiting.looks import looking_again
from airflow_provider_clarus.waiting.wait import Wait

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ClarusDocumentSensor(Stoppable, BaseSensorOperator):
    """Wait until a document is available, and return ``{"id", "status", "file_name", "file_type"}``.

    Fails at once, without retries, when Clarus could not generate it. An outage of Clarus ends no wait before
    its time.

    :param document_id: the document (templated), as ``ClarusGenerateReportOperator`` returns it
    :param subdomain: the tenant (templated), instead of the connection's own
    :param clarus_conn_id: an Airflow connection of type ``clarus`` (templated)
    :param deferrable: wait in the triggerer, where thousands of documents share one request (templated)
    :param poke_interval: seconds between two looks, at least 1; in the triggerer, between two looks at a
        young document: a number, a numeric text or a ``timedelta`` (templated)
    :param timeout: seconds after which the sensor fails, or is skipped with ``soft_fail``, in the same forms
        (templated)
    """

    template_fields: Sequence[str] = (
        "document_id",
        "subdomain",
        "clarus_conn_id",
        "deferrable",
        "poke_interval",
        "timeout",
    )

    #: While :meth:`execute` pokes: nothing is left of it in a sensor that is copied or serialized afterwards.
    _wait: Wait | None = None

    def __init__(
        self,
        *,
        document_id: int | str,
        subdomain: str | None = None,
        clarus_conn_id: str = ClarusHook.default_conn_name,
        deferrable: bool | str = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float | str | timedelta = 10,
        timeout: float | str | timedelta = 3600,
        **kwargs: Any,
    ) -> None:
        # Airflow takes figures only, and at once, from `default_args` too: these are settled in the task.
        super().__init__(poke_interval=0, timeout=0, **({"multiple_outputs": True} | kwargs))
        self.document_id = document_id
        self.subdomain = subdomain
        self.clarus_conn_id = clarus_conn_id
        self.deferrable = deferrable
        self.poke_interval: Any = poke_interval
        self.timeout: Any = timeout

    def execute(self, context: Context) -> dict[str, Any]:
        """Look once, and go on waiting in the triggerer or here."""
        with self._failing_softly():
            deferrable = settle.flag(self.deferrable, "deferrable")
            self._wait = wait = self._new_wait()
            try:
                with self.working(document_id=wait.document_id) as work:
                    work.asks(wait.tenant)
                    if not deferrable:
                        return self._poke_until_available(context)
                    return wait_for_document(
                        self, wait, context=context, deferrable=True, settled={}
                    ).as_dict()
            finally:
                self.poke_interval, self._wait = wait.interval, None

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        wait = self._wait or self._new_wait()
        with looking_again(context, wait) if self.reschedule else nullcontext():
            document = wait.look()
        if document is None and wait is self._wait and not self.reschedule:
            # Airflow's own loop sleeps for so long, and would sleep past the deadline.
            self.poke_interval = wait.pause()
        return PokeReturnValue(is_done=document is not None, xcom_value=document and document.as_dict())

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Take the trigger's event."""
        with self._failing_softly():
            return document_of(event).as_dict()

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> dict[str, Any]:
        """Go on after the wait; only what Airflow itself says of it is skipped in Airflow's own way."""
        try:
            return super(BaseSensorOperator, self).resume_execution(  # type: ignore[no-any-return]
                next_method, next_kwargs, context
            )
        except AirflowException as error:
            if next_method != TRIGGER_FAILED:
                raise
            # To Airflow, both are a reason to skip, although a retry would mend a broken trigger.
            if self._skips(always=True):
                raise AirflowSkipException(
                    f"The wait for document {self.document_id} broke off: {error}"
                ) from error
            raise not_ended(f"document {self.document_id}", error) from error

    def _new_wait(self) -> Wait:
        document_id = settle.positive_id(self.document_id, "document_id")
        # Airflow's own loop reads these two.
        self.poke_interval = settle.interval(self.poke_interval, "poke_interval")
        self.timeout = settle.seconds(self.timeout, "timeout")
        clarus_conn_id = settle.text(self.clarus_conn_id, "clarus_conn_id")
        hook = ClarusHook(clarus_conn_id, settle.tenant(self.subdomain))
        return Wait(hook, document_id, interval=self.poke_interval, timeout=self.timeout)

    def _poke_until_available(self, context: Context) -> dict[str, Any]:
        try:
            # In reschedule mode each look is a task's whole life.
            with nullcontext() if self.reschedule or not self._wait else self._wait.timed():
                result: dict[str, Any] = super().execute(context)
                return result
        except AirflowSensorTimeout as error:
            # Airflow's own words name neither the document nor its last status.
            raise (self._wait or self._new_wait()).timed_out() from error

    def _skips(self, *, always: bool) -> bool:
        """Tell whether an error is a reason to skip: ``always``, or only where any error is."""
        soft_fail = settle.flag(self.soft_fail, "soft_fail")
        return settle.flag(self.never_fail, "never_fail") or (soft_fail and always)

    @contextmanager
    def _failing_softly(self) -> Iterator[None]:
        self._skips(always=True)
        # Airflow's rule for poke mode: what a retry may mend is no reason to skip.
        try:
            yield
        except ClarusError as error:
            if self._skips(always=isinstance(error, AirflowFailException | AirflowSensorTimeout)):
                raise AirflowSkipException(str(error)) from error
            raise
