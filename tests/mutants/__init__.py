# SPDX-License-Identifier: Apache-2.0
"""Faults that could be made by a slip, room by room, and the test that notices each."""

from __future__ import annotations

from tests.mutants import answers, durable, http, landing, tokens, variables, waiting, watching
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *answers.MUTANTS,
    *http.MUTANTS,
    *waiting.MUTANTS,
    *tokens.MUTANTS,
    *landing.MUTANTS,
    *variables.MUTANTS,
    *watching.MUTANTS,
    *durable.MUTANTS,
)
