# SPDX-License-Identifier: Apache-2.0
"""What the real Chronic counts from now, against what we take for that."""

from __future__ import annotations

from itertools import product

import pytest

from airflow_provider_clarus.variables.relative import is_absolute, is_relative, may_be_relative
from tests.reference.server import chronic

PERIODS = ["hour", "day", "week", "month", "year", "morning", "summer", "weekend"]
UNITS = ["minutes", "hours", "days", "weeks", "months", "years", "fortnights"]
DAYS = ["monday", "friday", "sat", "thurs"]
MONTHS = ["january", "may", "sep", "december"]

#: Phrases as people write them, in every combination of their parts.
PHRASES = sorted(
    {
        *("today", "yesterday", "tomorrow", "now", "today at noon", "tomorrow 9am", "yesterday at 5:30 pm"),
        *("today at 5.30pm", "yesterday BST", "3 days ago.", "'3 days ago'", '"3 days ago"', "(yesterday)"),
        *(f"{which} {period}" for which, period in product(["this", "last", "next", "past"], PERIODS)),
        *(f"{which} {day}" for which, day in product(["this", "last", "next"], DAYS)),
        *(f"{which} {month}" for which, month in product(["this", "last", "next"], MONTHS)),
        *(f"{count} {unit} ago" for count, unit in product(["3", "two", "twenty", "a"], UNITS)),
        *(f"{count} {unit} from now" for count, unit in product(["3", "ten"], UNITS)),
        *(f"{which} {count} {unit}" for which, count, unit in product(["last", "past"], ["7", "two"], UNITS)),
        *(f"{day} {clock}" for day, clock in product(DAYS, ["09:00", "at 5pm", "at noon"])),
        *(f"{edge} of {period}" for edge, period in product(["beginning", "start", "end"], PERIODS[:5])),
        *(f"first day of {which} month" for which in ("this", "last", "next")),
        *(f"{number} {month}" for number, month in product(["1", "31st", "12"], MONTHS)),
        *(f"{month} {number}" for month, number in product(MONTHS, ["1", "30", "12th"])),
        *(f"{part} {day}" for part, day in product(["previous"], DAYS)),
        *(f"{count} {unit} hence" for count, unit in product(["3"], UNITS)),
        *(f"{clock} {moment}" for clock, moment in product(["9am", "17:30"], ["today", "tomorrow"])),
    }
)
#: The name of a delivery service, in nearly every warehouse: refused only where the catalogue says Date.
SERVICE = "next day"
ABSOLUTE = [
    "2024-01-15",
    "2024-01-15 09:00:00",
    "2024-03-31T00:00:00+00:00",
    "2024-03-31T23:59:59.999999+01:00",
    "2024-01-15T09:00:00Z",
    "15 January 2024",
    "January 15, 2024 09:00",
    "January 15 2024 at 9:00",
]


@pytest.fixture(scope="module")
def counted_from_now() -> list[str]:
    read = chronic(PHRASES)
    return [phrase for phrase, (one, other) in zip(PHRASES, read, strict=True) if one and one != other]


def test_what_the_server_counts_from_now_is_refused_in_a_late_run(counted_from_now: list[str]) -> None:
    missed = [phrase for phrase in counted_from_now if not is_relative(phrase) and phrase != SERVICE]
    print(f"\nphrases: {len(PHRASES)}; counted from now: {len(counted_from_now)}; missed: {len(missed)}")
    assert len(counted_from_now) > 150
    assert missed == []


def test_words_that_the_server_drops_do_not_hide_it(counted_from_now: list[str]) -> None:
    def read_alike(wrapped: list[str]) -> list[str]:
        return [text for text, (one, other) in zip(wrapped, chronic(wrapped), strict=True) if one != other]

    wrapped = read_alike(
        [
            f"kindly {phrase} please"
            for phrase in counted_from_now
            if "now" not in phrase and phrase != SERVICE
        ]
    )
    missed = [text for text in wrapped if not may_be_relative(text)]
    print(f"\namong strange words: {len(wrapped)}; missed: {len(missed)}")
    assert wrapped
    assert missed == []


def test_what_is_taken_for_absolute_is_the_same_whenever_it_is_read() -> None:
    for phrase, (one, other) in zip(ABSOLUTE, chronic(ABSOLUTE), strict=True):
        assert is_absolute(phrase)
        assert one is not None, phrase
        assert one == other, phrase
