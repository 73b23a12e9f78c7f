# SPDX-License-Identifier: Apache-2.0
"""Limit the requests that are under way at a time, and whom they keep from being asked."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from airflow.providers.common.compat.sdk import AirflowConfigException, conf

from airflow_provider_clarus.exceptions import ClarusError, ClarusTransientError
from airflow_provider_clarus.http.limit import Limit
from airflow_provider_clarus.http.transport import KEPT_OPEN
from airflow_provider_clarus.waiting._queue import Wanted
from airflow_provider_clarus.waiting._tenant import Tenant

log = logging.getLogger(__name__)

#: Requests at a time, unless ``[clarus] requests_at_once`` says otherwise.
REQUESTS_AT_ONCE = 8
#: Seconds between two looks for room, at least.
LEAST_PAUSE = 0.05
#: Seconds that a request may keep another tenant waiting for its turn, before it is cut off; more where
#: answers are known to take long, and each time that it happens to the same tenant.
LEAST_PATIENCE, MOST_PATIENCE = 1.0, 8.0


@dataclass(slots=True, eq=False)
class Request:
    """A request under way. Times are in seconds of the event loop's clock.

    :param suspect: it may well hang, as those before it did
    :param patience: seconds for which it may keep others waiting
    """

    tenant: Tenant
    batch: Sequence[Wanted]
    started: float
    limit: Limit
    suspect: bool
    patience: float
    is_cut: bool = False

    def cut(self) -> None:
        """End it; it fails then, as if it had taken too long."""
        self.is_cut = True
        self.limit.cut()

    def met(self, error: ClarusError, now: float) -> ClarusError:
        """Return the error that it ended with; one that was cut off for others is told as that."""
        if not (self.is_cut and self.is_wanted):
            return error
        return ClarusTransientError(
            f"Could not read from tenant {self.tenant.name!r}: no answer within {self.took(now):.0f} s, "
            "and other tenants waited."
        )

    def took(self, now: float) -> float:
        """Return for how many seconds it has kept others waiting.

        Until there is a token, it keeps nobody: all of a connection need the same one, and it is on its way.
        """
        return now - self.started - self.limit.spent_aside

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for what it asks; asking whether Clarus answers at all ends by itself."""
        return not self.batch or any(True for wanted in self.batch for _ in wanted.waiting)


@dataclass(slots=True)
class Slots:
    """So many requests at a time, one of which is kept free of those that may well hang."""

    count: int
    running: set[Request] = field(default_factory=set)
    _latency: float | None = None
    _patience: dict[Tenant, float] = field(default_factory=dict)

    def is_slow(self, tenant: Tenant) -> bool:
        """Tell whether a tenant's last request took longer than others can wait."""
        return tenant in self._patience

    def has_room(self, *, suspect: bool) -> bool:
        """Tell whether one more may start."""
        suspects = sum(request.suspect for request in self.running)
        return len(self.running) < self.count and not (suspect and suspects >= max(1, self.count - 1))

    async def turn(self, tenant: Tenant, clock: Callable[[], float], limit: Limit) -> Request:
        """Wait for room, as all others do, and return a request that asks about no document."""
        while not self.has_room(suspect=self.is_slow(tenant)):
            again = self.overtake(tenant, clock()) - clock()
            await asyncio.sleep(min(max(again, LEAST_PAUSE), MOST_PATIENCE))
        request = Request(tenant, (), clock(), limit, self.is_slow(tenant), self.patience(tenant))
        self.running.add(request)
        return request

    def patience(self, tenant: Tenant) -> float:
        """Return for how many seconds a request of a tenant may keep others waiting."""
        usual = max(LEAST_PATIENCE, 4 * (self._latency or 0.0))
        return max(usual, self._patience.get(tenant, 0.0))

    def over(self, request: Request, now: float, *, answered: bool) -> None:
        """Take note of the end of a request."""
        self.running.discard(request)
        took = request.took(now)
        if answered:
            self._latency = took if self._latency is None else 0.8 * self._latency + 0.2 * took
        if took < request.patience:
            self._patience.pop(request.tenant, None)
        elif answered:
            self._patience[request.tenant] = min(2 * took, MOST_PATIENCE)
        else:
            self._patience[request.tenant] = min(2 * request.patience, MOST_PATIENCE)

    def forget(self, tenant: Tenant) -> None:
        """Forget a tenant of which nobody waits for anything."""
        self._patience.pop(tenant, None)

    def one_by_one(self, tenant: Tenant) -> float:
        """Return when a tenant that may not answer at all has its next turn, after the requests under way."""
        starts = (request.started for request in self.running if request.tenant is tenant)
        return max(starts, default=-math.inf) + LEAST_PATIENCE

    def overtake(self, tenant: Tenant, now: float) -> float:
        """Cut off the request of another tenant that has kept this one waiting for too long, if there is one.

        Returns when to look again.
        """
        running = sorted((one for one in self.running if not one.is_cut), key=_started)
        if self._latency is None:
            # Until anything was answered, nobody knows how long that takes: one is let wait for it.
            running = running[1:]
        others = [one for one in running if one.tenant is not tenant]
        left = {one: one.patience - one.took(now) for one in others}
        for request in others:
            if left[request] <= 0:
                request.cut()
                return now + LEAST_PATIENCE
        return now + min(left.values(), default=LEAST_PATIENCE)


def requests_at_once() -> int:
    """Return how many there may be through one connection."""
    try:
        count = int(conf.getint("clarus", "requests_at_once", fallback=REQUESTS_AT_ONCE))
    except AirflowConfigException as error:
        # A slip in a configuration that nobody looks at is no reason to end everybody's wait.
        log.warning("%s Sending %d requests at a time.", error, REQUESTS_AT_ONCE)
        count = REQUESTS_AT_ONCE
    return min(max(1, count), KEPT_OPEN)


def _started(request: Request) -> float:
    return request.started
