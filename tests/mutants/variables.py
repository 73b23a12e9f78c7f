# SPDX-License-Identifier: Apache-2.0
"""Faults in windows and dates."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "a window ends with its interval",
        "variables/windows.py",
        "first, last = start, end - resolution",
        "first, last = start, end",
        "unit/variables/test_windows.py::test_consecutive_windows_meet_and_cover_exactly_the_range",
    ),
    Mutant(
        "an empty interval makes a window",
        "variables/windows.py",
        "if last < first:",
        "if False:",
        "unit/variables/test_windows.py::test_a_trigger_timetable_is_empty_and_shown_the_way_out",
    ),
    Mutant(
        "a precise window leaves out a second",
        "variables/windows.py",
        "end - resolution",
        "end - timedelta(seconds=1)",
        "unit/variables/test_windows.py::test_precise_windows_leave_out_a_microsecond",
    ),
    Mutant(
        "a relative expression passes in a late run",
        "variables/relative.py",
        "late = now - interval_end > _LATE",
        "late = False",
        "unit/variables/test_relative.py::test_what_the_server_may_make_of_strange_words_is_warned_of_and_passes",
    ),
    Mutant(
        "a time that comes twice is sent in the naive form",
        "variables/values.py",
        "if _is_ambiguous(local):",
        "if False:",
        "unit/variables/test_values.py::test_a_time_that_comes_twice_is_refused_in_the_naive_form",
    ),
    Mutant(
        "a time that the clocks jump over is sent",
        "variables/values.py",
        "    _refuse_missing(name, value)\n",
        "",
        "unit/variables/test_values.py::test_a_time_that_the_clocks_jump_over_is_refused",
    ),
    Mutant(
        "an interval of one second is refused",
        "variables/settle.py",
        "return max(SHORTEST_INTERVAL, seconds(value, name))",
        (
            "if (found := seconds(value, name)) <= SHORTEST_INTERVAL:\n"
            "        raise refused(name, value, 'more')\n"
            "    return found"
        ),
        "unit/variables/test_settle.py::test_nobody_is_asked_more_often_than_once_a_second",
    ),
    Mutant(
        "an interval may be shorter than a second",
        "variables/settle.py",
        "return max(SHORTEST_INTERVAL, seconds(value, name))",
        "return seconds(value, name)",
        "unit/variables/test_settle.py::test_nobody_is_asked_more_often_than_once_a_second",
    ),
)
