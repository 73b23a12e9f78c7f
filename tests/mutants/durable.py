# SPDX-License-Identifier: Apache-2.0
"""Faults in what a retry knows."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "a cleared task adopts its document",
        "durable.py",
        'kept if kept.get("max_tries") == self._max_tries else {}',
        "kept",
        "integration/test_durable.py::test_a_cleared_task_generates_anew_and_says_so",
    ),
    Mutant(
        "a retry adopts the document of another request",
        "durable.py",
        'return self._kept["id"] if self._kept.get("request") == self._request else None',
        'return self._kept["id"]',
        "integration/test_durable.py::test_another_request_is_generated_anew",
    ),
    Mutant(
        "nothing is written down before a report is asked for",
        "durable.py",
        '        self._keep({"doubts": [*self._doubts.kept, doubt]}, before=True)\n',
        "",
        "integration/test_durable.py::test_what_cannot_be_written_down_first_is_not_generated",
    ),
    Mutant(
        "a retry judges its document by one look",
        "durable.py",
        "if document or now - missing_since > MISSING_GRACE:",
        "if True:",
        "integration/test_durable.py::test_one_look_does_not_judge_the_document_of_an_earlier_try",
    ),
    Mutant(
        "a doubt is forgotten",
        "durable.py",
        'self._keep({"doubts": [*self._doubts.kept, doubt | {"error": short(error)}]})',
        'self._keep({"doubts": []})',
        "integration/test_durable.py::test_an_unknown_outcome_is_generated_again_by_a_retry_which_says_why",
    ),
)
