"""Trades with numbers that none has: they are counted and told; books and other trades go on."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp

from actors.books.ccxt_connection import CcxtConnection
from actors.clock import SYSTEM
from actors.settings import VenueSettings
from actors.transport.ccxt_client import CcxtClient
from actors.transport.ccxt_rest import CcxtRest
from exchanges.contract import Control, Endpoints, ErrorKind, Fault
from exchanges.registry import get
from exchanges.rows import record_or_fault
from orderbook.messages import OrderBookMessage, Side, Trade
from tests.support.feed import Feed, LocalPeers, until
from tests.support.scripted import ScriptedBook, scripted, venue


class PricedTrades(ScriptedBook):
    """A frame may also be {"price": [symbol, price]}: a trade at that price."""

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        said = json.loads(frame)
        if "price" not in said:
            yield from super().parse(frame)
            return
        symbol, price = said["price"]
        yield record_or_fault(
            lambda: Trade(symbol, "1", Side.BUY, float(price), 1.0, 0),
            frame,
        )


def test_a_bad_trade_is_counted_and_touches_no_book(tmp_path: Path) -> None:
    async def main() -> None:
        async with venue() as (told, hosts), aiohttp.ClientSession() as session:
            exchange = scripted(PricedTrades)
            both = Feed(str(tmp_path), hosts, ["A-USD", "B-USD"], session, LocalPeers(), exchange)
            await both.begin_source()
            await both.begin_tracker(capacity=64)
            seen: list[float] = []
            both.tracker.add_trade_listener(lambda pair, trade: seen.append(trade.price))
            await until(lambda: both.source._connections[0].is_open)
            await asyncio.sleep(0.1)
            await told.send(diff=["AUSD", 11, 11, [[1, 2]], []])
            await told.send(diff=["BUSD", 11, 11, [[1, 2]], []])
            await until(lambda: both.tracker.ready)
            epochs = [book.epoch for book in both.tracker.order_books.values()]
            for price in ["5", *["nan", "inf", "-1", "0"] * 10, "6"]:
                await told.send(price=["AUSD", price])
            await until(lambda: seen == [5.0, 6.0])
            assert both.tracker.ready
            assert [book.epoch for book in both.tracker.order_books.values()] == epochs
            connection = both.source.status()["connections"][0]
            assert (connection["rejected"], connection["connects"]) == (40, 1)
            assert json.loads((await both.source.bad_frames())[-1]) == {"price": ["AUSD", "0"]}
            assert both.source.faults[-1].kind is ErrorKind.UNREADABLE
            await both.end("tracker")
            await both.end("source")

    asyncio.run(main())


class Listener:
    """What a connection tells."""

    def __init__(self) -> None:
        self.symbols = ["A/B"]
        self.messages: list[Any] = []
        self.faults: list[Fault] = []

    def on_message(self, message: OrderBookMessage, received: int) -> None:
        self.messages.append(message)

    def on_disconnect(self, symbols: Iterable[str], reason: str, subscribed: bool = False) -> None:
        raise AssertionError(reason)

    def on_error(self, fault: Fault) -> None:
        self.faults.append(fault)

    async def drain(self) -> None:
        pass


def test_a_bad_trade_of_ccxt_hides_no_other() -> None:
    exchange = get("ccxt:binance")
    listener = Listener()
    connection = CcxtConnection(
        exchange,
        lambda: exchange.book({}, ""),
        listener,
        hosts=Endpoints("http://x", "ws://x", "ws://x"),
        rest=CcxtRest(exchange, CcxtClient(exchange, VenueSettings(), None)),
        auth=None,
        clock=SYSTEM,
    )
    row = {"id": "1", "side": "buy", "price": 2.0, "amount": 1.0, "timestamp": 1}
    bad: list[dict[str, Any]] = [
        *({"price": price} for price in (float("nan"), float("inf"), -1.0, 0.0, None, "x")),
        *({"amount": amount} for amount in (float("nan"), -1.0, None)),
        {"timestamp": 10**25},
    ]
    rows = [row | change | {"id": f"bad{n}"} for n, change in enumerate(bad)]
    connection._take_trades("A/B", [row, *rows, row | {"id": "2"}])
    assert [trade.trade_id for trade in listener.messages] == ["1", "2"]
    assert [fault.kind for fault in listener.faults] == [ErrorKind.UNREADABLE] * len(bad)
    assert connection.status()["rejected"] == len(bad)
    assert b"bad9" in connection.bad_frames[-1]
