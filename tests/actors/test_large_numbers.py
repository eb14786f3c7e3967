"""Integers of more than 64 bits, which no message of a channel can carry: they break the book that
they belong to, by name, and neither the data source nor the other books."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from exchanges.contract import Control
from exchanges.orders import Balance, Fill, OrderUpdate
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    BookState,
    OrderBookMessage,
    OrderEvent,
    Side,
    Trade,
)
from tests.support.feed import Feed, LocalPeers, until
from tests.support.scripted import ScriptedBook, Venue, scripted, venue

LARGE = 10**30
KINDS: dict[str, type[Any]] = {"diff": BookDiff, "snapshot": BookSnapshot, "event": OrderEvent}


class AnyMessageBook(ScriptedBook):
    """A frame may also be {"message": [kind, fields]}."""

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        said = msgspec.json.decode(frame)
        if "message" not in said:
            yield from super().parse(frame)
            return
        kind, fields = said["message"]
        made = {name: v.encode() if name in ("bids", "asks") else v for name, v in fields.items()}
        yield KINDS[kind](symbol="AUSD", **made)


@asynccontextmanager
async def live_feed(folder: Path) -> AsyncIterator[tuple[Venue, Feed]]:
    """Two books, LIVE, on a venue of the tests' own."""
    async with venue() as (told, hosts), aiohttp.ClientSession() as session:
        exchange = scripted(AnyMessageBook)
        both = Feed(str(folder), hosts, ["A-USD", "B-USD"], session, LocalPeers(), exchange)
        await both.begin_source()
        await both.begin_tracker(capacity=64)
        try:
            await until(lambda: both.source._connections[0].is_open)
            await asyncio.sleep(0.1)
            await told.send(diff=["AUSD", 11, 11, [[1, 2]], []])
            await told.send(diff=["BUSD", 11, 11, [[1, 2]], []])
            await until(lambda: both.tracker.ready)
            yield told, both
        finally:
            parts = [both.source, both.tracker]
            for name in list(both.peers.components):
                await both.end(name)
        for part in parts:
            assert not part.failed.done(), part.failed.exception()


LEVELS = {"bids": '[["1","3"]]', "asks": "[]"}
FRAMES = {
    "the largest update id of 64 bits": ("diff", LEVELS | {"first_id": 12, "update_id": 2**64 - 1}),
    "an update id of 65 bits": ("diff", LEVELS | {"first_id": 12, "update_id": 2**64}),
    "an update id of 100 bits": ("diff", LEVELS | {"first_id": 12, "update_id": LARGE}),
    "a first id of 100 bits": ("diff", LEVELS | {"first_id": LARGE, "update_id": LARGE}),
    "a negative update id": ("diff", LEVELS | {"first_id": 12, "update_id": -LARGE}),
    "a time": ("diff", LEVELS | {"first_id": 12, "update_id": 12, "time": LARGE}),
    "a time of 64 bits": ("diff", LEVELS | {"first_id": 12, "update_id": 12, "time": 2**63}),
    "a checksum": ("diff", LEVELS | {"first_id": 12, "update_id": 12, "checksum": LARGE}),
    "an order's number": (
        "event",
        {"action": 4, "order_id": "1", "first_id": LARGE, "update_id": LARGE},
    ),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_one_book_breaks_and_is_live_again_while_the_others_stay(
    tmp_path: Path, frame: tuple[str, dict[str, Any]]
) -> None:
    async def main() -> None:
        async with live_feed(tmp_path) as (told, both):
            books = both.tracker.order_books
            epochs = {pair: book.epoch for pair, book in books.items()}
            await told.send(message=frame)
            await until(lambda: books["A-USD"].epoch > epochs["A-USD"])
            told.books["AUSD"] = [20, [[1, 1]], [[2, 1]]]
            await told.send(diff=["AUSD", 21, 21, [[1, 5]], []])
            await until(lambda: books["A-USD"].update_id == 21)
            assert books["A-USD"].state is BookState.LIVE
            assert (books["B-USD"].state, books["B-USD"].epoch) == (
                BookState.LIVE,
                epochs["B-USD"],
            )

    asyncio.run(main())


def test_a_snapshot_with_such_a_number_is_asked_for_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with live_feed(tmp_path) as (told, both):
            books = both.tracker.order_books
            told.books["AUSD"] = [LARGE, [[1, 1]], [[2, 1]]]
            await told.send(diff=["AUSD", 15, 15, [], []])  # a gap
            await until(lambda: both.source.faults)
            assert "64 bits" in both.source.faults[-1].message
            assert books["B-USD"].state is BookState.LIVE
            told.books["AUSD"] = [20, [[1, 1]], [[2, 1]]]
            await told.send(diff=["AUSD", 21, 21, [[1, 5]], []])
            await until(lambda: books["A-USD"].update_id == 21)

    asyncio.run(main())


def test_records_have_no_such_times() -> None:
    one = Decimal(1)
    for make in (
        lambda time: Trade("A", "1", Side.BUY, 1.0, 1.0, time),
        lambda time: OrderUpdate(symbol="A", state=None, time=time),
        lambda time: Balance("A", one, one, time),
        lambda time: Fill(
            symbol="A", trade_id="1", exchange_order_id="1", side=None, price=one, amount=one,
            time=time,
        ),
    ):  # fmt: skip
        make(2**63 - 1)
        with pytest.raises(ValueError, match="64 bits"):
            make(2**63)
