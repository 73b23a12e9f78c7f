# SPDX-License-Identifier: Apache-2.0
"""How a stream asks: again after failures, differently where it is refused, and for how much."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from airflow_provider_clarus.api import feed
from airflow_provider_clarus.api.feed import Filter, Listed, Page
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import ClarusError, ClarusRejectedError, ClarusTransientError
from airflow_provider_clarus.watching import stream as stream_module
from airflow_provider_clarus.watching.member import Member
from airflow_provider_clarus.watching.stream import MOST_FAILURES, Stream, _RoundBrokenError
from airflow_provider_clarus.watching.wanted import Wanted

DOWN = ClarusTransientError("503", status=503)
REFUSED = ClarusRejectedError("No such field.")


class Asked(Stream):
    """A stream whose server is a function of the filter, the page's size and its cursor."""

    def __init__(self, answer: Callable[[Filter, int, str | None], Any], takes_ids: bool = True) -> None:
        super().__init__("clarus_default", "acme")
        self.answer, self.takes_ids = answer, takes_ids
        self.sizes: list[int] = []
        self.unfinished: set[int] = set()

    async def _put(self, question: Any) -> Any:
        if question is feed.has_id_filter:
            return self.takes_ids
        asked = question.keywords
        self.sizes.append(asked["first"])
        answer = self.answer(asked["wanted"], asked["first"], asked["after"])
        if isinstance(answer, ClarusError):
            raise answer
        statuses = DocumentStatus.AVAILABLE, DocumentStatus.PROCESSING
        documents = [Listed(number, statuses[number in self.unfinished]) for number in answer]
        size = asked["first"] if self.takes_ids else len(documents)
        return Page(documents[:size], "more" if len(documents) > size else None)


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """After how many failures in a row it rested, each time; it does not take long."""
    rests: list[int] = []

    def rest(failures: int, asked: float, **_: float) -> float:
        rests.append(failures)
        return asked

    monkeypatch.setattr(stream_module, "rest", rest)
    return rests


def run(scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(scenario())


def test_rests_grow_with_failures_in_a_row_and_begin_anew_after_an_answer(rests: list[int]) -> None:
    script = iter([DOWN, DOWN, DOWN, [1], DOWN, [2]])

    async def scenario() -> list[int]:
        stream = Asked(lambda *_: next(script))
        pages = [await stream._page(feed.EVERYTHING, None) for _ in range(2)]
        return [document.id for page in pages for document in page.documents]

    assert run(scenario) == [1, 2]
    assert rests == [1, 2, 3, 1]


def test_a_cursor_that_stays_refused_ends_the_round(rests: list[int]) -> None:
    script = iter([DOWN] * MOST_FAILURES)

    async def scenario() -> None:
        with pytest.raises(_RoundBrokenError):
            await Asked(lambda *_: next(script))._page(feed.EVERYTHING, "cursor")

    run(scenario)
    assert len(rests) == MOST_FAILURES
    assert next(script, None) is None


def test_a_first_page_is_asked_for_until_it_comes(rests: list[int]) -> None:
    script = iter([*[DOWN] * (3 * MOST_FAILURES), [1]])
    run(lambda: Asked(lambda *_: next(script))._page(feed.EVERYTHING, None))
    assert len(rests) == 3 * MOST_FAILURES


def test_smaller_pages_are_asked_for_where_large_ones_are_refused_and_larger_ones_later(
    rests: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, most = [0.0], [30]
    monkeypatch.setattr(Stream, "_now", lambda self: now[0])

    async def scenario() -> list[int]:
        stream = Asked(lambda wanted, first, after: REFUSED if first > most[0] else [1])
        await stream._page(feed.EVERYTHING, None)
        most[0] = 100
        for _ in range(4):
            await stream._page(feed.EVERYTHING, None)
            now[0] += stream_module.GROW_AFTER
        return stream.sizes

    assert run(scenario) == [100, 50, 25, 25, 50, 100, 100]


def test_where_a_filter_for_ids_is_refused_everything_is_read(rests: list[int]) -> None:
    async def scenario() -> list[int]:
        stream = Asked(lambda wanted, *_: REFUSED if "id" in wanted else [1, 7], takes_ids=False)
        page = await stream._page(feed.above(5), None)
        return [document.id for document in page.documents]

    assert run(scenario) == [1, 7]
    assert not rests


@pytest.mark.parametrize("takes_ids", [True, False])
@pytest.mark.parametrize(
    "numbers", [[], [1], [2], [3, 1], [1000], [5, 1_000_003, 77], [2**31 - 1], [*range(1, 300)]]
)
def test_the_highest_number_is_found_in_whatever_order_documents_come(
    rests: list[int], numbers: list[int], takes_ids: bool
) -> None:
    def answer(wanted: Filter, first: int, after: str | None) -> Any:
        if "id" in wanted and not takes_ids:
            return REFUSED
        above = int(wanted["id"]["gt"]) if "id" in wanted else -1
        return [number for number in numbers if number > above]

    async def scenario() -> tuple[int, int]:
        stream = Asked(answer, takes_ids)
        return await stream._newest(), len(stream.sizes)

    newest, requests = run(scenario)
    assert newest == max(numbers, default=0)
    assert requests <= 3 + 2 * math.log2(newest + 2)


@pytest.mark.parametrize("stray", ["id", "status", "created_at", "nothing"])
def test_a_first_look_believes_no_single_empty_page(
    rests: list[int], monkeypatch: pytest.MonkeyPatch, stray: str
) -> None:
    """Or all that is there would be news, what is in the making would be lost, or what has just finished."""
    monkeypatch.setattr(stream_module, "AGAIN", 0.0)
    strays, takes_ids = [stray], stray != "nothing"

    def answer(wanted: Filter, first: int, after: str | None) -> Any:
        if "id" in wanted and not takes_ids:
            return REFUSED
        if strays and stray in (wanted or ["nothing"]):
            strays.clear()
            return []
        if "status" in wanted:
            return [3]
        above = int(wanted["id"]["gt"]) if "id" in wanted else 0
        return [number for number in (1, 2, 3, 4) if number > above]

    async def scenario() -> Any:
        stream = Asked(answer, takes_ids)
        stream.unfinished = {3}
        member = Member(Wanted(), 60.0, since=0.0)
        earlier = [
            document.id async for shown in stream._first_look(member) for document in shown.news(member)
        ]
        return member.ledger and (member.ledger.low, member.ledger.pending), earlier

    assert run(scenario) == ((4, {3}), [1, 2, 4])
    assert not strays
