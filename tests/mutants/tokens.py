# SPDX-License-Identifier: Apache-2.0
"""Faults in when a token is renewed, and where it is kept."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "the chain of refresh tokens is not followed",
        "auth/tokens.py",
        'refresh_token = token.get("refresh_token", refresh_token)',
        "pass",
        "integration/auth/test_grants.py::test_a_process_with_an_old_connection_follows_all_that_others_have_stored_since",
    ),
    Mutant(
        "a token is renewed without its last tenth",
        "auth/tokens.py",
        "max(lifetime - RENEW_AHEAD, 0.9 * lifetime)",
        "lifetime - RENEW_AHEAD",
        "unit/auth/test_lifetimes.py::test_a_token_is_renewed_a_minute_before_its_end_or_with_its_last_tenth",
    ),
    Mutant(
        "a long token is renewed a tenth too early",
        "auth/tokens.py",
        "max(lifetime - RENEW_AHEAD, 0.9 * lifetime)",
        "0.9 * lifetime",
        "unit/auth/test_lifetimes.py::test_a_token_is_renewed_a_minute_before_its_end_or_with_its_last_tenth",
    ),
    Mutant(
        "a refused token is used again",
        "auth/tokens.py",
        "bool(access_token) and access_token != refused and",
        "bool(access_token) and",
        "unit/auth/test_lifetimes.py::test_a_token_is_good_until_then_and_until_it_is_refused",
    ),
    Mutant(
        "a new refresh token is kept under the old one alone",
        "auth/tokens.py",
        "if self._on_refresh_token and new not in slots:",
        "if False:",
        "integration/auth/test_grants.py::test_processes_with_the_old_and_the_stored_refresh_token_get_along",
    ),
    Mutant(
        "a stored token is not on the disk",
        "auth/state_folder.py",
        "            os.fsync(file.fileno())\n",
        "",
        "unit/auth/test_token_store.py::test_a_process_that_ends_while_it_writes_leaves_what_was_there",
    ),
    Mutant(
        "a failed token request is not shared",
        "auth/tokens.py",
        "                failure.share(patience.began, asker)",
        "                pass",
        "integration/auth/test_load.py::test_many_clients_of_a_server_that_gives_no_token_ask_as_one[500-clients]",
    ),
    Mutant(
        "one refusal of a token endpoint is believed",
        "auth/_failures.py",
        "    except ClarusPermanentError as error:\n",
        "    except ZeroDivisionError as error:\n",
        "unit/auth/test_failures.py::test_one_refusal_proves_nothing",
    ),
    Mutant(
        "a token endpoint that has refused is asked at once by the next",
        "auth/_failures.py",
        "time.sleep(max((failure.pause for failure in failures), default=0.0))",
        "pass",
        "unit/auth/test_failures.py::test_who_comes_after_a_refusal_leaves_the_server_alone_for_a_while",
    ),
    Mutant(
        "a token request ends with the wait of who has begun it",
        "auth/_exchange.py",
        'threading.Thread(target=context.run, args=[self._run], name="clarus-token", daemon=True).start()',
        "context.run(self._run)",
        "unit/auth/test_exchange.py::test_it_goes_on_when_whoever_has_begun_it_is_cut_off",
    ),
    Mutant(
        "a token endpoint's pause has no cap",
        "auth/_failures.py",
        "min(max(PAUSE, asked), LONGEST_PAUSE)",
        "max(PAUSE, asked)",
        "unit/auth/test_failures.py::test_a_server_that_asks_for_a_pause_gets_it_from_all_and_what_is_left_of_it_is_said",
    ),
)
