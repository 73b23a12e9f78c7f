# SPDX-License-Identifier: Apache-2.0
"""Writes the policy's table into its page: ``python -m tests.failures_table``."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_clarus.policy.answers import TABLE, Call, Row
from airflow_provider_clarus.policy.patience import MISSING_GRACE, TOKEN_PAUSE, Patience, patience_for

PAGE = Path(__file__).parent.parent / "docs" / "failures-table.md"

HEAD = f"""# What is final, and what passes

Made from `airflow_provider_clarus/policy/` by `python -m tests.failures_table`; a test holds it to that.

The first row that fits an answer is the one. *Later* is never final: a wait goes on until its own deadline,
and a call is retried. A refusal of a read is final when the same question was refused so many times in a row,
over so many seconds, and nothing was answered in between; "not now" in between begins the count anew. Of what
is not asked twice, one answer decides. A token is asked for on behalf of one of these calls, and judged as
such; a token endpoint's refusal is an answer when it was given twice, {TOKEN_PAUSE:.0f} s
apart.

What becomes of a task follows from the class of its error: Airflow retries it, as often as its `retries` say,
or fails it at once. With a `ClarusRetryPolicy` (see [its page](retry-policy.md)) it retries after what
Clarus asked for, or else after pauses that double; without one, after the task's `retry_delay`.

A document whose status is `failed` is final at once; any status that is not documented means *not yet*. One
that is out of sight is waited for, for {MISSING_GRACE:.0f} s from the first look in a row that missed it.

| asked for | status | answer | refuses | final after | error | the task | what to do |
|---|---|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(map(_line, TABLE))


def _line(row: Row) -> str:
    calls = "anything" if set(row.calls) == set(Call) else ", ".join(call.value for call in row.calls)
    cells = (
        calls,
        row.statuses.replace(" ", ", ") or "any",
        "; ".join(said.value for said in row.said) if len(row.said) < 5 else "anything else",
        row.refuses.value,
        _final_after({call: patience_for(row, call) for one in row.calls for call in _on_behalf_of(one)}),
        f"`{row.error.__name__}`" + (", may have acted" if row.may_have_acted else ""),
        "is retried" if row.error("").may_pass else "fails",
        row.remedy,
    )
    return "| " + " | ".join(cells) + " |\n"


def _on_behalf_of(call: Call) -> list[Call]:
    """Return what is judged: a token is asked for on behalf of another call."""
    return [other for other in Call if other is not Call.TOKEN] if call is Call.TOKEN else [call]


def _final_after(patience: dict[Call, Patience | None]) -> str:
    words = {call: _words(one) for call, one in patience.items()}
    if len(set(words.values())) == 1:
        return words.popitem()[1]
    return "; ".join(f"{word} ({_calls(words, word)})" for word in dict.fromkeys(words.values()))


def _calls(words: dict[Call, str], wanted: str) -> str:
    return ", ".join(call.value for call, word in words.items() if word == wanted)


def _words(patience: Patience | None) -> str:
    if patience is None:
        return "never"
    return "one answer" if patience.looks == 1 else f"{patience.looks} answers over {patience.seconds:.0f} s"


if __name__ == "__main__":
    PAGE.write_text(page())
