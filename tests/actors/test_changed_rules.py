"""A venue changes a pair's digits while everything runs: its checksums are made of the new numbers
from then on, and its book is LIVE again without a restart."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from zlib import crc32

import aiohttp
import msgspec
import pytest

from actors.books import order_book_tracker
from actors.books.data_source import OrderBookTrackerDataSource
from actors.books.order_book_tracker import OrderBookTracker
from exchanges.contract import Answer, Endpoints
from exchanges.kraken import KRAKEN, KrakenBook
from orderbook.errors import Disconnected, NotReady
from orderbook.messages import BookState, Pairs
from tests.support.feed import Feed, LocalPeers, until
from tests.support.served import Served, served
from trochil.sandbox.dialects.kraken.dialect import Dialect

PAIR = "LTC-USD"
ROW = {
    "altname": "XLTCZUSD",
    "wsname": "LTC/USD",
    "base": "XLTC",
    "quote": "ZUSD",
    "pair_decimals": 4,
    "lot_decimals": 8,
    "ordermin": "0.05",
    "costmin": "0.5",
    "tick_size": "0.0001",
    "status": "online",
}
COARSER = ROW | {"pair_decimals": 2, "tick_size": "0.01"}
BIDS = [("99.44", "1.5")]
ASKS = [("99.45", "2")]


class Rest:
    """Answers with the pair's row as it stands."""

    def __init__(self) -> None:
        self.row = ROW
        self.asked = 0
        self.failures = 0

    def now(self) -> float:
        return 0.0

    async def run(self, call: Any) -> Any:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise Disconnected("not now")
        result = {"XLTCZUSD": self.row}
        return call.read(Answer(200, {}, msgspec.json.encode({"error": [], "result": result})))


def digits(number: str, decimals: int) -> str:
    """A number as it stands in Kraken's checksum."""
    return f"{Decimal(number):.{decimals}f}".replace(".", "").lstrip("0")


def snapshot(decimals: int, size: str = "2") -> bytes:
    """The frame of a book whose pair has so many decimals."""
    asks = [(ASKS[0][0], size)]
    summed = "".join(
        digits(price, decimals) + digits(size, 8) for side in (asks, BIDS) for price, size in side
    )
    rows = {
        name: ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in side)
        for name, side in (("bids", BIDS), ("asks", asks))
    }
    book = f'"bids":[{rows["bids"]}],"asks":[{rows["asks"]}],"checksum":{crc32(summed.encode())}'
    return f'{{"channel":"book","type":"snapshot","data":[{{"symbol":"LTC/USD",{book}}}]}}'.encode()


class Parts:
    """A data source that is connected to no venue, and its tracker, joined by hand."""

    def __init__(self, folder: Path) -> None:
        self.rest = Rest()
        self.peers = LocalPeers()
        place = {"run_dir": str(folder)}
        self.source = OrderBookTrackerDataSource(
            KRAKEN,
            hosts=Endpoints("http://x", "ws://x", "ws://x"),
            pairs=[PAIR],
            name="source",
            rest=self.rest,  # type: ignore[arg-type]
            **place,
        )
        self.tracker = OrderBookTracker(
            KRAKEN, peers=self.peers, data_source="source", name="tracker", **place
        )
        self.peers.components = {"source": self.source, "tracker": self.tracker}
        self.said: list[Any] = []
        self.source._publisher.publish = self._say  # type: ignore[method-assign]

    def _say(self, topic: str, message: Any, **more: Any) -> None:
        self.said.append(message)

    async def refresh(self) -> int:
        """The data source reads the rules, the tracker hears what it says; how often it spoke."""
        await self.source.refresh_rules()
        said = [message for message in self.said if isinstance(message, Pairs)]
        self.said.clear()
        for message in said:
            await self.tracker._take_pairs(message.trading_pairs)
        return len(said)

    def show(self, decimals: int, size: str = "2") -> BookState:
        """The venue sends a snapshot; the book's state after it."""
        self.tracker._heard = time.monotonic_ns()  # the channel lives
        self.tracker._judge()
        pipeline = self.tracker._pipelines[PAIR]
        for message in KrakenBook({}, "").parse(snapshot(decimals, size)):
            pipeline.take(message, 1)
        return pipeline.book.state

    @property
    def is_unchecked(self) -> bool:
        return bool(self.tracker.order_books[PAIR].meta()["unchecked"])


def joined(folder: Path, work: Callable[[Parts], Awaitable[None]]) -> None:
    async def main() -> None:
        parts = Parts(folder)
        try:
            await parts.refresh()
            assert parts.show(4) is BookState.LIVE
            await work(parts)
        finally:
            await parts.tracker.stop()

    asyncio.run(main())


def test_rules_that_changed_reach_the_checksums_with_a_refresh(tmp_path: Path) -> None:
    async def work(parts: Parts) -> None:
        parts.rest.row = COARSER
        assert parts.show(2) is BookState.INVALID
        assert await parts.refresh() == 1
        assert parts.show(2) is BookState.LIVE
        assert await parts.refresh() == 0, "nothing changed since"

    joined(tmp_path, work)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_book_tracker, "RULES_AGAIN_AFTER", 0.05)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("failures", [0, 2])
def test_checksums_that_keep_failing_have_the_rules_read_again(
    tmp_path: Path, failures: int
) -> None:
    """Also when the venue doesn't answer at first."""

    async def work(parts: Parts) -> None:
        parts.tracker.tasks.spawn("heartbeat", parts.tracker._heartbeat())
        asked = parts.rest.asked
        parts.show(2)
        await asyncio.sleep(0.4)
        assert parts.rest.asked == asked, "one may fail for another reason"
        parts.rest.row = COARSER
        parts.rest.failures = failures
        assert parts.show(2) is BookState.INVALID
        await until(lambda: parts.tracker._rules["LTC/USD"].price_tick == Decimal("0.01"))
        assert parts.show(2) is BookState.LIVE
        await asyncio.sleep(0.2)
        asked = parts.rest.asked
        await asyncio.sleep(0.4)
        assert parts.rest.asked == asked, "a book that is right asks for nothing"

    joined(tmp_path, work)


@pytest.mark.usefixtures("at_once")
def test_rules_that_could_not_be_read_are_read_later(tmp_path: Path) -> None:
    """The data source is restarted while the tracker wants to read what changed."""

    async def work(parts: Parts) -> None:
        parts.tracker.tasks.spawn("heartbeat", parts.tracker._heartbeat())
        parts.rest.row = COARSER
        await parts.source.refresh_rules()
        del parts.peers.components["source"]
        with pytest.raises(NotReady):
            await parts.peers.call("source", "trading_rules")
        await parts.tracker._take_pairs([PAIR])
        parts.peers.components["source"] = parts.source
        await until(lambda: parts.tracker._rules["LTC/USD"].price_tick == Decimal("0.01"))
        assert parts.show(2) is BookState.LIVE

    joined(tmp_path, work)


def test_a_checksum_that_cannot_be_made_exactly_is_told(tmp_path: Path) -> None:
    """float64 has not all digits of a size of 17 digits; Kraken's books have no numbers."""

    async def work(parts: Parts) -> None:
        assert not parts.is_unchecked
        assert parts.show(4, size="123456789.12345678") is BookState.LIVE
        assert parts.is_unchecked
        assert parts.show(4) is BookState.LIVE
        assert not parts.is_unchecked

    joined(tmp_path, work)


@pytest.mark.parametrize("rules_refresh", [300.0, 1.0])
def test_a_book_of_the_sandbox_is_live_again_after_its_tick_changed(
    tmp_path: Path, rules_refresh: float
) -> None:
    """Also long before the rules are due to be read again; the other pair is not touched."""
    pairs = ["BTC-USD", "ETH-USD"]

    async def main() -> None:
        async with served(Dialect, *pairs, rate=30.0) as at:
            hosts = Endpoints(f"http://{at.host}", f"ws://{at.host}", f"ws://{at.host}")
            async with aiohttp.ClientSession() as session:
                both = Feed(str(tmp_path), hosts, pairs, session, LocalPeers(), KRAKEN)
                await both.begin_source(rules_refresh=rules_refresh)
                await both.begin_tracker()
                try:
                    await follow(at, both)
                finally:
                    await both.end("tracker")
                    await both.end("source")

    async def follow(at: Served, both: Feed) -> None:
        await until(lambda: both.tracker.ready)
        books = both.tracker.order_books
        changed, other = (books[pair] for pair in pairs)
        epoch = other.epoch
        at.server.venue.symbols["BTC-USD"].price_tick = Decimal("0.001")
        await until(lambda: changed.state is BookState.INVALID, what="the change is felt")
        await until(lambda: changed.state is BookState.LIVE, 20)
        applied = changed.meta()["applied"]
        await until(lambda: changed.meta()["applied"] > applied + 20)
        assert changed.state is BookState.LIVE
        assert (other.state, other.epoch) == (BookState.LIVE, epoch)

    asyncio.run(main())
