# SPDX-License-Identifier: Apache-2.0
"""Turn an Airflow connection of type ``clarus`` into a client: the hook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, conf

from airflow_provider_clarus.connection import form
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import ClarusError
from airflow_provider_clarus.hooks import connections
from airflow_provider_clarus.hooks._masking import amask_secret, mask_secret
from airflow_provider_clarus.variables.values import Variables, to_api

if TYPE_CHECKING:
    from airflow_provider_clarus.api.client import ClarusClient
    from airflow_provider_clarus.api.models import Document
    from airflow_provider_clarus.api.reports import Report


class ClarusHook(BaseHook):
    """Talk to one tenant of ClarusWMS.

    :param clarus_conn_id: an Airflow connection of type ``clarus``
    :param subdomain: the tenant, instead of the connection's own
    """

    conn_name_attr = "clarus_conn_id"
    default_conn_name = "clarus_default"
    conn_type = "clarus"
    hook_name = "ClarusWMS"

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's own fields; only Airflow 3.1 and older asks."""
        return form.widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the names of the form's standard fields; only Airflow 3.1 and older asks."""
        return form.ui_field_behaviour()

    def __init__(self, clarus_conn_id: str = default_conn_name, subdomain: str | None = None) -> None:
        super().__init__()
        self.clarus_conn_id = clarus_conn_id
        self.subdomain = subdomain

    @cached_property
    def client(self) -> ClarusClient:
        """The client, made from the connection when it is first needed.

        :raises ClarusConfigError: when the connection cannot be used as it is
        :raises ClarusTransientError: when Airflow does not find it, just now or at all
        """
        return self._open()

    @property
    def tenant(self) -> str:
        """The tenant, as far as it is known without fetching the connection."""
        client: ClarusClient | None = self.__dict__.get("client")
        return client.connection.tenant if client else self.subdomain or ""

    def _open(self, **options: Any) -> ClarusClient:
        connection = connections.fetch(self.clarus_conn_id)
        settings = ClarusConnection.from_airflow(connection, self.subdomain)
        for secret in settings.secrets:
            mask_secret(secret)
        return _client(self.clarus_conn_id, settings, mask_secret, **options)

    @classmethod
    async def aopen(
        cls, clarus_conn_id: str, subdomain: str | None = None, *, any_tenant: bool = False
    ) -> ClarusClient:
        """Return a client for use from an event loop, in worker threads: it tries each call once.

        :param any_tenant: the connection need not name one: ``client.for_tenant`` does
        :raises ClarusConfigError: when the connection cannot be used as it is
        :raises ClarusTransientError: when Airflow does not find it, just now or at all
        """
        connection = await connections.afetch(clarus_conn_id)
        settings = ClarusConnection.from_airflow(connection, subdomain, any_tenant=any_tenant)
        for secret in settings.secrets:
            await amask_secret(secret)
        loop = asyncio.get_running_loop()

        def mask_from_thread(secret: str) -> None:
            if loop.is_closed():
                # A token has arrived at the process's end, when nothing is left that could log it.
                return
            asyncio.run_coroutine_threadsafe(amask_secret(secret), loop)

        return _client(clarus_conn_id, settings, mask_from_thread, attempts=1)

    def get_conn(self) -> ClarusClient:
        """Return the client."""
        return self.client

    def generate_report(self, report_id: int, variables: Variables = None) -> Document:
        """Queue a report and return its document, which is not ready yet.

        :param variables: as :func:`airflow_provider_clarus.variables.values.to_api` takes them
        :raises ClarusForbiddenError: when the API user does not own the report
        """
        return self.client.generate_report(report_id, self._sent(variables))

    def get_document(self, document_id: int) -> Document | None:
        """Return a document, ``None`` when Clarus does not show it (yet)."""
        return self.client.get_document(document_id)

    def get_documents(self, document_ids: Iterable[int]) -> dict[int, Document]:
        """Return those of the documents that Clarus shows, by id, with one request per 100."""
        return self.client.get_documents(document_ids)

    def get_download_url(self, document_id: int) -> str:
        """Return a presigned, temporary URL of a document's file. Whoever has it has the file."""
        return self.client.get_download_url(document_id)

    def get_reports(self, name: str | None = None) -> list[Report]:
        """Return the reports that this user sees, with the variables that they declare.

        :param name: only those whose name has this in it, case aside; or a pattern, in which ``%`` stands for
            any text
        :raises ClarusInputError: when there are more than are read at a time
        """
        return self.client.reports.find(name)

    def get_report(self, id_or_name: int | str) -> Report:
        """Return a report, with the variables that it declares.

        :param id_or_name: its id, or its whole name; digits are an id
        :raises ClarusNotFoundError: when this user sees none
        :raises ClarusInputError: when several have the name; the message shows their ids
        """
        return self.client.reports.one(id_or_name)

    def create_report(
        self,
        name: str,
        report_query: int | str,
        *,
        report_type: str = "single",
        source_path: str | None = None,
        report_fields: Sequence[Mapping[str, str]] = (),
        variables: Variables = None,
        description: str | None = None,
    ) -> Report:
        """Make a report from a shared report query; the connection's user then owns it, and may generate it.

        :param name: at most 50 characters
        :param report_query: the id of what it asks, or its whole name
        :param report_type: ``single`` (a table), ``bar`` or ``pie``
        :param source_path: where the rows are in the query's answer, such as ``data.stocks.all.edges``
        :param report_fields: the columns, ``{"name", "path"}`` each, and ``prefix`` and ``suffix`` if need be
        :param variables: the values to be stored, as in :meth:`generate_report`; an entry of a list may have
            ``prompt`` and ``operator``, too
        :param description: at most 500 characters
        :raises ClarusInputError: for what the API does not take, before anything is sent
        :raises ClarusRejectedError: when Clarus refuses it
        """
        return self.client.create_report(
            name,
            self.client.reports.query_id(report_query),
            report_type=report_type,
            source_path=source_path,
            report_fields=report_fields,
            variables=self._sent(variables) if isinstance(variables, Mapping) else variables or (),
            description=description,
        )

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run a GraphQL query and return its ``data``."""
        return self.client.graphql(query, variables)

    def run(self, method: str, path: str, json: Any = None) -> Any:
        """Call any other path of the API, such as ``/api/reports/7``, and return the answer's JSON."""
        return self.client.run(method, path, json)

    def _sent(self, variables: Variables) -> list[dict[str, str]]:
        settings = self.client.connection
        return to_api(variables, timezone=settings.timezone, variable_format=settings.variable_format)

    def test_connection(self) -> tuple[bool, str]:
        """Try token, tenant and the query of every wait, and say which failed: Airflow's **Test** button."""
        from airflow_provider_clarus.api.check import check

        try:
            with closing(self._open(attempts=1)) as client:
                return True, check(client)
        except ClarusError as error:
            return False, str(error)


def _client(
    clarus_conn_id: str, settings: ClarusConnection, on_secret: Callable[[str], None], **options: Any
) -> ClarusClient:
    """Return a client that hands new refresh tokens over, where this Airflow is configured to store them."""
    from airflow_provider_clarus.api.client import ClarusClient

    store = conf.getimport("clarus", "on_refresh_token", fallback=None)
    on_refresh_token = partial(store, clarus_conn_id) if store else None
    return ClarusClient(settings, on_secret=on_secret, on_refresh_token=on_refresh_token, **options)
