# SPDX-License-Identifier: Apache-2.0
"""Faults in downloads, and in what is on the disk."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "breaks of a download are not reset by progress",
        "landing/_download.py",
        "breaks = 1 if offset - reached >= PROGRESS else breaks + 1",
        "breaks += 1",
        "integration/landing/test_download.py::test_a_download_that_makes_progress_outlives_any_number_of_breaks",
    ),
    Mutant(
        "breaks of a download are reset by a byte",
        "landing/_download.py",
        "breaks = 1 if offset - reached >= PROGRESS else breaks + 1",
        "breaks = 1 if offset > reached else breaks + 1",
        "integration/landing/test_download.py::test_a_download_that_makes_hardly_any_progress_is_given_up",
    ),
    Mutant(
        "refusals of URLs are not reset by success",
        "landing/_download.py",
        ("            self._refusals = self._absences = 0\n            return response"),
        "            return response",
        "integration/landing/test_download.py::test_a_url_that_expires_now_and_then_is_asked_for_again_each_time",
    ),
    Mutant(
        "a storage's Retry-After has no cap",
        "landing/_download.py",
        "min(wait, LONGEST_WAIT)",
        "wait",
        "integration/landing/test_download.py::test_the_storage_is_left_alone_for_as_long_as_it_asks",
    ),
    Mutant(
        "the rest of another object is appended",
        "landing/_source.py",
        'headers.get("ETag", self.etag) != self.etag',
        "False",
        "unit/landing/test_landing.py::test_the_rest_of_something_else_is_not_taken",
    ),
    Mutant(
        "a rest that begins elsewhere is appended",
        "landing/_source.py",
        "if first != offset:",
        "if False:",
        "unit/landing/test_landing.py::test_the_rest_of_something_else_is_not_taken",
    ),
    Mutant(
        "a packed rest is appended to what is not packed",
        "landing/_source.py",
        "            or _encoding(headers) != self.encoding\n",
        "",
        "unit/landing/test_landing.py::test_the_rest_of_something_else_is_not_taken",
    ),
    Mutant(
        "a rest is taken where nothing tells versions apart",
        "landing/_source.py",
        "if self.validator is None:",
        "if False:",
        "unit/landing/test_landing.py::test_no_rest_is_taken_where_nothing_tells_versions_apart",
    ),
    Mutant(
        "a weak ETag tells versions apart",
        "landing/_source.py",
        'etag if etag and not etag.startswith("W/") else None',
        "etag",
        "unit/landing/test_landing.py::test_only_a_strong_etag_or_a_date_tells_versions_apart",
    ),
    Mutant(
        "a rest is asked for without a condition",
        "landing/_download.py",
        "if self.source.validator:",
        "if False:",
        "integration/landing/test_download.py::test_the_rest_is_asked_for_on_condition_that_the_object_is_the_same",
    ),
    Mutant(
        "a body that is too short is whole",
        "landing/_download.py",
        "if offset == self.source.size or (self.source.size is None and tells):",
        "if True:",
        "integration/landing/test_download.py::test_a_cut_shows_in_the_length_of_a_later_answer",
    ),
    Mutant(
        "a damaged file is published",
        "landing/land.py",
        "if says not in (None, has):",
        "if False:",
        "integration/landing/test_landing.py::test_a_damaged_file_is_not_published[local]",
    ),
    Mutant(
        "the queue of a slow storage has no bound",
        "landing/land.py",
        ("        if len(self._pending) > QUEUED:\n            self._pending.popleft().result()\n"),
        "",
        "unit/landing/test_bounds.py::test_so_many_chunks_wait_for_a_slow_storage_and_all_arrive_in_order",
    ),
    Mutant(
        "parts of an upload pile up",
        "landing/_parts.py",
        "self._wait(max(0, min(SIDE_BY_SIDE, IN_FLIGHT // size) - 1))",
        "self._wait(len(self._pending))",
        "unit/landing/test_bounds.py::test_so_many_parts_are_under_way_at_a_time_and_all_are_published",
    ),
    Mutant(
        "a file is renamed before it is on the disk",
        "landing/_files.py",
        "        os.fsync(self._file)\n",
        "",
        "unit/landing/test_files.py::test_a_file_is_on_the_disk_before_it_has_its_name",
    ),
)
