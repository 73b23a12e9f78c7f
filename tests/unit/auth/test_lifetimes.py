# SPDX-License-Identifier: Apache-2.0
"""When a token is renewed: ahead of its end, and not long before."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_provider_clarus.auth.tokens import _is_good, _token


@pytest.mark.parametrize(
    ("lifetime", "good_for"),
    [(86_400, 86_340), (7200, 7140), (600, 540), ("300", 270), (60, 54), (10.0, 9), (1, 0.9)],
)
def test_a_token_is_renewed_a_minute_before_its_end_or_with_its_last_tenth(
    lifetime: Any, good_for: float
) -> None:
    token = _token({"access_token": "a", "expires_in": lifetime}, now=1000.0)
    assert token["renew_at"] == pytest.approx(1000 + good_for)


def test_a_token_is_good_until_then_and_until_it_is_refused() -> None:
    now = time.time()
    token = {"access_token": "a", "renew_at": now + 3600}
    assert _is_good(token, refused=None)
    assert _is_good(token, refused="b")
    assert not _is_good(token, refused="a")
    assert not _is_good(token | {"renew_at": now - 1}, refused=None)
    assert _is_good({"access_token": "a"}, refused=None)
    assert not _is_good({"renew_at": now + 3600}, refused=None)
