# SPDX-License-Identifier: Apache-2.0
"""Faults in what a watcher is told of, and what it keeps."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "a number is settled without a round more",
        "watching/ledger.py",
        "ROUNDS = 2",
        "ROUNDS = 0",
        "unit/watching/test_ledger.py::test_however_old_a_number_is_two_rounds_more_are_read_before_it_is_settled",
    ),
    Mutant(
        "a number is settled without its grace",
        "watching/ledger.py",
        "if settled >= 0 and self._rounds[0][0] <= now - GRACE:",
        "if settled >= 0:",
        "unit/watching/test_ledger.py::test_however_many_rounds_there_were_what_shows_up_within_the_grace_is_news",
    ),
    Mutant(
        "what is unfinished is settled with the others",
        "watching/ledger.py",
        "self.pending.update(unfinished)",
        "pass",
        "unit/watching/test_ledger.py::test_one_that_finishes_last_is_asked_for_by_its_number",
    ),
    Mutant(
        "a document that one look has missed is gone",
        "watching/ledger.py",
        "if now - since >= GRACE and looks >= ROUNDS:",
        "if now - since >= GRACE:",
        "unit/watching/test_ledger.py::test_an_outage_gives_up_nothing",
    ),
    Mutant(
        "a first look believes one empty page",
        "watching/stream.py",
        "        if not high:\n",
        "        if False:\n",
        "unit/watching/test_stream.py::test_a_first_look_believes_no_single_empty_page",
    ),
    Mutant(
        "what is in the making is lost by one empty page",
        "watching/stream.py",
        "        if is_empty:\n",
        "        if False:\n",
        "unit/watching/test_stream.py::test_a_first_look_believes_no_single_empty_page",
    ),
    Mutant(
        "the next page is read before the events are in the database",
        "triggers/_producer.py",
        "            await settled.wait()\n",
        "",
        "unit/triggers/test_producer.py::test_no_page_is_read_before_airflow_has_all_events_of_the_one_before",
    ),
    Mutant(
        "a watch is kept before its events are in the database",
        "triggers/documents.py",
        (
            "                await self._keep(member, stores, key)\n"
            "                news = shown.news(member)\n"
        ),
        (
            "                news = shown.news(member)\n"
            "                await self._keep(member, stores, key)\n"
        ),
        "unit/triggers/test_documents.py::test_what_a_page_tells_of_is_kept_with_the_next_one_when_its_events_are_in_the_database",
    ),
    Mutant(
        "a cursor that stays refused keeps a round for ever",
        "watching/stream.py",
        "if after and (self._refused != known or failures >= MOST_FAILURES):",
        "if after and self._refused != known:",
        "unit/watching/test_stream.py::test_a_cursor_that_stays_refused_ends_the_round",
    ),
    Mutant(
        "failures of a watch are not reset after success",
        "watching/stream.py",
        ("                self._failures = 0\n                self._trouble.worked()"),
        "                self._trouble.worked()",
        "unit/watching/test_stream.py::test_rests_grow_with_failures_in_a_row_and_begin_anew_after_an_answer",
    ),
)
