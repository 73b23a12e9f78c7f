# SPDX-License-Identifier: Apache-2.0
"""The sensor that waits until a document can be downloaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_clarus.api.models import positive_id
from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.triggers.deferral import wait_for_document
from airflow_provider_clarus.waiting.event import document_of
from airflow_provider_clarus.waiting.wait import Wait

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ClarusDocumentSensor(BaseSensorOperator):
    """Wait until a document is available, and return ``{"id", "status", "file_name", "file_type"}``.

    Fails at once, without retries, when Clarus could not generate it. An outage of Clarus ends no wait before
    its time.

    :param document_id: the document (templated), as ``ClarusGenerateReportOperator`` returns it
    :param subdomain: the tenant (templated), instead of the connection's own
    :param clarus_conn_id: an Airflow connection of type ``clarus`` (templated)
    :param deferrable: wait in the triggerer, where thousands of documents share one request
    :param poke_interval: seconds between two looks; in the triggerer, between two looks at a young document
    :param timeout: seconds after which the sensor fails, or is skipped with ``soft_fail``
    """

    template_fields: Sequence[str] = ("document_id", "subdomain", "clarus_conn_id")

    def __init__(
        self,
        *,
        document_id: int | str,
        subdomain: str | None = None,
        clarus_conn_id: str = ClarusHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float | timedelta = 10,
        timeout: float | timedelta = 3600,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.document_id = document_id
        self.subdomain = subdomain
        self.clarus_conn_id = clarus_conn_id
        self.deferrable = deferrable
        self._wait: Wait | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Look once, and go on waiting in the triggerer or here."""
        with self._failing_softly():
            self._wait = self._new_wait()
            if not self.deferrable:
                return self._poke_until_available(context)
            return wait_for_document(self, self._wait, deferrable=True).as_dict()

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        self._wait = self._wait or self._new_wait()
        document = self._wait.look()
        return PokeReturnValue(is_done=document is not None, xcom_value=document and document.as_dict())

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Take the trigger's event."""
        with self._failing_softly():
            return document_of(event).as_dict()

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> dict[str, Any]:
        """Go on after the wait, without the sensor's own way of skipping, which swallows every error."""
        return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)  # type: ignore[no-any-return]

    def _new_wait(self) -> Wait:
        return Wait(
            ClarusHook(self.clarus_conn_id, self.subdomain),
            positive_id(self.document_id, "document_id"),
            interval=self.poke_interval,
            timeout=self.timeout,
        )

    def _poke_until_available(self, context: Context) -> dict[str, Any]:
        try:
            result: dict[str, Any] = super().execute(context)
            return result
        except AirflowSensorTimeout as error:
            # Airflow's own words name neither the document nor its last status.
            raise (self._wait or self._new_wait()).timed_out() from error

    @contextmanager
    def _failing_softly(self) -> Iterator[None]:
        # Airflow's rule for poke mode: what a retry may mend is no reason to skip.
        try:
            yield
        except ClarusError as error:
            is_final = isinstance(error, AirflowFailException | AirflowSensorTimeout)
            if self.never_fail or (self.soft_fail and is_final):
                raise AirflowSkipException(str(error)) from error
            raise
