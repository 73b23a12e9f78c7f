# SPDX-License-Identifier: Apache-2.0
"""Back off: pauses that double with each failure in a row, jittered, so that many do not return at once."""

from __future__ import annotations

import random

#: Seconds: a server that asks whoever waits for a longer pause is asked all the same. A proxy's page may say
#: ``Retry-After: 3600`` of a server that is well a moment later.
LONGEST_ASKED = 60.0


def backoff(failures: int, *, first: float = 0.5, longest: float = 30.0) -> float:
    """Return the seconds to pause after so many failures in a row.

    :param failures: at least 1
    :param first: seconds after one failure; up to a fifth of each pause is left off, by chance
    :param longest: seconds that no pause exceeds
    """
    growing = first * 2.0 ** min(failures - 1, 64)
    return min(longest, growing) * random.uniform(0.8, 1.0)  # noqa: S311 - no secret


def rest(failures: int, asked: float, *, first: float, longest: float) -> float:
    """Return for how many seconds nobody is asked after so many failures in a row.

    :param asked: seconds that the server asked for, which are kept at least, up to :data:`LONGEST_ASKED`;
        zero if it did not
    """
    jittered = min(asked, LONGEST_ASKED) * random.uniform(1, 1.2)  # noqa: S311 - no secret
    return max(jittered, backoff(failures, first=first, longest=longest))
