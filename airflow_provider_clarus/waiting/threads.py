# SPDX-License-Identifier: Apache-2.0
"""Run blocking calls beside an event loop, in threads that nobody waits for when the process ends.

The loop's default executor has few threads, which all triggers share; and those of any ``ThreadPoolExecutor``
are joined when Python ends, so that one hung request would keep a triggerer from stopping.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(function: Callable[[], Result]) -> Result:
    """Return what a blocking function returns; whoever is cancelled while it runs leaves it alone.

    :raises RuntimeError: when no thread can be started
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: Result | None = None
        failed: BaseException | None = None
        try:
            result = function()
        except BaseException as error:
            # A future takes no StopIteration.
            failed = RuntimeError(repr(error)) if isinstance(error, StopIteration) else error
        # The loop may be closed by now.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="clarus-waiting", daemon=True).start()
    return await future
