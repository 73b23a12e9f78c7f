# SPDX-License-Identifier: Apache-2.0
"""Size a deployment in docs/production.md by what was measured: ``python -m tests.sizing`` writes it anew.

The figures are those in the first column of "Beyond one machine" in docs/measured.md.
"""

from __future__ import annotations

import re

from tests import readme
from tests.modules import ROOT

PAGE = ROOT / "docs" / "production.md"
START, END = "<!-- sizing: python -m tests.sizing -->\n", "<!-- end of sizing -->\n"
#: Cores of the machine on which it was measured.
CORES = 2
#: The greediest first.
KINDS = ("worker", "api-server", "triggerer", "scheduler", "dag-processor")


def made() -> str:
    """Return the table and the sentence below it as they should be."""
    figures = _figures()
    cpu = {kind: _number(figures[f"CPU of {kind} per report"]) for kind in KINDS}
    memory = {kind: figures[f"memory of one {kind}"] for kind in KINDS}
    at_work = sum(_number(figures[f"memory of one {kind}"]) for kind in ("supervisor", "task"))
    memory["worker"] += f", and {at_work:.0f} MB for each task at work"
    head = "| process | CPU per report | so one core does, an hour | memory of one |"
    lines = ["", head, "|---|---|---|---|"]
    for kind, seconds in cpu.items():
        does = "what its DAG files ask for" if kind == "dag-processor" else f"{_an_hour(seconds)} reports"
        lines.append(f"| {kind} | {seconds:.2f} s | {does} | {memory[kind]} |")
    total = sum(cpu.values())
    lines += [f"| all of them | {total:.2f} s | {_an_hour(total)} reports | |", ""]
    count, seconds = _number(figures["what"]), _number(figures["wall time"])
    lines += [
        f"Two cores with all of it, Clarus' sandbox and the databases landed {count:,.0f} reports in "
        f"{seconds:,.0f} s: {_an_hour(seconds / count)} an hour,",
        f"{100 * count * total / (CORES * seconds):.0f} % of what the CPU of Airflow alone would allow.",
        "",
    ]
    return "\n".join(lines)


def shown() -> str:
    """Return them as the page has them."""
    return PAGE.read_text().partition(START)[2].partition(END)[0]


def _figures() -> dict[str, str]:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", readme.section("Beyond one machine"), flags=re.MULTILINE)
    return dict(rows)


def _number(cell: str) -> float:
    return float(cell.replace(",", "").split()[0])


def _an_hour(seconds: float) -> str:
    return f"{round(3600 / seconds, -2):,.0f}"


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(START)
    PAGE.write_text(before + START + made() + END + rest.partition(END)[2])
