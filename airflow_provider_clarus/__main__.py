# SPDX-License-Identifier: Apache-2.0
"""Run ``python -m airflow_provider_clarus``: the command line before Airflow 3.2, which has it as its own."""

from __future__ import annotations

from airflow_provider_clarus.cli.definition import get_parser


def main(arguments: list[str] | None = None) -> None:
    """Run a command.

    :raises SystemExit: with a line that says what went wrong, and the code 1
    """
    options = get_parser().parse_args(arguments)
    options.func(options)


if __name__ == "__main__":
    main()
