# SPDX-License-Identifier: Apache-2.0
"""Faults in what an answer means, and when it is final."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "a rate limit is a refusal",
        "policy/answers.py",
        'Row(_ALL, "429 409 421 423 425", _ANY_BODY, *_LATER),',
        'Row(_ALL, "409 421 423 425", _ANY_BODY, *_LATER),',
        "unit/policy/test_policy.py::test_some_statuses_say_later_whoever_says_so",
    ),
    Mutant(
        "a 503 has certainly done nothing",
        "policy/answers.py",
        'Row(_ALL, "408 499 3xx 5xx", _ANY_BODY, *_LATER, may_have_acted=True),',
        'Row(_ALL, "408 499 3xx 5xx", _ANY_BODY, *_LATER),',
        "unit/http/test_responses.py::test_only_some_statuses_say_that_nothing_was_done",
    ),
    Mutant(
        "a proxy's 403 is a refusal",
        "policy/answers.py",
        'Row(_ALL, "4xx", (Said.FOREIGN, Said.ERRORS), *_LATER),',
        'Row(_ALL, "4xx", (Said.ERRORS,), *_LATER),',
        "unit/policy/test_policy.py::test_a_refusal_that_clarus_has_not_written_is_none",
    ),
    Mutant(
        "no answer has certainly done nothing",
        "policy/answers.py",
        'Row(_ALL, "", (Said.NOTHING, Said.NONSENSE), *_LATER, may_have_acted=True),',
        'Row(_ALL, "", (Said.NOTHING, Said.NONSENSE), *_LATER),',
        "unit/policy/test_policy.py::test_what_may_have_been_done_is_not_told_as_undone",
    ),
    Mutant(
        "a token endpoint in trouble refuses the client",
        "policy/answers.py",
        'if answer.get("error") in _TEMPORARY:',
        "if False:",
        "unit/policy/test_policy.py::test_a_token_endpoint_in_trouble_refuses_nobody",
    ),
    Mutant(
        "what broke off in the middle of a query makes the query invalid",
        "policy/answers.py",
        "return isinstance(errors, list) and bool(errors) and all(map(_points_into_the_query, errors))",
        "return isinstance(errors, list) and bool(errors) and any(map(_points_into_the_query, errors))",
        "unit/policy/test_policy.py::test_a_query_is_invalid_by_what_errors_point_to",
    ),
    Mutant(
        "one refusal ends a read",
        "policy/patience.py",
        "return PATIENCE[row.refuses] if call in READS else AT_ONCE",
        "return AT_ONCE",
        "unit/policy/test_policy.py::test_what_is_read_is_final_only_when_it_stays",
    ),
    Mutant(
        "refusals are counted over successes",
        "policy/patience.py",
        "self.looks, self.last = 0, None",
        "self.last = None",
        "unit/policy/test_policy.py::test_what_comes_between_begins_the_count_anew",
    ),
    Mutant(
        "refusals are counted over outages",
        "policy/patience.py",
        ("            self.looks = 0\n            return Verdict.GO_ON"),
        "            return Verdict.GO_ON",
        "unit/policy/test_policy.py::test_what_comes_between_begins_the_count_anew",
    ),
    Mutant(
        "a refusal that stays for long is final at its second look",
        "policy/patience.py",
        "if self.looks >= patience.looks and now - self.since >= patience.seconds:",
        "if self.looks >= 2 and now - self.since >= patience.seconds:",
        "unit/policy/test_policy.py::test_what_is_read_is_final_only_when_it_stays",
    ),
    Mutant(
        "a clock that went back makes a refusal older",
        "policy/patience.py",
        "if not self.looks or now < self.since:",
        "if not self.looks:",
        "unit/policy/test_policy.py::test_a_clock_that_goes_back_ends_nothing_early",
    ),
    Mutant(
        "a certificate that has expired ends waits that have worked",
        "policy/patience.py",
        "return ever_worked and isinstance(error, ClarusConfigError) and is_untrusted(error)",
        "return False",
        "unit/policy/test_policy.py::test_a_certificate_is_final_only_before_the_first_success",
    ),
    Mutant(
        "a status that nobody documented is a failure",
        "api/status.py",
        "return cls.UNKNOWN",
        "return cls.FAILED",
        "unit/api/test_status.py::test_every_word_means_a_status",
    ),
    Mutant(
        "completed is not available",
        "api/status.py",
        'return cls("available" if word == "completed" else word)',
        "return cls(word)",
        "unit/api/test_status.py::test_every_word_means_a_status",
    ),
    Mutant(
        "a failed document is waited for",
        "api/models.py",
        "if document.status is DocumentStatus.FAILED:",
        "if False:",
        "unit/api/test_models.py::test_a_failed_document_names_itself_its_tenant_and_the_remedy",
    ),
    Mutant(
        "only the first documents are ever asked for in the fall-back",
        "api/_by_status.py",
        "self._asked_last = few[-1]",
        "pass",
        "unit/api/test_by_status.py::test_where_no_list_can_be_read_all_have_their_turn_a_few_at_a_time",
    ),
    Mutant(
        "those beyond the first hundred are gone in the fall-back",
        "api/_by_status.py",
        "found |= _unknown(missing)",
        "found |= _unknown(missing[:MOST_FILES])",
        "unit/api/test_by_status.py::test_those_beyond_the_first_hundred_are_not_yet_and_have_their_turn",
    ),
)
