# SPDX-License-Identifier: Apache-2.0
"""Break the package in many places, one at a time, and see that a test notices each.

``python -m tests.mutants`` applies each mutant to a copy of the package in a temporary folder, runs the test
that is to notice it there, and prints a table. With words behind it, only those mutants that have one of them
in their name or file. It ends with 1 when one is noticed by no test, or its text is no longer found.

``python -m tests.mutants --random 200 --seed 1`` draws changes that nobody has chosen, runs the tests of
their room, and lists what came of each. Which of those that no test notices matter is for a person to say.

``python -m tests.mutants --page`` runs nothing, and writes the page docs/trust.md.
"""

from __future__ import annotations

import argparse
import sys

from tests.mutants import drawn, run
from tests.mutants.page import PAGE, page

if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m tests.mutants")
    options.add_argument("words", nargs="*")
    options.add_argument("--page", action="store_true")
    options.add_argument("--random", type=int, metavar="NUMBER")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--subject", help="of those drawn, only these are run")
    given = options.parse_args()
    if given.page:
        PAGE.write_text(page())
    elif given.random:
        sys.exit(drawn.main(given.random, given.seed, given.subject))
    else:
        sys.exit(run.main(given.words))
