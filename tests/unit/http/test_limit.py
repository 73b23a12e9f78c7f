# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time

from airflow_provider_clarus.http.limit import Limit


def test_a_cut_stops_what_is_under_way_and_what_begins_just_then() -> None:
    limit, stopped = Limit(3600), list[str]()
    limit.guard(lambda: stopped.append("under way"))
    assert limit.left > 3000
    limit.cut()
    assert stopped == ["under way"]
    limit.guard(lambda: stopped.append("late"))
    assert stopped == ["under way", "late"]
    assert limit.left == 0


def test_a_cut_leaves_alone_what_has_ended() -> None:
    limit, stopped = Limit(3600), list[str]()
    limit.guard(lambda: stopped.append("ended"))
    limit.guard(None)
    limit.cut()
    assert not stopped


def test_what_is_spent_aside_is_known_meanwhile_and_afterwards() -> None:
    limit = Limit(3600)
    assert limit.spent_aside == 0
    with limit.aside():
        time.sleep(0.1)
        meanwhile = limit.spent_aside
    assert 0.1 <= meanwhile <= limit.spent_aside
    afterwards = limit.spent_aside
    time.sleep(0.05)
    assert limit.spent_aside == afterwards
    with limit.aside():
        time.sleep(0.1)
    assert limit.spent_aside >= afterwards + 0.1
