# SPDX-License-Identifier: Apache-2.0
"""Print a command's results to standard output, and all else to standard error."""

from __future__ import annotations

import functools
import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rows:
    """A result in one of Airflow's own forms: ``table``, ``json``, ``yaml`` or ``plain``."""

    rows: Sequence[Mapping[str, Any]]
    output: str

    def show(self) -> None:
        """Print it."""
        from airflow.cli.simple_table import AirflowConsole
        from rich.markup import escape

        def mapper(row: Mapping[str, Any]) -> dict[str, Any]:
            # A table takes [red] in a name for a colour.
            return {
                key: escape(_cell(value)) if self.output == "table" else value for key, value in row.items()
            }

        AirflowConsole().print_as(data=list(self.rows), output=self.output, mapper=mapper)


def command(run: Callable[[Any], Iterable[Rows | str]]) -> Callable[[Any], None]:
    """Let a command print what it returns, and on the way what this package logs; or fail with one line."""

    @functools.wraps(run)
    def wrapped(options: Any) -> None:
        package = logging.getLogger("airflow_provider_clarus")
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        before = package.level, package.propagate
        package.addHandler(handler)
        package.setLevel(logging.INFO)
        package.propagate = False
        try:
            # Airflow 2 logs to standard output.
            with warnings.catch_warnings(), redirect_stdout(sys.stderr):
                warnings.simplefilter("ignore")
                results = list(run(options))
            for result in results:
                if isinstance(result, Rows):
                    result.show()
                else:
                    print(result)  # noqa: T201
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except Exception as error:
            words = " ".join(str(error).split()) or type(error).__name__
            raise SystemExit(words) from None
        finally:
            package.removeHandler(handler)
            package.setLevel(before[0])
            package.propagate = before[1]

    return wrapped


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} ({item})" for key, item in value.items())
    return "" if value is None else str(value)
