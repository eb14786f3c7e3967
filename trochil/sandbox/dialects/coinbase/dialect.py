"""Coinbase Exchange from the venue's side.

Source: its public API documentation (REST, websocket feed). Refusals are in the words that clients
of the venue have reported; where none are known, they name the parameter.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial

from trochil.sandbox.book_windows import BookLevel, BookWindow, level_rows
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import Frame, Row, SocketHandler
from trochil.sandbox.dialects.coinbase import rows
from trochil.sandbox.dialects.coinbase.documented_limits import LIMITS
from trochil.sandbox.dialects.coinbase.requests import (
    NOT_SUBSCRIBED,
    WantedChannel,
    wanted_channels,
)
from trochil.sandbox.dialects.coinbase.rest import MALFORMED, CoinbaseRest
from trochil.sandbox.formats import decimal_text, iso_time
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Rejected
from trochil.sandbox.recorded import Record, Rows, parse_json
from trochil.sandbox.requests import Message
from trochil.sandbox.server import Server

LOGIN_PAYLOAD = "GET/users/self/verify"
"""What a subscription with a signature signs, behind its timestamp."""
LOGIN_FIELDS = ("signature", "key", "passphrase", "timestamp")
BATCHES = ("level2_50", "level2_batch")
"""Channels of levels with many changes a message; level2 has a message for each."""
BOOKS = ("full", "level2", "level3", *BATCHES)
"""Channels that show a book as it changes."""
PRODUCT_CHANNELS = (
    "full",
    "heartbeat",
    "level2",
    *BATCHES,
    "level3",
    "matches",
    "ticker",
    "ticker_1000",
    "ticker_batch",
    "user",
)
CHANNELS = (*PRODUCT_CHANNELS, "balance", "status")
RHYTHMS_S = {"heartbeat": 1.0, "status": 5.0, "ticker_batch": 5.0, "ticker_1000": 5.0}
"""Channels that send something from time to time, whatever happens."""
LOGIN_CHANNELS = ("balance", "full", "level2", "level3", "user")
NEEDS_LOGIN = {
    **dict.fromkeys(
        ("full", "level2", "level3"),
        "level2, level3, and full channels now require authentication. "
        "https://docs.cloud.coinbase.com/exchange/docs/websocket-auth",
    ),
    "balance": "balance channel requires authentication",
    "user": "user channel requires authentication",
}

LOGIN_REASONS = (
    Reason.NO_KEY,
    Reason.BAD_KEY,
    Reason.BAD_PASSPHRASE,
    Reason.BAD_SIGNATURE,
    Reason.BAD_TIME,
)


class Recordings:
    """Frames of the level2 and matches channels. The snapshot comes on the socket too."""

    kinds: Mapping[str, str] = {"snapshot": "snapshot", "l2update": "diff", "match": "trade"}

    def symbol(self, pair: str) -> str:
        return pair

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        frame = parse_json(text) or {}
        kind = self.kinds.get(frame.get("type", ""))
        if kind is not None:
            yield Record(time, kind, frame["product_id"], text, frame)

    def levels(self, record: Record) -> tuple[Rows, Rows]:
        if record.kind == "snapshot":
            return record.data["bids"], record.data["asks"]
        changes = record.data["changes"]
        bids = [level for side, *level in changes if side == "buy"]
        asks = [level for side, *level in changes if side == "sell"]
        return bids, asks

    def last_id(self, record: Record) -> int:
        return 0


class Dialect(CoinbaseRest):
    """One sequence a product for every message of the full channel; level 3 by REST seeds it."""

    documented_limits = LIMITS

    recordings = Recordings()
    snapshot_on_subscribe = True
    offered_streams = CHANNELS
    offered_methods = ("subscribe", "unsubscribe")
    subscribe_within_s = 5.0
    """After which a connection is cut that has not subscribed."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._last_matches: dict[str, Row] = {}
        """Of each product, as the feed told it."""
        self._resting_ids: set[int] = set()
        self._sending_channels: set[str] = set()
        """Those of ``RHYTHMS_S`` that somebody follows."""

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {"/": self.on_message}

    def on_connect(self, connection: Connection) -> None:
        super().on_connect(connection)
        self.server.call_later(self.subscribe_within_s, self._cut_if_silent, connection)

    def _cut_if_silent(self, connection: Connection) -> None:
        if connection in self.server.connections and "has_subscribed" not in connection.state:
            self.server.disconnect([connection])

    def on_message(self, connection: Connection, message: Message) -> None:
        """subscribe and unsubscribe, answered by all that the connection follows then. A channel
        that can't be followed is refused, the others are followed."""
        if not isinstance(message.data, dict):
            raise Rejected(MALFORMED)
        kind = message.get("type")
        if kind not in self.offered_methods:
            raise Rejected(Reason.UNKNOWN_METHOD)
        message.only("type", "product_ids", "channels", "account_ids", *LOGIN_FIELDS)
        channels = wanted_channels(message)
        account = connection.account
        if any(field in message for field in LOGIN_FIELDS):
            account = self.signed_account(LOGIN_PAYLOAD, message)
        if kind == "subscribe":
            connection.state["has_subscribed"] = True
            self._subscribe_channels(connection, message, channels, account)
        else:
            self._unsubscribe_channels(connection, message, channels)

    def _subscribe_channels(
        self,
        connection: Connection,
        message: Message,
        channels: list[WantedChannel],
        account: Account | None,
    ) -> None:
        """The login of a message counts where any of its channels is followed."""
        topics: list[str] = []
        for channel in channels:
            try:
                self.check_channel(channel, account)
            except Rejected as refusal:
                self.send(connection, self.socket_error(message, refusal))
            else:
                topics += channel.topics()
        if topics:
            connection.account = account
        followed = connection.topics.union(topics)
        self.subscribe(connection, dict.fromkeys(topics), rows.subscriptions_row(followed))

    def _unsubscribe_channels(
        self, connection: Connection, message: Message, channels: list[WantedChannel]
    ) -> None:
        """A channel without products is left wholly."""
        topics: set[str] = set()
        for channel in channels:
            try:
                self.check_names(channel)
            except Rejected as refusal:
                self.send(connection, self.socket_error(message, refusal))
                continue
            topics.update(channel.topics())
            if channel.product_ids is None and not channel.account_ids:
                topics.update(t for t in connection.topics if t.startswith(f"{channel.name}:"))
        followed = connection.topics.difference(topics)
        self.unsubscribe(connection, topics, rows.subscriptions_row(followed))

    def check_names(self, channel: WantedChannel) -> None:
        """Raises Rejected for an unknown channel or product."""
        if channel.name not in CHANNELS:
            raise Rejected(Reason.UNKNOWN_TOPIC, channel.name)
        for each in channel.product_ids or ():
            if channel.name in PRODUCT_CHANNELS and each not in self.venue.symbols:
                raise Rejected(NOT_SUBSCRIBED, f"{each} is not a valid product")

    def check_channel(self, channel: WantedChannel, account: Account | None) -> None:
        """Raises Rejected where a connection can't follow it."""
        self.check_names(channel)
        if account is None and channel.name in LOGIN_CHANNELS:
            raise Rejected(NOT_SUBSCRIBED, NEEDS_LOGIN[channel.name])
        if channel.name in PRODUCT_CHANNELS and not channel.product_ids:
            raise Rejected(NOT_SUBSCRIBED, " is not a valid product")
        if channel.name == "balance":
            assert account is not None
            known = [rows.account_id(account, balance.asset) for balance in account.balances()]
            for each in channel.account_ids or ("",):
                if each not in known:
                    raise Rejected(NOT_SUBSCRIBED, f"{each} is not a valid account")

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        is_missing_login = refusal.reason == Reason.MISSING and refusal.detail in LOGIN_FIELDS
        if refusal.reason in LOGIN_REASONS or is_missing_login:
            reason = json.dumps({"message": text})
            return {"type": "error", "message": "Authentication Failed", "reason": reason}
        if refusal.reason == MALFORMED:
            return {"type": "error", "message": text}
        doing = "unsubscribe" if message.get("type") == "unsubscribe" else "subscribe"
        return {"type": "error", "message": f"Failed to {doing}", "reason": text}

    def needs_login(self, topic: str) -> bool:
        return topic.partition(":")[0] in LOGIN_CHANNELS

    def follow(self, connection: Connection, topic: str) -> None:
        """Some channels open with what was last, or with how they are to be read."""
        channel, _, pair = topic.partition(":")
        is_first = not any(each.startswith(f"{channel}:") for each in connection.topics)
        super().follow(connection, topic)
        opening = self._opening(channel, pair)
        if opening is not None and (is_first or channel != "level3"):
            self.send(connection, opening)
        if channel in RHYTHMS_S and channel not in self._sending_channels:
            self._sending_channels.add(channel)
            self.server.call_later(RHYTHMS_S[channel], self._send_in_rhythm, channel)

    def _opening(self, channel: str, pair: str) -> Row | None:
        if channel == "level3":
            return {"type": "level3", "schema": rows.LEVEL3_SCHEMA}
        if channel == "level2" and self.server.replay is None:
            return self._current_levels(pair)
        if channel == "matches" and pair in self._last_matches:
            return self._last_matches[pair] | {"type": "last_match"}
        if channel.startswith("ticker"):
            return self.ticker(pair)
        return self.status() if channel == "status" else None

    def _current_levels(self, pair: str) -> Row | None:
        if self.server.faults.hits("withhold_snapshot"):
            return None
        self.server.snapshot_requested(pair)
        book = self.server.book(pair)
        bids, asks = ([BookLevel(*level) for level in book.levels(s)] for s in ("buy", "sell"))
        return rows.snapshot_message(pair, bids, asks)

    def _send_in_rhythm(self, channel: str) -> None:
        """To all that follow the channel, past the faults of market data, until nobody does."""
        followers = [
            (connection, topic)
            for connection in self.server.connections
            for topic in connection.topics
            if topic.startswith(f"{channel}:")
        ]
        if not followers:
            self._sending_channels.discard(channel)
            return
        for connection, topic in followers:
            frame = self._frame_in_rhythm(channel, topic.partition(":")[2])
            if frame is not None:
                self.send(connection, frame)
        self.server.call_later(RHYTHMS_S[channel], self._send_in_rhythm, channel)

    def _frame_in_rhythm(self, channel: str, pair: str) -> Row | None:
        """None where there is nothing to tell: before a trade, or of a recorded market."""
        if channel == "status":
            return self.status()
        if self.server.replay is not None:
            return None
        if channel == "heartbeat":
            last_trade_id = self.server.book(pair).trade_id
            now_ns = self.server.now_ns()
            return rows.heartbeat_row(pair, self.numbers[pair], last_trade_id, now_ns)
        return self.ticker(pair)

    def status(self) -> Row:
        steps = self.currency_steps()
        return {
            "type": "status",
            "products": [rows.product_row(symbol) for symbol in self.markets()],
            "currencies": [rows.currency_row(asset, steps[asset]) for asset in sorted(steps)],
        }

    def ticker(self, pair: str) -> Row | None:
        """The newest trade of a product with its day; None before any."""
        last = self.recent_trades(pair, 1)
        if not last:
            return None
        sequence = self._last_matches[pair]["sequence"]
        return rows.ticker_message(last[0], sequence, self.market_stats(pair))

    def is_book_topic(self, topic: str, pair: str) -> bool:
        channel, _, product = topic.partition(":")
        return product == pair and channel in BOOKS

    def restart_numbers(self, pair: str, first: int) -> None:
        """One sequence a product; levels have none."""
        self.numbers[pair] = first - 1

    def book_topics(self, pair: str) -> Mapping[str, int]:
        """The batches; of a recorded market all its frames are level2's."""
        channels = BATCHES if self.server.replay is None else (*BATCHES, "level2")
        return {f"{channel}:{pair}": 0 for channel in channels}

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        if window.is_snapshot:
            return rows.snapshot_message(window.pair, window.bids, window.asks)
        bids = [["buy", price, size] for price, size in level_rows(window.bids)]
        asks = [["sell", price, size] for price, size in level_rows(window.asks)]
        return rows.levels_message(window.pair, bids + asks, iso_time(now_ns))

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        topic = f"ticker:{match.symbol}"
        ticker = self.ticker(match.symbol) if self.anyone_follows(topic) else None
        return {} if ticker is None else {topic: ticker}

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """The next message of the product's sequence; who is part of it is told more."""
        pair = order.symbol
        frame = {
            "type": kind,
            **self.event_row(kind, order, match),
            "product_id": pair,
            "sequence": self.count(pair),
            "time": iso_time(self.server.now_ns()),
        }
        parts = self.parts(kind, order, match)
        self.publish(f"full:{pair}", partial(told_to, frame, parts))
        self.publish(f"level3:{pair}", rows.level3_row(kind, frame))
        if kind == "match":
            self._last_matches[pair] = frame
            self.publish(f"matches:{pair}", frame)
        level = self.changed_level(kind, order, match)
        if level is not None:
            self.publish(f"level2:{pair}", rows.levels_message(pair, [level], frame["time"]))
        for name, own in parts.items():
            self.send_to_account(self.venue.accounts[name], f"user:{pair}", frame | own)

    def event_row(self, kind: str, order: Order, match: Match | None) -> Row:
        if match is not None:
            return rows.change_row(order, match) if kind == "change" else rows.match_row(match)
        makers = {"received": rows.received_row, "open": rows.open_row, "done": rows.done_row}
        return makers[kind](order)

    def parts(self, kind: str, order: Order, match: Match | None) -> dict[str, Row]:
        """Name of an account -> what it is told besides of an event that it is part of."""
        own = {order.account.name: rows.own_row(order, kind)}
        if match is not None and kind == "match":
            taker = match.taker
            own[order.account.name] = rows.own_match_row(order, "maker", self.venue.maker_fee)
            own[taker.account.name] = rows.own_match_row(taker, "taker", self.venue.taker_fee)
        own.pop(self.server.liquidity_provider.name, None)
        return own

    def changed_level(self, kind: str, order: Order, match: Match | None) -> list[str] | None:
        """Side, price and new size of the level that an event changed; None for none."""
        has_changed = match.maker is order if match is not None else kind == "open"
        if kind == "open":
            self._resting_ids.add(order.id)
        elif kind == "done" and order.id in self._resting_ids:
            self._resting_ids.remove(order.id)
            has_changed = order.state == "cancelled"
        if not has_changed or order.price is None:
            return None
        size = self.server.book(order.symbol).size_at(order.side, order.price)
        return [order.side, decimal_text(order.price), decimal_text(size)]

    def on_event(self, event: Event) -> None:
        """What an order changes in the balances of its account."""
        super().on_event(event)
        account = event.order.account
        symbol = self.venue.symbols[event.order.symbol]
        now_ns = self.server.now_ns()
        for balance in account.balances(symbol.base, symbol.quote):
            frame = rows.balance_message(account, balance, now_ns)
            self.send_to_account(account, f"balance:{frame['account_id']}", frame)


def told_to(frame: Row, parts: Mapping[str, Row], connection: Connection, now_ns: int) -> Row:
    """A message of the channel full as a connection gets it, with what its account is told."""
    account = connection.account
    return frame if account is None else frame | parts.get(account.name, {})
