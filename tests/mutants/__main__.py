# SPDX-License-Identifier: Apache-2.0
"""Break the package in many places, one at a time, and see that a test notices each.

``python -m tests.mutants`` applies each mutant to a copy of the package in a temporary folder, runs the test
that is to notice it there, and prints a table. With words behind it, only those mutants that have one of them
in their name or file. It ends with 1 when one is noticed by no test, or its text is no longer found.

``python -m tests.mutants --page`` runs nothing, and writes the table into docs/trust.md.
"""

from __future__ import annotations

import sys

from tests.mutants.page import PAGE, page
from tests.mutants.run import main

if __name__ == "__main__":
    if "--page" in sys.argv:
        PAGE.write_text(page())
    else:
        sys.exit(main(sys.argv[1:]))
