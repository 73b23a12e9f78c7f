# SPDX-License-Identifier: Apache-2.0
"""Call the Clarus API: every URL and header of this package stands here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any, TypeVar

import requests

from airflow_provider_clarus.api._catalogue import Catalogue
from airflow_provider_clarus.api._memory import Memory
from airflow_provider_clarus.api._way import Way
from airflow_provider_clarus.api.documents import DocumentList
from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.api.reports import Report, create_report
from airflow_provider_clarus.auth.tokens import AccessToken, TokenSource
from airflow_provider_clarus.connection.connection import ClarusConnection
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusInputError,
    ClarusOutcomeUnknownError,
    ClarusTransientError,
    concerning,
)
from airflow_provider_clarus.http import transport
from airflow_provider_clarus.http.responses import (
    content_of,
    documented_shape,
    error_for,
    graphql_error,
    json_of,
)
from airflow_provider_clarus.http.retries import retrying
from airflow_provider_clarus.policy.answers import Call
from airflow_provider_clarus.variables.settle import positive_id

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Tries of one call, the first included.
ATTEMPTS = 5
#: Tokens of other processes that are tried in a row: each may have been ended by the next sign-in.
FOUND_TOKENS = 5


class ClarusClient:
    """One tenant of Clarus, seen through one connection; :meth:`for_tenant` shows the others.

    Its methods block, and may be called from any thread. Each raises a ``ClarusError``, whose class says what
    a retry can do.

    :param connection: where, which tenant, and who
    :param attempts: tries of a call that may be repeated; 1 for a caller that paces itself
    :param on_secret: is told each secret that arrives, so that it can be masked in logs
    :param on_refresh_token: is told each new refresh token, so that it can be stored
    """

    def __init__(
        self,
        connection: ClarusConnection,
        *,
        attempts: int = ATTEMPTS,
        on_secret: Callable[[str], None] = lambda secret: None,
        on_refresh_token: Callable[[str], None] | None = None,
    ) -> None:
        self.connection = connection
        self._attempts = attempts
        self._ever_answered = False
        #: Of the server, and so the same for all tenants.
        self._way = Way()
        self.tokens = TokenSource(connection, on_secret, on_refresh_token)
        self._session = requests.Session()
        # Keeps requests from putting a .netrc entry in the place of the bearer.
        self._session.auth = lambda request: request
        transport.mount(self._session, connection.base_url)
        self._make_lists()

    def _make_lists(self, memory: Memory | None = None) -> None:
        settings = self.connection
        memory = memory or Memory(settings.base_url, settings.tenant, settings.client_id)
        self.reports = Catalogue(self.graphql, self._data, settings.tenant, memory)
        self.documents = DocumentList(self._data, self._download_url, self.connection.tenant, way=self._way)

    def for_tenant(self, subdomain: str | None) -> ClarusClient:
        """Return a client of another tenant, which shares this one's token and connections to the server.

        :param subdomain: ``None`` for the tenant of the connection
        :raises ClarusConfigError: when that has none
        """
        other = copy(self)
        other.connection = self.connection.for_tenant(subdomain)
        other._make_lists()
        return other

    def once(self) -> ClarusClient:
        """Return a client of the same tenant, token and connections that tries each call once."""
        other = copy(self)
        other._attempts = 1
        other._make_lists(self.reports.memory)
        return other

    @property
    def has_id_filter(self) -> bool:
        """Whether one request can ask for 100 documents, as far as anyone knows yet."""
        return self.documents.way.has_id_filter

    def close(self) -> None:
        """Close the connections to the server."""
        self._session.close()

    def generate_report(self, report_id: int, variables: Sequence[Mapping[str, str]] = ()) -> Document:
        """Queue a report; its document is not ready yet (API page "Generate report output").

        Sent again only where the server certainly did not act: connection refused, 429.

        :param variables: ``{"name", "value"}`` each; what is not passed keeps its stored value
        :raises ClarusForbiddenError: when the API user does not own the report
        :raises ClarusOutcomeUnknownError: when it may be queued or not
        """
        report_id = positive_id(report_id, "report_id")
        doing = f"generate report {report_id} in tenant {self.connection.tenant!r}"
        body = {"variables": list(variables)} if variables else {}
        with concerning(tenant=self.connection.tenant, report_id=report_id):
            try:
                answer = self._json(
                    "POST",
                    f"/api/reports/{report_id}/generate",
                    body,
                    doing,
                    Call.GENERATE,
                    repeatable=False,
                )
                with documented_shape(doing, answer):
                    return Document.from_rest(answer["data"])
            except ClarusTransientError as error:
                if not error.may_have_acted:
                    raise
                raise ClarusOutcomeUnknownError(
                    f"{error} The report may be queued all the same, so this call does not repeat it.",
                    **error.facts,
                ) from error

    def get_document(self, document_id: int) -> Document | None:
        """Return a document, ``None`` when the read replica does not show it (yet)."""
        document_id = positive_id(document_id, "document_id")
        with concerning(document_id=document_id):
            return self.get_documents([document_id]).get(document_id)

    def get_documents(self, document_ids: Iterable[int]) -> dict[int, Document]:
        """Return those of the documents that the read replica shows, by id, with one request per 100.

        :raises ClarusTransientError: when GraphQL fails for some of them, or for all
        :raises ClarusRejectedError: when the server refuses every way to ask
        """
        ids = [positive_id(document_id, "document_id") for document_id in document_ids]
        return self._repeated(lambda: self.documents.find(ids), repeatable=True)

    def get_download_url(self, document_id: int) -> str:
        """Return a presigned, temporary URL of a document's file (API page "Download a document").

        Whoever has the URL has the file: never log it.
        """
        document_id = positive_id(document_id, "document_id")
        return self._repeated(lambda: self._download_url(document_id), repeatable=True)

    def _download_url(self, document_id: int) -> str:
        doing = f"get the download URL of document {document_id} in tenant {self.connection.tenant!r}"
        with concerning(tenant=self.connection.tenant, document_id=document_id):
            path = f"/api/documents/{document_id}/download"
            answer = json_of(self._authorized("GET", path, None, doing, Call.DOWNLOAD), doing)
            with documented_shape(doing, "(not shown: it may hold the URL)"):
                url = answer["url"]
            if not isinstance(url, str):
                # As its reader would see it: the text "None" is a relative URL.
                kind = "null" if url is None else f"a {type(url).__name__}"
                raise ClarusTransientError(
                    f"Could not {doing}: it cannot be used: it is {kind}, and no text."
                )
            return url

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run a GraphQL query and return its ``data``.

        :raises ClarusRejectedError: when the answer has ``errors`` that find the query invalid, although its
            HTTP status is 200
        :raises ClarusTransientError: when it has others, also after some tries
        """
        return self._repeated(lambda: self._data(query, variables or {}), repeatable=True)

    def _data(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        doing = f"read from tenant {self.connection.tenant!r}"
        body = {"query": query, "variables": dict(variables)}
        with concerning(tenant=self.connection.tenant):
            answer = json_of(self._authorized("POST", "/graphql", body, doing, Call.READ), doing)
            if isinstance(answer, dict) and answer.get("errors"):
                raise graphql_error(answer, doing)
            with documented_shape(doing, answer):
                return dict(answer["data"])

    def run(self, method: str, path: str, json: Any = None) -> Any:
        """Call any other path of the API; only a ``GET`` is repeated (a retry, after an error that may pass).

        Returns the answer's JSON, ``None`` where the answer has no body (204), and ``bytes`` where the body
        is of another kind, such as a label's PDF or an export's CSV.

        :param path: such as ``/api/reports/7``
        :raises ClarusInputError: when it does not begin with ``/``, and could lead to another host
        """
        if not path.startswith("/"):
            raise ClarusInputError(f"path is {path!r}; it must begin with '/', such as /api/reports/7.")
        doing = f"{method.upper()} {path} in tenant {self.connection.tenant!r}"
        with concerning(tenant=self.connection.tenant):
            response = self._repeated(
                lambda: self._authorized(method.upper(), path, json, doing, Call.OTHER),
                repeatable=method.upper() == "GET",
            )
            return content_of(response)

    def create_report(self, name: str, report_query_id: int, **attributes: Any) -> Report:
        """Make a report, as :func:`airflow_provider_clarus.api.reports.create_report` says."""
        tenant = self.connection.tenant
        return create_report(self.run, tenant, name=name, report_query_id=report_query_id, **attributes)

    def _json(
        self,
        method: str,
        path: str,
        body: Any,
        doing: str,
        call: Call = Call.OTHER,
        *,
        repeatable: bool = True,
    ) -> Any:
        """Call one of the paths that answer JSON; another answer made no sense, so it is asked for again."""
        return self._repeated(
            lambda: json_of(self._authorized(method, path, body, doing, call), doing), repeatable=repeatable
        )

    def _repeated(self, ask: Callable[[], T], *, repeatable: bool) -> T:
        return retrying(self._attempts, repeatable=repeatable)(ask)

    def _authorized(self, method: str, path: str, body: Any, doing: str, call: Call) -> requests.Response:
        token = self._token(self.tokens.get)
        for _ in range(FOUND_TOKENS):
            try:
                return self._send(method, path, body, doing, call, token)
            except ClarusAuthError:
                # It may have been ended before its time: by a sign-in of the API user, or by another process.
                token = self._token(partial(self.tokens.renew, token))
            if token.is_new:
                break
        return self._send(method, path, body, doing, call, token)

    def _token(self, source: Callable[[], AccessToken]) -> AccessToken:
        try:
            return source()
        except ClarusTransientError as error:
            # Whatever happened to the token request, the call itself was never sent.
            error.may_have_acted = False
            raise

    def _send(
        self, method: str, path: str, body: Any, doing: str, call: Call, token: str
    ) -> requests.Response:
        try:
            response = self._session.request(
                method,
                transport.secure(self.connection.base_url) + path,
                json=body,
                headers={
                    "Authorization": f"Bearer {token}",
                    "X-Clarus-Subdomain": self.connection.tenant,
                    "Content-Type": "application/json",
                },
                **transport.options(self.connection),
            )
        except requests.RequestException as error:
            raise transport.failure(error, doing, ever_worked=self._ever_answered) from None
        self._ever_answered = True
        if response.status_code >= 300:
            raise error_for(response, doing, call)
        return response
