# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = "airflow_provider_clarus"


@dataclass(frozen=True)
class Mutant:
    """A fault that could be made by a slip.

    :param name: what is wrong then
    :param file: in the package
    :param text: what stands there, once
    :param replacement: what stands there instead
    :param killed_by: the test that notices it, below tests/
    """

    name: str
    file: str
    text: str
    replacement: str
    killed_by: str

    @property
    def test(self) -> str:
        """What pytest is given."""
        return f"tests/{self.killed_by}"

    def broken(self, source: str) -> str:
        """Return a file's text with the fault in it.

        :raises LookupError: when what it replaces does not stand there exactly once
        """
        if (count := source.count(self.text)) != 1:
            raise LookupError(f"{self.name}: {self.file} has {count} times {self.text!r}")
        return source.replace(self.text, self.replacement)
