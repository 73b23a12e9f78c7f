# SPDX-License-Identifier: Apache-2.0
"""Define one small tree of errors: a single root to catch, and which of them a retry may help.

::

    ClarusError                         AirflowException
    ├── ClarusTransientError            may pass by itself, as a rate limit does: a retry may help
    │   └── ClarusOutcomeUnknownError   generated or not, nobody knows: a retry generates again
    ├── ClarusPermanentError            AirflowFailException: a retry cannot help, so Airflow makes none
    │   ├── ClarusConfigError           the Airflow connection
    │   ├── ClarusInputError            ValueError: an argument in the DAG; nothing was sent
    │   ├── ClarusAuthError             401
    │   ├── ClarusForbiddenError        403
    │   ├── ClarusNotFoundError         404
    │   ├── ClarusRejectedError         another 4xx, or a GraphQL query that the server refuses
    │   └── ClarusReportFailedError     the document's status is ``failed``
    └── ClarusTimeoutError              AirflowSensorTimeout: not available in time

It is the one thing of Airflow's that the client knows: Airflow decides about retries by an error's class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
)

if TYPE_CHECKING:
    from typing_extensions import Self


class ClarusError(AirflowException):
    """Whatever went wrong between Airflow and Clarus. What is known of it stands in its attributes.

    :param status: of the HTTP answer
    :param code: the API's own number of the error (API page "Errors": "for programmatic handling")
    :param symbol: the API's own name of the error, such as ``not_found``
    :param report_id: the report that was asked for
    :param document_id: the document that was asked for
    :param tenant: the tenant that was asked
    :param retry_after: seconds that the server asked for
    :param may_have_acted: whether the server may have done what it was asked, all the same
    """

    #: The name of the class in a trigger's event, which outlives a release.
    kind: ClassVar[str] = "error"
    #: What ``may_have_acted`` is where nothing says.
    _acted: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | str | None = None,
        symbol: str | None = None,
        report_id: int | None = None,
        document_id: int | None = None,
        tenant: str | None = None,
        retry_after: float | None = None,
        may_have_acted: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.symbol = symbol
        self.report_id = report_id
        self.document_id = document_id
        self.tenant = tenant
        self.retry_after = retry_after
        self.may_have_acted = self._acted if may_have_acted is None else may_have_acted

    @property
    def may_pass(self) -> bool:
        """Whether a retry may help: what Airflow never retries, by its class, cannot pass."""
        return not isinstance(self, AirflowFailException | AirflowSensorTimeout)

    @property
    def facts(self) -> dict[str, Any]:
        """What is known, by the names of the parameters; all of it plain JSON values."""
        facts = {
            "status": self.status,
            "code": self.code,
            "symbol": self.symbol,
            "report_id": self.report_id,
            "document_id": self.document_id,
            "tenant": self.tenant,
            "retry_after": self.retry_after,
            "may_have_acted": self.may_have_acted,
        }
        return {name: value for name, value in facts.items() if value is not None}

    def copy(self, message: str | None = None) -> Self:
        """Return an error of the same class with the same facts, told in other words if need be.

        One that is raised in many tasks gathers all their tracebacks, so each has a copy.
        """
        return type(self)(str(self) if message is None else message, **self.facts)

    def as_dict(self) -> dict[str, Any]:
        """Return kind, message and facts as plain JSON values, for a trigger's event."""
        return {"kind": self.kind, "message": str(self), **self.facts}

    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> ClarusError:
        """Return the error of which :meth:`as_dict` told; one of an unknown kind may pass by itself.

        :raises KeyError: when it tells no kind or no message
        :raises TypeError: when it tells of a fact that none knows
        """
        facts = dict(fields)
        error_class = _BY_KIND.get(facts.pop("kind"), ClarusTransientError)
        return error_class(facts.pop("message"), **facts)


class ClarusTransientError(ClarusError):
    """A retry may help: a connection error, a timeout, a rate limit (429), 5xx, an answer without sense."""

    kind = "transient"
    _acted = True


class ClarusPermanentError(ClarusError, AirflowFailException):
    """It cannot get better by itself; a task that meets it fails without retries."""

    kind = "permanent"


class ClarusConfigError(ClarusPermanentError):
    """The Airflow connection cannot be used as it is."""

    kind = "config"


class ClarusInputError(ClarusPermanentError, ValueError):
    """An argument in the DAG is wrong; nothing was sent."""

    kind = "input"


class ClarusAuthError(ClarusPermanentError):
    """401: the credentials or the token were refused, also after one new token."""

    kind = "auth"


class ClarusForbiddenError(ClarusPermanentError):
    """403: the API user may not do this; only a report's owner may generate it."""

    kind = "forbidden"


class ClarusNotFoundError(ClarusPermanentError):
    """404: no such report or document in this tenant."""

    kind = "not_found"


class ClarusRejectedError(ClarusPermanentError):
    """Another 4xx, or a GraphQL query that the server refuses."""

    kind = "rejected"


class ClarusOutcomeUnknownError(ClarusTransientError):
    """The request to generate broke off, so the report may or may not be queued.

    It is not idempotent, so no call repeats it by itself. Airflow's own retry does: a second document costs
    less than a person.
    """

    kind = "outcome_unknown"


class ClarusReportFailedError(ClarusPermanentError):
    """Clarus could not generate the report: the document's status is ``failed``."""

    kind = "report_failed"


class ClarusTimeoutError(ClarusError, AirflowSensorTimeout):
    """The document was not ready in time. Airflow does not retry a timeout, and ``soft_fail`` skips it."""

    kind = "timeout"


_BY_KIND: dict[str, type[ClarusError]] = {
    error_class.kind: error_class
    for error_class in (
        ClarusError,
        ClarusTransientError,
        ClarusPermanentError,
        ClarusConfigError,
        ClarusInputError,
        ClarusAuthError,
        ClarusForbiddenError,
        ClarusNotFoundError,
        ClarusRejectedError,
        ClarusOutcomeUnknownError,
        ClarusReportFailedError,
        ClarusTimeoutError,
    )
}


@contextmanager
def concerning(
    *, tenant: str | None = None, report_id: int | None = None, document_id: int | None = None
) -> Iterator[None]:
    """Let every error inside know what was asked for, as far as it does not know already."""
    try:
        yield
    except ClarusError as error:
        error.tenant = error.tenant or tenant
        error.report_id = error.report_id or report_id
        error.document_id = error.document_id or document_id
        raise
