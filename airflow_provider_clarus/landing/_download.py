# SPDX-License-Identifier: Apache-2.0
"""Download the bytes behind a presigned URL, in order, over as many connections as it takes.

The URL is the only credential here, and it stays here: no message, exception or log line carries its query
string. Nothing of Clarus is sent along: no bearer token, no tenant header, no cookie, no ``.netrc`` entry.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Mapping
from datetime import datetime, timezone
from logging import Logger
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_clarus.exceptions import (
    ClarusError,
    ClarusNotFoundError,
    ClarusPermanentError,
    ClarusRejectedError,
    ClarusTransientError,
)
from airflow_provider_clarus.http import transport
from airflow_provider_clarus.http.backoff import backoff
from airflow_provider_clarus.http.responses import retry_after, server_words, without_query
from airflow_provider_clarus.landing._packed import head_of, tells_its_end
from airflow_provider_clarus.landing._pages import HEAD, Announced, page
from airflow_provider_clarus.landing._session import BareSession
from airflow_provider_clarus.landing._source import ObjectChangedError, Source
from airflow_provider_clarus.landing._url_refused import Meaning, meaning
from airflow_provider_clarus.landing._urls import check_url, queries_unlogged, redirected

#: Bytes per read.
CHUNK = 512 * 1024
#: Failures in a row, with less than ``PROGRESS`` bytes between two of them, that a transfer outlives.
BREAKS = 7
PROGRESS = 1024 * 1024
REDIRECTS = 5
#: Fresh URLs in a row that a storage may refuse: Clarus makes no better one then.
REFUSALS = 1
#: Answers in a row, of some 12 s, that there is no such object: just made, it may not be everywhere yet.
ABSENCES = 6
#: Seconds.
LONGEST_WAIT = 300.0
#: Seconds before a file that seems to be empty is asked for once more.
EMPTY_PAUSE = 1.0
#: Bytes of an error's body that are looked at.
ERROR_BODY = 4096


class _BrokenError(Exception):
    """One connection is of no more use; the next may be.

    :param wait: seconds that the storage asked for
    """

    def __init__(self, said: str, wait: float | None = None) -> None:
        super().__init__(said)
        self.wait = wait or 0.0


class Download:
    """An object, read from its start by each call of :meth:`chunks`.

    :param get_url: asks for a presigned URL: at the start, and again when the storage refuses the last one
    :param verify: as in ``requests``: whether TLS is verified, or the path of a CA bundle
    :param timeout: seconds without a byte after which a connection counts as broken
    :param allow_http: whether ``http://`` may lead to another machine
    :param loopback: whether the file may be on this machine, as it is where Clarus is
    :param announced: what the file is said to be, by which a page in its place is told
    :param on_retry: is called when it goes on after a break
    """

    def __init__(
        self,
        get_url: Callable[[], str],
        *,
        verify: bool | str,
        proxies: Mapping[str, str] | None,
        timeout: float,
        log: Logger,
        allow_http: bool = False,
        loopback: bool = True,
        announced: Announced | None = None,
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = Source()
        self._get_url = get_url
        self._url: str | None = None
        self._allow_http = allow_http
        self._loopback = loopback
        self._announced = announced or Announced()
        self._options: dict[str, Any] = {"verify": verify, "proxies": dict(proxies or {}), "timeout": timeout}
        self._refusals = self._absences = 0
        self._log = log
        self._on_retry = on_retry

    def chunks(self) -> Generator[bytes, None, None]:
        """Yield the body, whole, in order and once; packed, where the storage packed it.

        :raises ObjectChangedError: the object cannot be read on; starting over may help.
        :raises ClarusTransientError: too many connections broke one after another.
        :raises ClarusNotFoundError: the object is gone.
        :raises ClarusPermanentError: the URL leads nowhere good, or the request itself is refused.
        """
        self.source = Source()
        self._is_empty = False
        offset = reached = breaks = 0
        end = None
        tells = False
        with queries_unlogged(), BareSession(loopback=self._loopback) as session:
            while True:
                problem: ClarusError | str
                wait = 0.0
                try:
                    with self._open(session, offset) as response:
                        chunk = response.raw.read(CHUNK, decode_content=False)
                        self._check_file(response, chunk)
                        if not self._continues(response, offset, end, chunk):
                            return
                        if offset == 0:
                            tells = not self._announced.is_gzip and tells_its_end(chunk, self.source.encoding)
                        while chunk:
                            offset += len(chunk)
                            yield chunk
                            chunk = response.raw.read(CHUNK, decode_content=False)
                    if offset == self.source.size or (self.source.size is None and tells):
                        # What is unpacked tells itself whether it is whole.
                        return
                    if self.source.size is None and end != offset:
                        # Nothing says whether this was all: ask for what comes behind it.
                        end = offset
                        continue
                    problem = f"it ended at byte {offset} of {self.source.size}"
                except _BrokenError as error:
                    problem, wait = str(error), error.wait
                except (requests.RequestException, HTTPError, OSError) as error:
                    problem = _failure(error, ever_worked=bool(offset or self.source.etag))
                breaks = 1 if offset - reached >= PROGRESS else breaks + 1
                reached = offset
                # Raised out here so that no exception with the URL in it stays behind as the context.
                if breaks > BREAKS and isinstance(problem, ClarusPermanentError):
                    raise problem
                if breaks > BREAKS:
                    raise ClarusTransientError(
                        f"The download broke {breaks} times in a row, at last at byte {offset}: {problem}"
                    )
                self._log.warning("The download broke at byte %d, going on: %s", offset, problem)
                self._on_retry()
                time.sleep(max(_pause(breaks), min(wait, LONGEST_WAIT)))

    def _open(self, session: BareSession, offset: int) -> requests.Response:
        """Ask for what comes from ``offset`` on; the status of the answer is 200, 206 or 416."""
        self._url = self._url or self._get_url()
        url = self._checked(self._url)
        headers = {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self.source.validator:
                headers["If-Range"] = self.source.validator
        for _ in range(REDIRECTS + 1):
            response = session.get_exactly(url, headers, **self._options)
            if not response.is_redirect:
                break
            response.close()
            url = self._checked(redirected(url, response.headers["Location"]))
        else:
            raise _BrokenError(f"the download URL was redirected more than {REDIRECTS} times")
        if response.status_code == 200 or (offset and response.status_code in (206, 416)):
            self._refusals = self._absences = 0
            return response
        with response:
            raise self._refusal(response)

    def _checked(self, url: Any) -> str:
        try:
            return check_url(url, allow_http=self._allow_http, loopback=self._loopback)
        except ClarusTransientError as error:
            self._url = None
            raise _BrokenError(str(error)) from None

    def _refusal(self, response: requests.Response) -> Exception:
        """Return what an answer without the file means."""
        status = response.status_code
        code, words = _storage_words(response)
        said = f"the storage answered {status}: {words}"
        wait = retry_after(response.headers, datetime.now(timezone.utc))
        means = meaning(status, code)
        if means is Meaning.FINAL:
            return ClarusRejectedError(f"Could not download the document's file: {said}", status=status)
        if means is Meaning.EXPIRED:
            self._refusals += 1
        if means is Meaning.GONE:
            self._absences += 1
        if means is not Meaning.PASSES:
            self._url = None
        if self._refusals > REFUSALS:
            return ClarusTransientError(
                f"A download URL that Clarus had just made was refused: {said}", status=status
            )
        if self._absences > ABSENCES:
            return ClarusNotFoundError(f"The document's file is gone: {said}", status=status)
        return _BrokenError(said, wait)

    def _check_file(self, response: requests.Response, chunk: bytes) -> None:
        if response.status_code != 200:
            return
        source = Source.of(response.headers)
        head = head_of(chunk, source.encoding, HEAD)
        wait = retry_after(response.headers, datetime.now(timezone.utc))
        if said := page(self._announced, str(response.url), response.headers, head):
            raise _BrokenError(f"the storage answered with a page instead of the file: {said}", wait)
        # A report may be empty, and so may be what a gateway answers in a storage's place.
        if not (head or source.md5 or self._is_empty) and source.size in (None, len(chunk)):
            self._is_empty = True
            raise _BrokenError(
                "the storage answered with an empty file, which is believed if it does so again",
                max(wait or 0.0, EMPTY_PAUSE),
            )

    def _continues(self, response: requests.Response, offset: int, end: int | None, chunk: bytes) -> bool:
        """Tell whether a body follows that goes on from ``offset``, rather than that ``end`` was the end."""
        if response.status_code == 416:
            self.source.check_end(offset, response.headers)
            return False
        if response.status_code == 206:
            self.source.check_rest(offset, response.headers)
            return True
        source = Source.of(response.headers)
        if offset == 0 and (end is None or chunk):
            self.source = source
            return True
        if offset == end and source.etag == self.source.etag and source.size in (None, offset):
            self.source.size = offset
            if source.size is None and not source.md5:
                self._log.warning(
                    "Nothing that the storage says tells whether these %d bytes are all", offset
                )
            return False
        raise ObjectChangedError("the storage sent the object from its start again")


def _failure(error: Exception, *, ever_worked: bool) -> ClarusError:
    """Return the error that a broken connection is, without the URL in it."""
    if isinstance(error, requests.RequestException):
        failure = transport.failure(error, "download the document's file", ever_worked=ever_worked)
        return type(failure)(without_query(str(failure)))
    return ClarusTransientError(without_query(f"{type(error).__name__}: {error}"))


def _storage_words(response: requests.Response) -> tuple[str, str]:
    """Return S3's error code, empty if there is none, and words for a person.

    Only code and message are shown: next to them S3 repeats the signature.
    (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)
    """
    try:
        body = response.raw.read(ERROR_BODY, decode_content=True)
    except (HTTPError, OSError):
        body = b""
    text = body.decode("utf-8", "replace")
    found = dict(re.findall(r"<(Code|Message)>([^<]*)<", text))
    if "Code" not in found:
        return "", without_query(server_words(body))
    return found["Code"], f"{found['Code']}: {found.get('Message', '')}"


def _pause(breaks: int) -> float:
    """Return seconds to wait after so many breaks in a row; none after the first."""
    return backoff(breaks - 1) if breaks > 1 else 0.0
