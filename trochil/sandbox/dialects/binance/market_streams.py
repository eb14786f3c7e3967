"""Market streams."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from trochil.sandbox.book_windows import BookLevel, BookWindow
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    Frame,
    Row,
)
from trochil.sandbox.dialects.binance.market_data import MarketData
from trochil.sandbox.dialects.binance.public_trades import AggregateTrade
from trochil.sandbox.dialects.binance.reading import check_property, is_request_id, stream_names
from trochil.sandbox.dialects.binance.rows import (
    Nanoseconds,
    aggregate_trade_row,
    candle_event,
    in_unit,
    level_rows,
)
from trochil.sandbox.dialects.binance.words import INTERVALS, MOST_STREAMS, PARTIAL_DEPTHS, Wrong
from trochil.sandbox.formats import fixed_text
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected
from trochil.sandbox.recorded import Record
from trochil.sandbox.requests import Message
from trochil.sandbox.server import Server


@dataclass(slots=True)
class SlowDiff:
    """What changed in a book since the last frame of its stream of 1000 ms."""

    first_id: int
    last_id: int = 0
    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)


class MarketStreams(MarketData):
    """Raw and combined streams, and the messages of their clients."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._slow_diffs: dict[str, SlowDiff] = {}
        self._best: dict[str, Row] = {}
        self._told: dict[str, Row] = {}
        """The last frame of each stream that is sent where it changed."""
        self._is_ticking = False

    def on_stream_message(self, connection: Connection, message: Message) -> None:
        if isinstance(message.data, str):
            raise Rejected(Wrong.STREAM_JSON)
        if not isinstance(message.data, dict):
            raise Rejected(Wrong.STREAM_REQUEST, "expected an object")
        if not is_request_id(message.values.get("id", False)):
            raise Rejected(Wrong.STREAM_REQUEST, "request ID must be an unsigned integer")
        handlers = {
            "SUBSCRIBE": self.on_subscribe,
            "UNSUBSCRIBE": self.on_unsubscribe,
            "LIST_SUBSCRIPTIONS": self.on_list_subscriptions,
            "SET_PROPERTY": self.on_set_property,
            "GET_PROPERTY": self.on_get_property,
        }
        method = message.values.get("method")
        if method is None:
            raise Rejected(Wrong.STREAM_REQUEST, "missing field `method` at line 1 column 1")
        if not isinstance(method, str) or method not in handlers:
            known = ", ".join(f"`{name}`" for name in handlers)
            words = f"unknown variant `{method}`, expected one of {known} at line 1 column 1"
            raise Rejected(Wrong.STREAM_REQUEST, words)
        params = message.values.get("params", [])
        if not isinstance(params, list) or message.values.keys() - {"method", "params", "id"}:
            raise Rejected(Wrong.STREAM_REQUEST, "too many parameters")
        result = handlers[method](connection, params)
        self.send(connection, {"result": result, "id": message.values["id"]})

    def on_subscribe(self, connection: Connection, params: list[Any]) -> None:
        self.check_streams(connection, stream_names(params))
        self.subscribe(connection, params)

    def on_unsubscribe(self, connection: Connection, params: list[Any]) -> None:
        self.unsubscribe(connection, stream_names(params))

    def on_list_subscriptions(self, connection: Connection, params: list[Any]) -> list[str]:
        if params:
            raise Rejected(Wrong.STREAM_REQUEST, "too many parameters")
        return sorted(connection.topics)

    def on_set_property(self, connection: Connection, params: list[Any]) -> None:
        check_property(params, 2)
        if not isinstance(params[1], bool):
            raise Rejected(Wrong.PROPERTY_VALUE)
        connection.state["is_combined"] = params[1]

    def on_get_property(self, connection: Connection, params: list[Any]) -> bool:
        check_property(params, 1)
        is_combined: bool = connection.state["is_combined"]
        return is_combined

    def check_streams(self, connection: Connection, streams: Collection[str]) -> None:
        """Raises Rejected where one of them is not offered, or they are too many."""
        if len(connection.topics.union(streams)) > MOST_STREAMS:
            raise Rejected(Wrong.STREAM_REQUEST, "too many streams")
        for stream in streams:
            symbol, _, channel = stream.partition("@")
            is_known = any(symbol == self.symbol(pair).lower() for pair in self.venue.symbols)
            if not is_known or channel not in self.channels():
                raise Rejected(Reason.UNKNOWN_TOPIC, stream)

    def channels(self) -> set[str]:
        """What may stand behind the @ of a stream; of a replay, what is recorded."""
        recorded = {"depth", "depth@100ms", "depth@1000ms", "trade"}
        if self.server.replay is not None:
            return recorded
        partial_books = {f"depth{levels}" for levels in PARTIAL_DEPTHS}
        fast = {f"{name}@100ms" for name in partial_books}
        slow = {f"{name}@1000ms" for name in partial_books}
        candles = {f"kline_{interval}" for interval in INTERVALS}
        others = candles | {"aggTrade", "bookTicker", "miniTicker", "ticker", "avgPrice"}
        return recorded | partial_books | fast | slow | others

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        """Of a socket of streams."""
        answer, text = self.refusal_of(refusal.reason, refusal.detail)
        return {"error": {"code": answer.code, "msg": text}, "id": message.values.get("id")}

    def follow(self, connection: Connection, topic: str) -> None:
        super().follow(connection, topic)
        if not self._is_ticking and self.server.replay is None:
            self._is_ticking = True
            self.server.call_later(1.0, self._tick)

    def stream_frame(self, stream: str, row: Row, connection: Connection) -> Row:
        """On a socket of raw streams rows come without their envelope."""
        return {"stream": stream, "data": row} if connection.state["is_combined"] else row

    def stream_of(self, pair: str, channel: str) -> str:
        return f"{self.symbol(pair).lower()}@{channel}"

    def publish_row(self, stream: str, row: Row) -> None:
        """An event of a stream, its times in ns."""

        def frame(connection: Connection, now_ns: int) -> Row:
            unit_ns = connection.state["time_unit_ns"]
            event_time = {"E": now_ns // unit_ns} if "e" in row else {}
            return self.stream_frame(stream, in_unit(row, unit_ns) | event_time, connection)

        self.publish(stream, frame)

    def publish_change(self, stream: str, row: Row) -> None:
        """The same where somebody follows and it is another than the last."""
        if self.anyone_follows(stream) and self._told.get(stream) != row:
            self._told[stream] = row
            self.publish_row(stream, row)

    def book_topics(self, pair: str) -> Mapping[str, int]:
        """Of a replay, all diffs are as they were recorded."""
        if self.server.replay is None:
            return {self.stream_of(pair, "depth@100ms"): 0}
        return {self.stream_of(pair, channel): 0 for channel in ("depth", "depth@100ms")}

    def is_book_topic(self, topic: str, pair: str) -> bool:
        return topic.startswith(self.stream_of(pair, "depth"))

    def restart_numbers(self, pair: str, first: int) -> None:
        super().restart_numbers(pair, first)
        self._slow_diffs.pop(pair, None)

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        row = {
            "e": "depthUpdate",
            "E": now_ns // connection.state["time_unit_ns"],
            "s": self.symbol(window.pair),
            "U": window.first_id,
            "u": window.last_id,
            "b": level_rows(window.bids),
            "a": level_rows(window.asks),
        }
        return self.stream_frame(topic, row, connection)

    def on_depth(
        self,
        pair: str,
        first_id: int,
        last_id: int,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
    ) -> None:
        super().on_depth(pair, first_id, last_id, bids, asks)
        if any(map(self.anyone_follows, self._slow_diff_topics(pair))):
            diff = self._slow_diffs.setdefault(pair, SlowDiff(first_id))
            diff.last_id = last_id
            diff.bids.update(bids)
            diff.asks.update(asks)
        self._publish_partial_books(pair, "@100ms")

    def _slow_diff_topics(self, pair: str) -> list[str]:
        return [self.stream_of(pair, channel) for channel in ("depth", "depth@1000ms")]

    def _publish_partial_books(self, pair: str, *speeds: str) -> None:
        for levels in PARTIAL_DEPTHS:
            for stream in [self.stream_of(pair, f"depth{levels}{speed}") for speed in speeds]:
                if self.anyone_follows(stream):
                    window = self.books.snapshot(pair)
                    row = {
                        "lastUpdateId": window.last_id,
                        "bids": level_rows(window.bids[:levels]),
                        "asks": level_rows(window.asks[:levels]),
                    }
                    self.publish_change(stream, row)

    def _tick(self) -> None:
        """Streams that speak once a second."""
        for pair in self.venue.symbols:
            with self.server.holding_back(pair):
                self._publish_slow_diff(pair)
            self._publish_partial_books(pair, "", "@1000ms")
            self.publish_change(self.stream_of(pair, "miniTicker"), self.mini_ticker_event(pair))
            self.publish_change(self.stream_of(pair, "ticker"), self.ticker_event(pair))
            self.publish_change(self.stream_of(pair, "avgPrice"), self.average_price_event(pair))
            self._publish_candles(pair)
        self._is_ticking = any(connection.topics for connection in self.server.connections)
        if self._is_ticking:
            self.server.call_later(1.0, self._tick)

    def _publish_candles(self, pair: str) -> None:
        """The candle of now, and the last word of the one before it."""
        candles = self.candles(pair)
        now_s = self.now_s()
        name = self.symbol(pair)
        for interval, length in INTERVALS.items():
            stream = self.stream_of(pair, f"kline_{interval}")
            candle = candles.at(now_s, length) if self.anyone_follows(stream) else None
            if candle is None:
                continue
            told = self._told.get(stream)
            if told is not None and told["k"]["t"] < candle.begin * 10**9:
                before = candles.at(told["k"]["t"] // 10**9, length)
                if before is not None:
                    self.publish_change(stream, candle_event(name, before, interval, True))
            self.publish_change(stream, candle_event(name, candle, interval, False))

    def _publish_slow_diff(self, pair: str) -> None:
        diff = self._slow_diffs.pop(pair, None)
        if diff is None:
            return
        bids, asks = (
            [BookLevel(*level) for level in side.items()] for side in (diff.bids, diff.asks)
        )
        window = BookWindow(pair, bids, asks, diff.first_id - 1, diff.last_id)
        for topic in self._slow_diff_topics(pair):
            self.publish(topic, partial(self.book_frame, topic, window))

    def mini_ticker_event(self, pair: str) -> Row:
        day = self.day(pair)
        return {
            "e": "24hrMiniTicker",
            "s": self.symbol(pair),
            "c": fixed_text(self.market_stats(pair).last),
            "o": fixed_text(day.open),
            "h": fixed_text(day.high),
            "l": fixed_text(day.low),
            "v": fixed_text(day.volume),
            "q": fixed_text(day.quote_volume),
        }

    def ticker_event(self, pair: str) -> Row:
        ticker = self.ticker(pair)
        names = {
            "p": "priceChange",
            "P": "priceChangePercent",
            "w": "weightedAvgPrice",
            "x": "prevClosePrice",
            "Q": "lastQty",
            "b": "bidPrice",
            "B": "bidQty",
            "a": "askPrice",
            "A": "askQty",
            "F": "firstId",
            "L": "lastId",
            "n": "count",
        }
        own = {short: ticker[name] for short, name in names.items()}
        times = {"O": Nanoseconds(ticker["openTime"]), "C": Nanoseconds(ticker["closeTime"])}
        return self.mini_ticker_event(pair) | {"e": "24hrTicker"} | own | times

    def average_price_event(self, pair: str) -> Row:
        average = self.average_price(pair)
        return {
            "e": "avgPrice",
            "s": self.symbol(pair),
            "i": "5m",
            "w": average["price"],
            "T": average["closeTime"],
        }

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        pair = order.symbol
        if kind in ("open", "done"):
            self.publish_aggregate(pair, self.trades_of(pair).taken(order))
        stream = self.stream_of(pair, "bookTicker")
        if kind != "received" and self.anyone_follows(stream):
            self._publish_best(pair, stream)

    def _publish_best(self, pair: str, stream: str) -> None:
        market = self.market_stats(pair)
        best = {
            "s": self.symbol(pair),
            "b": fixed_text(market.bid),
            "B": fixed_text(market.bid_size),
            "a": fixed_text(market.ask),
            "A": fixed_text(market.ask_size),
        }
        if self._best.get(pair) != best:
            self._best[pair] = best
            self.publish_row(stream, {"u": self.venue.books[pair].update_id} | best)

    def on_trade(self, match: Match) -> None:
        super().on_trade(match)
        pair = match.symbol
        self.publish_aggregate(pair, self.trades_of(pair).add(match))

    def publish_aggregate(self, pair: str, trade: AggregateTrade | None) -> None:
        if trade is not None:
            row = {"e": "aggTrade", "s": self.symbol(pair)} | aggregate_trade_row(trade)
            self.publish_row(self.stream_of(pair, "aggTrade"), row)

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        symbol = self.symbol(match.symbol)
        stream = f"{symbol.lower()}@trade"

        def frame(connection: Connection, now_ns: int) -> Row:
            row = {
                "e": "trade",
                "E": now_ns // connection.state["time_unit_ns"],
                "s": symbol,
                "t": match.id,
                "p": fixed_text(match.price),
                "q": fixed_text(match.amount),
                "T": match.time // connection.state["time_unit_ns"],
                "m": match.maker.is_buy,
                "M": True,
            }
            return self.stream_frame(stream, row, connection)

        return {stream: frame}

    def replayed_frame(self, connection: Connection, record: Record) -> str | bytes | None:
        text = super().replayed_frame(connection, record)
        if text is None or connection.state["is_combined"]:
            return text
        return json.dumps(record.data)
