# SPDX-License-Identifier: Apache-2.0
"""Define the commands and options. Airflow reads this with each command of its own: it loads nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand

_COMMANDS = "airflow_provider_clarus.cli.commands"


def get_clarus_cli_commands() -> list[CLICommand]:
    """Return the group ``clarus``: what the key ``cli`` of the provider information leads to."""
    from airflow.cli.cli_config import (
        ARG_OUTPUT,
        ActionCommand,
        Arg,
        GroupCommand,
        lazy_load_command,
        positive_int,
    )

    conn_id = Arg(
        ("--conn-id",),
        help="The Airflow connection, which has the credentials (default: clarus_default)",
        default="clarus_default",
    )
    subdomain = Arg(("--subdomain",), help="The tenant, instead of the connection's own")
    common = (conn_id, subdomain)
    report = Arg(
        ("report",), help="The report's id, or its whole name; digits are an id", metavar="ID_OR_NAME"
    )
    variable = Arg(
        ("--variable",),
        help="A variable as NAME=VALUE, repeatable, also for several values of one name",
        action="append",
        default=[],
        metavar="NAME=VALUE",
    )
    seconds = positive_int(allow_zero=False)

    reports = (
        ActionCommand(
            name="list",
            help="List the reports that the connection's user sees",
            func=lazy_load_command(f"{_COMMANDS}.list_reports"),
            args=(
                *common,
                Arg(
                    ("--name",), help="A part of the name, or a pattern with %% for any text", metavar="LIKE"
                ),
                ARG_OUTPUT,
            ),
        ),
        ActionCommand(
            name="show",
            help="Show a report: its variables, their types, and a DAG to paste",
            func=lazy_load_command(f"{_COMMANDS}.show_report"),
            args=(report, *common, ARG_OUTPUT),
        ),
        ActionCommand(
            name="generate",
            help="Generate a report, wait for it, and land its file",
            func=lazy_load_command(f"{_COMMANDS}.generate_report"),
            args=(
                report,
                *common,
                variable,
                Arg(
                    ("--destination",),
                    help="Where the file lands, such as s3://aws_default@bucket/stock.csv; after a last / "
                    "goes the file's own name",
                    required=True,
                    metavar="URI",
                ),
                Arg(
                    ("--no-check-variables",),
                    help="Do not hold the variables against what the report declares",
                    action="store_true",
                ),
                Arg(
                    ("--poll-interval",),
                    help="Seconds between two looks (default: 5)",
                    type=seconds,
                    default=5,
                ),
                Arg(
                    ("--timeout",), help="Seconds to wait at most (default: 3600)", type=seconds, default=3600
                ),
                ARG_OUTPUT,
            ),
        ),
        ActionCommand(
            name="create",
            help="Make a report of a shared query, which the connection's user then owns",
            description="Make a report of a shared query, which the connection's user then owns and may "
            "generate. The columns and the stored variables of another report cannot be read: type them.",
            func=lazy_load_command(f"{_COMMANDS}.create_report"),
            args=(
                Arg(("name",), help="The new report's name"),
                *common,
                Arg(("--query",), help="The report query: its id, or its whole name", metavar="ID_OR_NAME"),
                Arg(
                    ("--like",),
                    help="A report from which query, kind, source path and description are taken",
                    metavar="ID_OR_NAME",
                ),
                Arg(
                    ("--field",),
                    help="A column as HEADER=PATH, repeatable, such as SKU=node.product.code",
                    action="append",
                    default=[],
                    metavar="HEADER=PATH",
                ),
                variable,
                Arg(("--report-type",), help="single (a table), bar or pie"),
                Arg(("--source-path",), help="Where the rows are, such as data.stocks.all.edges"),
                Arg(("--description",), help="What it shows"),
                ARG_OUTPUT,
            ),
        ),
    )
    commands: list[CLICommand] = [
        GroupCommand(
            name="clarus",
            help="Work with ClarusWMS by hand",
            subcommands=(
                GroupCommand(name="reports", help="Find, generate and make reports", subcommands=reports),
                ActionCommand(
                    name="check",
                    help="Check a connection, step by step",
                    func=lazy_load_command(f"{_COMMANDS}.check"),
                    args=(
                        *common,
                        Arg(
                            ("--deep",),
                            help="Try each point that Clarus does not publish, and print a report without "
                            "secrets, to be attached to an issue. Everything is only read",
                            action="store_true",
                        ),
                        Arg(
                            ("--generate",),
                            help="With --deep: also queue this report, to see what becomes of it",
                            metavar="ID_OR_NAME",
                        ),
                    ),
                ),
            ),
        )
    ]
    return commands


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m airflow_provider_clarus``, which knows the same commands."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_clarus", description="Work with ClarusWMS by hand."
    )
    (group,) = get_clarus_cli_commands()
    _add(parser, group.subcommands)  # type: ignore[union-attr]
    return parser


def _add(parser: argparse.ArgumentParser, commands: Iterable[CLICommand]) -> None:
    below = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in commands:
        added = below.add_parser(
            command.name, help=command.help, description=command.description or command.help
        )
        subcommands = getattr(command, "subcommands", None)
        if subcommands:
            _add(added, subcommands)
            continue
        for argument in getattr(command, "args", ()):
            argument.add_to_parser(added)
        added.set_defaults(func=getattr(command, "func"))  # noqa: B009 - mypy knows no narrower type
