# SPDX-License-Identifier: Apache-2.0
"""Fetch Airflow's connections, so that one which cannot be had is an error, and never a default.

While Airflow's database or API is away, its SDK says of every connection that it is not defined
(apache/airflow 71307), as it does of a misspelt one. Nobody can tell the two apart, so both may pass.
"""

from __future__ import annotations

import contextvars
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.http import limit

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


#: Seconds that Airflow, or a secrets backend, may take to hand a connection out.
LONGEST_FETCH = 60.0


def fetch(conn_id: str) -> Connection:
    """Return an Airflow connection.

    :raises ClarusTransientError: when Airflow does not find it, just now or at all, or cannot be asked, or
        does not answer in time: in :data:`LONGEST_FETCH`, or what this thread's requests are limited to
    """
    bound = limit.current()
    seconds = min(LONGEST_FETCH, bound.left) if bound else LONGEST_FETCH
    fetched: Future[Connection] = Future()

    def run() -> None:
        try:
            fetched.set_result(BaseHook.get_connection(conn_id))
        except BaseException as error:
            fetched.set_exception(error)

    # In a thread that nobody waits for at the end: neither Airflow nor a secrets backend can be interrupted.
    context = contextvars.copy_context()
    try:
        threading.Thread(target=context.run, args=[run], name="clarus-fetching", daemon=True).start()
        return fetched.result(seconds)
    except FutureTimeoutError as error:
        if fetched.done():
            # The backend's own, which is a TimeoutError, too.
            raise _not_fetched(conn_id, error) from error
        raise ClarusTransientError(
            f"Could not fetch connection {conn_id!r}: no answer from Airflow, or the secrets backend, within "
            f"{seconds:.0f} s. Nothing was sent.",
            may_have_acted=False,
        ) from None
    except Exception as error:
        raise _not_fetched(conn_id, error) from error


async def afetch(conn_id: str) -> Connection:
    """Return an Airflow connection, from within an event loop.

    :raises ClarusTransientError: as :func:`fetch`
    """
    from airflow.providers.common.compat.connection import get_async_connection

    try:
        return await get_async_connection(conn_id)
    except Exception as error:
        raise _not_fetched(conn_id, error) from error


#: Of a connection's JSON, which the one that Airflow 3.0 gives a task does not write itself.
_FIELDS = ("conn_type", "host", "schema", "login", "password", "port", "extra")


@contextmanager
def at_hand(connection: Connection) -> Iterator[None]:
    """Let whatever asks for a connection inside be given this one, whatever has become of Airflow meanwhile.

    A storage's own hook fetches the connection again, by its id, and goes on without one when it is refused.
    """
    name = f"AIRFLOW_CONN_{str(connection.conn_id).upper()}"
    before = os.environ.get(name)
    fields = {field: getattr(connection, field) for field in _FIELDS}
    os.environ[name] = json.dumps({field: value for field, value in fields.items() if value})
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _not_fetched(conn_id: str, error: Exception) -> ClarusTransientError:
    if not isinstance(error, AirflowNotFoundException):
        return ClarusTransientError(
            f"Could not fetch connection {conn_id!r}: {error!r}. Nothing was sent.", may_have_acted=False
        )
    return ClarusTransientError(
        f"Airflow did not find connection {conn_id!r} ({error}). Either there is none of that id: add it in "
        f"Admin > Connections, or set AIRFLOW_CONN_{conn_id.upper()}. Or Airflow's database or API cannot be "
        "reached just now, of which it says the same: then a retry helps. Nothing was sent.",
        may_have_acted=False,
    )
