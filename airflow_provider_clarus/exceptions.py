# SPDX-License-Identifier: Apache-2.0
"""One small tree of errors, so that a DAG, a test or a reader has a single root to catch.

It is the one thing of Airflow's that the client knows: Airflow decides about retries by an error's class.

The branch says what a retry can do: a :class:`ClarusTransientError` may pass by itself, a
:class:`ClarusPermanentError` cannot, and Airflow fails its task at once without retries.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
)


class ClarusError(AirflowException):
    """Whatever went wrong between Airflow and Clarus."""


class ClarusTransientError(ClarusError):
    """It may work later: a connection error, a timeout, 429, 5xx, or an answer that made no sense.

    :param retry_after: seconds that the server asked for
    :param may_have_acted: whether the server may have done what it was asked, all the same
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, may_have_acted: bool = True
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.may_have_acted = may_have_acted


class ClarusPermanentError(ClarusError, AirflowFailException):
    """It cannot get better by itself; a task that meets it fails without retries."""


class ClarusConfigError(ClarusPermanentError):
    """The Airflow connection cannot be used as it is."""


class ClarusInputError(ClarusPermanentError, ValueError):
    """An argument in the DAG is wrong; nothing was sent."""


class ClarusAuthError(ClarusPermanentError):
    """401: the credentials or the token were refused, also after one new token."""


class ClarusForbiddenError(ClarusPermanentError):
    """403: the API user may not do this; only a report's owner may generate it."""


class ClarusNotFoundError(ClarusPermanentError):
    """404: no such report or document in this tenant."""


class ClarusRejectedError(ClarusPermanentError):
    """Another 4xx, or a GraphQL query that the server refuses."""


class ClarusOutcomeUnknownError(ClarusPermanentError):
    """The request to generate broke off, so the report may or may not be queued: not repeated blindly."""


class ClarusReportFailedError(ClarusPermanentError):
    """Clarus could not generate the report: the document's status is ``failed``."""


class ClarusTimeoutError(ClarusError, AirflowSensorTimeout):
    """The document was not ready in time. Airflow does not retry a timeout, and ``soft_fail`` skips it."""
