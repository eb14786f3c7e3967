"""Public market data."""

import re
from collections.abc import Callable
from itertools import islice
from typing import Any

from trochil.sandbox.book_windows import BookChannel
from trochil.sandbox.candles import Candle, flat
from trochil.sandbox.dialect import (
    Row,
)
from trochil.sandbox.dialects.binance.limits import RequestLimits
from trochil.sandbox.dialects.binance.public_trades import PublicTrades
from trochil.sandbox.dialects.binance.reading import (
    chosen_type,
    flag,
    is_within,
    listed,
    rows_wanted,
    time_ms,
    times_ms,
)
from trochil.sandbox.dialects.binance.rows import (
    aggregate_trade_row,
    candle_row,
    level_rows,
    symbol_row,
    trade_row,
)
from trochil.sandbox.dialects.binance.words import (
    DAY_MS,
    DIGITS,
    INTERVALS,
    MOST_REQUESTS,
    MOST_WEIGHT,
    SYMBOL_RANGE,
    Wrong,
)
from trochil.sandbox.formats import decimal_places, fixed_text
from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected, Symbol
from trochil.sandbox.requests import Params
from trochil.sandbox.server import Server


class MarketData(RequestLimits):
    """Answers to anybody, by REST and on the websocket API."""

    book_channel = BookChannel(requests_current_book=True)

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.trades: dict[str, PublicTrades] = {}

    def set_rules(self, symbol: Symbol) -> None:
        """The value of every trade fits into the digits of its quote."""
        while decimal_places(symbol.price_tick) + decimal_places(symbol.size_step) > DIGITS:
            symbol.size_step = symbol.size_step.scaleb(1)

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "")

    def asked_pair(self, params: Params) -> str:
        return self.named_pair(params.string("symbol"), "symbol")

    def named_pair(self, symbol: str, name: str) -> str:
        if not re.fullmatch(SYMBOL_RANGE, symbol):
            raise Rejected(Reason.ILLEGAL, name)
        return self.pair_of(symbol)

    def asked_pairs(self, params: Params) -> list[str]:
        """One, some or all."""
        symbols = listed(params, "symbols")
        if symbols is not None and "symbol" in params:
            raise Rejected(Wrong.COMBINATION)
        if "symbol" in params:
            return [self.asked_pair(params)]
        if symbols is None:
            return [*self.venue.symbols]
        if len(set(symbols)) < len(symbols):
            raise Rejected(Wrong.SYMBOL_TWICE)
        return [self.named_pair(symbol, "symbols") for symbol in symbols]

    def get_ping(self, params: Params) -> Row:
        return {}

    def get_time(self, params: Params) -> Row:
        return {"serverTime": self.server.now_ns()}

    def get_exchange_info(self, params: Params) -> Row:
        pairs = self.asked_pairs(params)
        with_permissions = flag(params, "showPermissionSets", True)
        permissions = listed(params, "permissions")
        status = params.string("symbolStatus", "")
        if (permissions or status) and ("symbol" in params or "symbols" in params):
            raise Rejected(Wrong.COMBINATION)
        if status and status not in ("TRADING", "HALT", "BREAK"):
            raise Rejected(Wrong.SYMBOL_STATUS)
        if permissions is not None and "SPOT" not in permissions:
            pairs = []
        rows = [
            symbol_row(self.symbol(pair), self.venue.symbols[pair], with_permissions)
            for pair in pairs
        ]
        return {
            "timezone": "UTC",
            "serverTime": self.server.now_ns(),
            "rateLimits": [
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": MOST_WEIGHT,
                },
                *self.order_limit_rows(),
                {
                    "rateLimitType": "RAW_REQUESTS",
                    "interval": "MINUTE",
                    "intervalNum": 5,
                    "limit": MOST_REQUESTS,
                },
            ],
            "exchangeFilters": [],
            "symbols": [row for row in rows if status in ("", row["status"])],
        }

    def get_depth(self, params: Params) -> Row:
        pair = self.asked_pair(params)
        limit = params.integer("limit", 100)
        if not limit:
            raise Rejected(Wrong.INVALID, "limit")
        window = self.books.requested(pair, limit=min(limit, 5000))
        return {
            "lastUpdateId": window.last_id,
            "bids": level_rows(window.bids),
            "asks": level_rows(window.asks),
        }

    def trades_of(self, pair: str) -> PublicTrades:
        if pair not in self.trades:
            self.trades[pair] = PublicTrades(self.server.now_ns())
        return self.trades[pair]

    def get_trades(self, params: Params) -> list[Row]:
        pair = self.asked_pair(params)
        limit = rows_wanted(params)
        return [trade_row(match) for match in [*self.trades_of(pair).trades][-limit:]]

    def get_historical_trades(self, params: Params) -> list[Row]:
        pair = self.asked_pair(params)
        limit = rows_wanted(params)
        first_id = params.optional_integer("fromId")
        trades = [*self.trades_of(pair).trades]
        if first_id is None:
            return [trade_row(match) for match in trades[-limit:]]
        return [trade_row(match) for match in trades if match.id >= first_id][:limit]

    def get_aggregate_trades(self, params: Params) -> list[Row]:
        pair = self.asked_pair(params)
        limit = rows_wanted(params)
        first_id = params.optional_integer("fromId")
        since, until = times_ms(params)
        if first_id is not None and (since is not None or until is not None):
            raise Rejected(Wrong.COMBINATION)
        trades = [
            trade
            for trade in self.trades_of(pair).aggregates
            if (first_id is None or trade.id >= first_id) and is_within(trade.time, since, until)
        ]
        is_from = first_id is not None or since is not None
        return [
            aggregate_trade_row(each) for each in (trades[:limit] if is_from else trades[-limit:])
        ]

    def get_candles(self, params: Params) -> list[Any]:
        """The last ones, or the first from ``startTime`` on."""
        pair = self.asked_pair(params)
        interval = params.string("interval")
        if interval not in INTERVALS:
            raise Rejected(Wrong.INTERVAL)
        limit = rows_wanted(params)
        since = time_ms(params, "startTime")
        until = time_ms(params, "endTime")
        now_s = self.now_s()
        until_s = now_s if until is None else min(until // 1000, now_s)
        candles = self.candles(pair)
        if since is None:
            found = candles.latest(limit, until_s, INTERVALS[interval])
        else:
            every = candles.between(-(-since // 1000), until_s, INTERVALS[interval])
            found = [*islice(every, limit)]
        return [candle_row(candle, interval) for candle in found]

    def get_average_price(self, params: Params) -> Row:
        pair = self.asked_pair(params)
        return {"mins": 5, **self.average_price(pair)}

    def average_price(self, pair: str) -> Row:
        recent = self.candles(pair).last_minutes(self.now_s(), 5)
        price = self.market_stats(pair).last if recent is None else recent.average_price
        return {"price": fixed_text(price), "closeTime": self.trades_of(pair).last_time}

    def get_tickers(self, params: Params) -> Row | list[Row]:
        is_mini = chosen_type(params) == "MINI"
        row = self.mini_ticker if is_mini else self.ticker
        return self.per_symbol(params, row)

    def per_symbol(self, params: Params, row: Callable[[str], Row]) -> Row | list[Row]:
        """One row for ``symbol``, else a list of them."""
        rows = [row(pair) for pair in self.asked_pairs(params)]
        return rows[0] if "symbol" in params else rows

    def ticker(self, pair: str) -> Row:
        """GET /api/v3/ticker/24hr."""
        market = self.market_stats(pair)
        day = self.day(pair)
        return self.mini_ticker(pair) | {
            "priceChange": fixed_text(day.close - day.open),
            "priceChangePercent": fixed_text(day.change * 100, 3),
            "weightedAvgPrice": fixed_text(day.average_price),
            "prevClosePrice": fixed_text(day.open),
            "lastQty": fixed_text(market.last_size),
            "bidPrice": fixed_text(market.bid),
            "bidQty": fixed_text(market.bid_size),
            "askPrice": fixed_text(market.ask),
            "askQty": fixed_text(market.ask_size),
        }

    def mini_ticker(self, pair: str) -> Row:
        day = self.day(pair)
        now_ns = self.server.now_ns()
        return {
            "symbol": self.symbol(pair),
            "openPrice": fixed_text(day.open),
            "highPrice": fixed_text(day.high),
            "lowPrice": fixed_text(day.low),
            "lastPrice": fixed_text(self.market_stats(pair).last),
            "volume": fixed_text(day.volume),
            "quoteVolume": fixed_text(day.quote_volume),
            "openTime": now_ns - DAY_MS * 1_000_000,
            "closeTime": now_ns,
            "firstId": day.first_trade_id,
            "lastId": day.last_trade_id,
            "count": day.count,
        }

    def day(self, pair: str) -> Candle:
        """The last 24 hours; without a trade its prices are 0."""
        day = self.market_stats(pair).day
        return day if day.count else flat(day.begin, ZERO)

    def get_prices(self, params: Params) -> Row | list[Row]:
        def row(pair: str) -> Row:
            last = self.market_stats(pair).last
            return {"symbol": self.symbol(pair), "price": fixed_text(last)}

        return self.per_symbol(params, row)

    def get_best_levels(self, params: Params) -> Row | list[Row]:
        def row(pair: str) -> Row:
            market = self.market_stats(pair)
            return {
                "symbol": self.symbol(pair),
                "bidPrice": fixed_text(market.bid),
                "bidQty": fixed_text(market.bid_size),
                "askPrice": fixed_text(market.ask),
                "askQty": fixed_text(market.ask_size),
            }

        return self.per_symbol(params, row)
