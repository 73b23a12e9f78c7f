# SPDX-License-Identifier: Apache-2.0
"""Tell why a storage refused a download URL: it has expired, the file is gone, or a rate limit passes."""

from __future__ import annotations

from enum import Enum


class Meaning(Enum):
    """What can be done about an answer."""

    EXPIRED = "a fresh URL may help"
    PASSES = "asking again may help"
    GONE = "there is no such object; just after it was made, some storages say so for a moment"
    FINAL = "nothing helps, says the storage itself"


#: Errors that pass, whatever their status, as rate limits do: the storages' own clients retry after these.
#: (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList,
#: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes)
PASSING = frozenset(
    {
        "BandwidthLimitExceeded",
        "Busy",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "InternalServerError",
        "LimitExceededException",
        "OperationAborted",
        "OperationTimedOut",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerBusy",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        "backendError",
        "rateLimitExceeded",
        "userRateLimitExceeded",
    }
)
#: The URL's time is over, though the status is another one than 401 or 403.
EXPIRED = frozenset({"ExpiredToken", "InvalidToken", "RequestExpired", "TokenRefreshRequired"})
#: The API's, as in ``policy/answers.py``, and nginx's for a connection that was closed.
PASSING_STATUSES = frozenset({408, 409, 421, 423, 425, 429, 499})


def meaning(status: int, code: str) -> Meaning:
    """Return what an unsuccessful answer means; without a code it may be a proxy's, which passes.

    :param code: the storage's own name of the error, empty where it has none
    """
    if code in PASSING or code.partition(".")[2] in PASSING:
        return Meaning.PASSES
    if status in (401, 403) or code in EXPIRED:
        return Meaning.EXPIRED
    if status in PASSING_STATUSES or status >= 500:
        return Meaning.PASSES
    if status in (404, 410):
        return Meaning.GONE
    return Meaning.FINAL if code else Meaning.PASSES
