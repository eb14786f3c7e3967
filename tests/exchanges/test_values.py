"""Numbers, times and texts as venues write them; requests; feeds of several depths."""

import asyncio
import gzip
from decimal import Decimal as D
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.orders.reconciler import read_fills
from exchanges.contract import BookFeed, FillCursor, Page, signed_request
from exchanges.orders import Fill
from exchanges.values import (
    batches,
    decimal_or_none,
    decimal_or_zero,
    epoch_ns,
    gunzip,
    iso_ns,
    iso_text,
    plain_text,
)
from tests.support.answers import answer

DAY = 86_400 * 10**9


def test_an_empty_text_is_no_number() -> None:
    assert (decimal_or_zero(""), decimal_or_zero(None), decimal_or_zero("1.50")) == (
        0,
        0,
        D("1.50"),
    )
    assert (decimal_or_none(""), decimal_or_none("0.0"), decimal_or_none("2")) == (None, None, 2)


def test_milliseconds_and_microseconds_differ_by_their_size() -> None:
    assert epoch_ns(1633998512068) == epoch_ns(1633998512068000) == 1633998512068_000_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2024-01-01T00:00:00.123456789Z", 1704067200_123456789),
        ("2024-01-01T00:00:00Z", 1704067200_000000000),
        ("2024-01-01T00:00:00.5Z", 1704067200_500000000),
        ("", 0),
    ],
)
def test_a_time_is_read_to_its_last_digit(text: str, ns: int) -> None:
    assert iso_ns(text) == ns


def test_a_time_is_written_with_milliseconds() -> None:
    assert iso_text(1704067200_123456789) == "2024-01-01T00:00:00.123Z"
    assert iso_text(0) == ""


def test_numbers_are_written_plainly() -> None:
    assert [plain_text(D(text)) for text in ("1E+2", "0.00001000", "100")] == [
        "100",
        "0.00001",
        "100",
    ]


def test_lists_are_cut_into_batches() -> None:
    assert [list(part) for part in batches([1, 2, 3], 2)] == [[1, 2], [3]]
    assert list(batches([], 2)) == []


def test_frames_are_unzipped_where_they_are_zipped() -> None:
    assert gunzip(gzip.compress(b'{"a":1}')) == b'{"a":1}'
    assert gunzip(b'{"a":1}') == b'{"a":1}'


def test_empty_parameters_of_a_question_are_left_out() -> None:
    params = {"symbol": "AB", "cursor": ""}
    request = signed_request("GET", "/fills", answer, params, cost={"query": 1}).request
    assert (request.method, request.params, request.urgent) == ("GET", {"symbol": "AB"}, True)
    assert (request.is_mutating, request.cost) == (False, {"query": 1})
    request = signed_request("POST", "/order", answer, body={"a": ""}, urgent=False).request
    assert (request.body, request.urgent, request.is_mutating) == ({"a": ""}, False, True)
    assert not signed_request("POST", "/query", answer, is_mutating=False).request.is_mutating


def test_a_feed_of_another_depth_is_the_same_otherwise() -> None:
    deeper = BookFeed.variant("1000", depth=1000)
    assert (deeper.depth, BookFeed.depth, deeper.__name__) == (1000, 0, "BookFeed1000")


def test_fills_are_asked_for_span_by_span_and_page_by_page() -> None:
    requested: list[tuple[int, str]] = []

    class Entry:
        fills_span = 86_400.0

        def fills(self, trading_pair: str, after: FillCursor) -> Any:
            requested.append((after.time, after.page))
            fill = cast(Fill, SimpleNamespace(time=-len(requested)))
            return Page([fill], "2" if len(requested) == 1 else "")

    async def run(call: Any) -> Any:
        return call

    def read(cursor: FillCursor) -> list[Fill]:
        rest = cast(Any, SimpleNamespace(run=run, now=lambda: 2.5 * 86_400))
        return asyncio.run(read_fills(rest, cast(Any, Entry()), "A-B", cursor))

    found = read(FillCursor(time=1))
    assert requested == [(1, ""), (1, "2"), (DAY + 1, ""), (2 * DAY + 1, "")]
    # Oldest first, in whatever order they came.
    assert [fill.time for fill in found] == [-4, -3, -2, -1]
    requested.clear()
    assert len(read(FillCursor())) == 2
