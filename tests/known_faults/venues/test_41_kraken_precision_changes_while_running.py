"""Kraken changes a pair's decimals while everything runs; its checksums are made of the new numbers
from then on.

(knowm/XChange #1749, DeviaVir/zenbot #514 #616 #779.) Right: once the rules were read again, the
book is LIVE again without a restart. Today the data source knows the new tick, the tracker keeps
the old one: INVALID for ever.
"""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from actors.books.data_source import OrderBookTrackerDataSource
from actors.books.order_book_tracker import OrderBookTracker
from exchanges.contract import Endpoints
from exchanges.kraken import KRAKEN, KrakenBook
from orderbook.messages import Pairs
from tests.known_faults.lab import given, load
from tests.known_faults.lab.wire import answer
from tests.support.feed import LocalPeers

PAIR = "LTC-USD"
TOLD = load(__file__)
LEVELS: dict[str, list[list[str]]] = TOLD["levels"]


class Rest:
    """Answers with the pair's row as it stands."""

    def __init__(self) -> None:
        self.row = TOLD["before"]

    def now(self) -> float:
        return 0.0

    async def run(self, call: Any) -> Any:
        return call.read(answer({"error": [], "result": {"XLTCZUSD": self.row}}))


def digits(number: str, decimals: int) -> str:
    """A number as it stands in Kraken's checksum."""
    return f"{Decimal(number):.{decimals}f}".replace(".", "").lstrip("0")


def snapshot(decimals: int) -> bytes:
    """The frame of a book whose pair has so many decimals."""
    summed = "".join(
        digits(price, decimals) + digits(size, 8)
        for side in ("asks", "bids")
        for price, size in LEVELS[side]
    )
    rows = {
        side: ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in LEVELS[side])
        for side in ("bids", "asks")
    }
    book = f'"bids":[{rows["bids"]}],"asks":[{rows["asks"]}],"checksum":{crc32(summed.encode())}'
    return f'{{"channel":"book","type":"snapshot","data":[{{"symbol":"LTC/USD",{book}}}]}}'.encode()


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a tracker keeps the decimals that a pair had when it began, so checksums fail for ever",
)
def test_a_book_is_live_again_once_the_new_decimals_were_read(memory: Path) -> None:
    async def main() -> list[str]:
        rest = Rest()
        peers = LocalPeers()
        hosts = Endpoints("http://x", "ws://x", "ws://x")
        place = {"run_dir": str(memory)}
        source = OrderBookTrackerDataSource(
            KRAKEN, hosts=hosts, pairs=[PAIR], name="source", rest=rest, **place
        )
        tracker = OrderBookTracker(
            KRAKEN, peers=peers, data_source="source", name="tracker", **place
        )
        peers.components = {"source": source, "tracker": tracker}
        said: list[Any] = []
        source._publisher.publish = lambda topic, message, **more: said.append(message)
        states: list[str] = []

        async def read_rules() -> None:
            await source.refresh_rules()
            for message in said:
                if isinstance(message, Pairs):  # what the channel does with it
                    await tracker._take_pairs(message.trading_pairs)
            said.clear()

        def show(decimals: int) -> None:
            pipeline = tracker._pipelines[PAIR]
            for message in KrakenBook({}, "").parse(snapshot(decimals)):
                pipeline.take(message, 1)
            states.append(pipeline.book.state.name)

        await read_rules()
        show(4)
        rest.row = TOLD["after"]
        show(2)
        show(2)  # the venue has changed, our rules not yet
        await read_rules()
        for _ in range(3):
            show(2)
        return states

    states = asyncio.run(main())
    given(states[0] == "LIVE", f"LIVE before: {states}")
    assert states[-1] == "LIVE", states
