# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

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
