"""cryptofeed: its book and its trades of one pair."""

import asyncio
from decimal import Decimal
from typing import Any

from cryptofeed import FeedHandler
from cryptofeed.defines import L2_BOOK, TICKER, TRADES
from cryptofeed.exchanges import OKX, Binance, Bybit, Huobi
from venue_side import Sandbox, finish

FEEDS: dict[str, Any] = {"binance": Binance, "bybit": Bybit, "htx": Huobi, "okx": OKX}
PAIR = "BTC-USDT"
WITHIN_S = 30.0


class Seen:
    """What its callbacks were given last."""

    def __init__(self) -> None:
        self.book: Any = None
        self.trades = 0
        self.tickers = 0

    async def on_book(self, book: Any, receipt_timestamp: float) -> None:
        self.book = book.book

    async def on_trade(self, trade: Any, receipt_timestamp: float) -> None:
        self.trades += 1

    async def on_ticker(self, ticker: Any, receipt_timestamp: float) -> None:
        self.tickers += 1

    def sides(self) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        return dict(self.book.bids.to_dict()), dict(self.book.asks.to_dict())


async def compare(sandbox: Sandbox, seen: Seen) -> dict[str, Any]:
    for _ in range(int(WITHIN_S / 0.1)):
        if seen.book is not None:
            break
        await asyncio.sleep(0.1)
    else:
        return {"books": {"looks": 0, "first_difference": "no book came"}}
    books = await sandbox.compare_books_async(PAIR, seen.sides)
    return {"books": books, "trades": seen.trades, "tickers": seen.tickers}


def main() -> None:
    sandbox = Sandbox()
    feed = FEEDS[sandbox.name]
    seen = Seen()
    channels = [L2_BOOK, TRADES] + [TICKER] * (sandbox.name != "bybit")
    callbacks = {L2_BOOK: seen.on_book, TRADES: seen.on_trade, TICKER: seen.on_ticker}
    handler = FeedHandler(config={"log": {"disabled": True}, "uvloop": False})
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    handler.add_feed(feed(symbols=[PAIR], channels=channels, callbacks=callbacks))
    handler.run(start_loop=False, install_signal_handlers=False)
    finish(loop.run_until_complete(compare(sandbox, seen)))


main()
