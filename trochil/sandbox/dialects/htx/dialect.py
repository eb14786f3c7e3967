"""HTX (Huobi) spot from the venue's side.

Source: its public API documentation, v1.0, and frames that it sent.
"""

import ast
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from trochil.sandbox.book_windows import BookLevel, BookWindow
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    Frame,
    Row,
    SocketHandler,
)
from trochil.sandbox.dialects.htx.documented_limits import LIMITS
from trochil.sandbox.dialects.htx.requests import (
    DEPTHS,
    LEVELS,
    NO_JSON,
    NOT_FOLLOWED,
    SIGNATURE_AGE_S,
    STEPS,
    TIMESTAMP,
    best_of,
)
from trochil.sandbox.dialects.htx.rest import HtxRest
from trochil.sandbox.dialects.htx.rows import (
    ACCOUNT_ID,
    best_row,
    changes_row,
    clearing_row,
    detail_row,
    image_row,
    order_event_row,
    ticker_channel_row,
    trade_row,
    trades_row,
)
from trochil.sandbox.formats import exact_text, milliseconds
from trochil.sandbox.market.accounts import Account, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Rejected
from trochil.sandbox.recorded import Record, Rows
from trochil.sandbox.requests import Message, Params
from trochil.sandbox.server import Server

CHANGE_TYPE = {
    "new": "order-place",
    "trade": "order-match",
    "cancelled": "order-cancel",
    "expired": "order-cancel",
}
REFRESHED = (5, 10, 20)
"""Levels of the images that are sent with every change."""
TRADES_OF_REQUEST = 300
"""Of a request on a socket."""
SOCKET_SIGNATURE = {
    "authType": "api",
    "signatureMethod": "HmacSHA256",
    "signatureVersion": "2.1",
}

INVALID_REQUEST = 2001
NO_AUTHENTICATION = 2002


class Recordings:
    """Gzipped frames, each as Python writes bytes. Its images name the book's version."""

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "").lower()

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        if not text.startswith("b"):
            return
        frame = ast.literal_eval(text)
        content = json.loads(gzip.decompress(frame), parse_float=str, parse_int=str)
        topic = content.get("ch", "")
        _, symbol, channel = split_topic(topic)
        if channel.startswith("depth."):
            yield Record(time, "image", symbol, frame, content["tick"], topic)
        elif channel.startswith("trade."):
            yield Record(time, "trade", symbol, frame, content["tick"], topic)

    def levels(self, record: Record) -> tuple[Rows, Rows]:
        return record.data["bids"], record.data["asks"]

    def last_id(self, record: Record) -> int:
        return int(record.data.get("version", 0))


def split_topic(topic: str) -> tuple[str, str, str]:
    """market, btcusdt, depth.step0; empty texts where it has fewer parts."""
    market, _, rest = topic.partition(".")
    symbol, _, channel = rest.partition(".")
    return market, symbol, channel


class Dialect(HtxRest):
    """Changes of the book on one socket, trades and images on another, both gzipped; an account on
    a third, as text."""

    documented_limits = LIMITS

    name = "htx"
    foreign_clients = ("ccxt", "cryptofeed", "huobi_Python (as huobi-sdk-hash-7)")
    takes_forms = False
    private_paths = ("/ws/v2",)
    public_ping_s = 5.0
    private_ping_s = 20.0
    offered_streams = (
        *(f"market.$symbol.mbp.{depth}" for depth in DEPTHS),
        *(f"market.$symbol.mbp.refresh.{levels}" for levels in REFRESHED),
        *(f"market.$symbol.depth.{step}" for step in STEPS),
        "market.$symbol.bbo",
        "market.$symbol.trade.detail",
        "market.$symbol.detail",
        "market.$symbol.ticker",
        "orders#$symbol",
        "trade.clearing#$symbol#0|1",
        "accounts.update#0|1|2",
    )
    offered_methods = (
        "sub",
        "unsub",
        "req market.$symbol.mbp.$levels",
        "req market.$symbol.depth.$type",
        "req market.$symbol.trade.detail",
        "req market.$symbol.detail",
        "req auth",
    )
    recordings = Recordings()
    snapshot_interval_s = 1.0

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._told: dict[tuple[str, str], Balance] = {}
        """What an account's followers know of each asset."""
        self._best: dict[str, tuple[Decimal, ...]] = {}
        """Of each pair, as last sent."""

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {
            "/ws": self.on_market_message,
            "/feed": self.on_market_message,
            "/ws/v2": self.on_account_message,
        }

    # Sockets.

    def encode(self, connection: Connection, frame: Any) -> str | bytes:
        text = json.dumps(frame)
        return text if connection.is_private else gzip.compress(text.encode(), 1)

    def ping_frame(self, connection: Connection, now_ms: int) -> Row:
        if connection.is_private:
            return {"action": "ping", "data": {"ts": now_ms}}
        return {"ping": now_ms}

    def is_pong(self, message: Message) -> bool:
        return "pong" in message or message.get("action") == "pong"

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        """Of market data."""
        is_symbol = refusal.reason == Reason.UNKNOWN_SYMBOL
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        return {
            "status": "error",
            "ts": self.now_ms(),
            "err-code": "bad-request",
            "err-msg": f"invalid symbol {refusal.detail}" if is_symbol else text,
            **self.id_of(message),
        }

    def id_of(self, message: Message) -> Row:
        """Repeated in the answer."""
        return {"id": message.values["id"]} if "id" in message else {}

    # Market data.

    def on_market_message(self, connection: Connection, message: Message) -> None:
        """sub, unsub, and req for something at once; clients may send pings too."""
        if not isinstance(message.data, dict):
            raise Rejected(NO_JSON)
        if "ping" in message:
            self.send(connection, {"pong": message.integer("ping")})
            return
        action = next((name for name in ("sub", "unsub", "req") if name in message), "sub")
        message.only(action, "id")
        topic = message.string(action)
        pair, channel = self.channel_of(connection, topic)
        answer = {**self.id_of(message), "status": "ok", "ts": self.now_ms()}
        if action == "req":
            data = self.requested(pair, channel, topic)
            self.send(connection, answer | {"rep": topic, "data": data})
        elif action == "unsub":
            if topic not in connection.topics:
                raise Rejected(NOT_FOLLOWED, topic)
            self.unsubscribe(connection, [topic], answer | {"unsubbed": topic})
        else:
            if topic in self.book_topics(pair):
                # The first change is one of the book as it is now.
                self.books.snapshot(pair, self.book_topics(pair)[topic])
            self.subscribe(connection, [topic], answer | {"subbed": topic})
            for frame in self.opening_frames(pair, channel):
                self.send(connection, frame)

    def channel_of(self, connection: Connection, topic: str) -> tuple[str, str]:
        """The pair and the channel, "depth.step0". Raises Rejected: UNKNOWN_SYMBOL,
        UNKNOWN_TOPIC."""
        market, symbol, channel = split_topic(topic)
        if not channel or market != "market":
            raise Rejected(Reason.UNKNOWN_TOPIC, topic)
        pair = self.pair_of(symbol)
        of_changes = [f"mbp.{depth}" for depth in DEPTHS]
        images = [f"depth.{step}" for step in STEPS]
        refreshed = [f"mbp.refresh.{levels}" for levels in REFRESHED]
        others = ["trade.detail", "detail", "bbo", "ticker"]
        is_feed = connection.path == "/feed"
        if channel not in (of_changes if is_feed else [*images, *refreshed, *others]):
            raise Rejected(Reason.UNKNOWN_TOPIC, topic)
        return pair, channel

    def requested(self, pair: str, channel: str, topic: str) -> Any:
        """The data of a request. Raises Rejected: UNKNOWN_TOPIC."""
        if topic in self.book_topics(pair):
            return changes_row(self.books.requested(pair, self.book_topics(pair)[topic]))
        if channel == f"depth.{STEPS[0]}":
            return image_row(self.books.requested(pair, LEVELS), self.now_ms())
        if topic in self.snapshot_topics(pair):
            return image_row(self.snapshot_window(pair, topic), self.now_ms())
        if channel == "trade.detail":
            trades = self.recent_trades(pair, TRADES_OF_REQUEST)
            return [trade_row(match, "tradeId") for match in reversed(trades)]
        if channel == "detail":
            return detail_row(self.market_stats(pair), self.version(pair))
        raise Rejected(Reason.UNKNOWN_TOPIC, topic)

    def opening_frames(self, pair: str, channel: str) -> list[Frame]:
        """What a new follower is sent at once, besides the images of ``snapshot_topics``."""
        if self.server.replay is not None:
            return []
        if channel == "trade.detail":
            return [self.trade_frame(match) for match in self.recent_trades(pair, limit=1)]
        frames = self.summary_frames(pair) | {self.best_topic(pair): self.best_frame(pair)}
        return [frame for topic, frame in frames.items() if topic.endswith(f".{channel}")]

    def topic(self, pair: str, channel: str) -> str:
        return f"market.{self.symbol(pair)}.{channel}"

    def book_topics(self, pair: str) -> Mapping[str, int]:
        return {self.topic(pair, f"mbp.{depth}"): depth for depth in DEPTHS}

    def is_book_topic(self, topic: str, pair: str) -> bool:
        return topic.startswith((self.topic(pair, "mbp."), self.topic(pair, "depth.")))

    def snapshot_topics(self, pair: str) -> list[str]:
        return [self.topic(pair, f"depth.{step}") for step in STEPS]

    def snapshot_window(self, pair: str, topic: str) -> BookWindow:
        step = topic.rpartition(".")[2]
        if step == STEPS[0]:
            return self.books.snapshot(pair, LEVELS)
        return self.merged_window(pair, step)

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        now_ms = milliseconds(now_ns)
        is_changes = topic in self.book_topics(window.pair)
        tick = changes_row(window) if is_changes else image_row(window, now_ms)
        return {"ch": topic, "ts": now_ms, "tick": tick}

    def on_depth(
        self,
        pair: str,
        first_id: int,
        last_id: int,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
    ) -> None:
        """Besides the books: their refreshed images, and the summaries of the day."""
        super().on_depth(pair, first_id, last_id, bids, asks)
        for topic, frame in self.refreshed_frames(pair).items():
            self.publish(topic, frame)
        followed = [self.topic(pair, channel) for channel in ("detail", "ticker")]
        if any(map(self.anyone_follows, followed)):
            for topic, frame in self.summary_frames(pair).items():
                self.publish(topic, frame)

    def refreshed_frames(self, pair: str) -> dict[str, Frame]:
        """Topic -> a frame of the best levels; of those that somebody follows."""
        frames: dict[str, Frame] = {}
        for levels in REFRESHED:
            topic = self.topic(pair, f"mbp.refresh.{levels}")
            if self.anyone_follows(topic):
                window = self.best_window(pair, levels)
                tick = changes_row(window)
                frames[topic] = {"ch": topic, "ts": self.now_ms(), "tick": tick}
        return frames

    def best_window(self, pair: str, levels: int) -> BookWindow:
        bids, asks = (
            [BookLevel(*level) for level in self.server.book(pair).levels(side)[:levels]]
            for side in ("buy", "sell")
        )
        return BookWindow(pair, bids, asks, 0, self.version(pair))

    def summary_frames(self, pair: str) -> dict[str, Frame]:
        now_ms = self.now_ms()
        stats = self.market_stats(pair)
        ticks = {
            self.topic(pair, "detail"): detail_row(stats, self.version(pair)),
            self.topic(pair, "ticker"): ticker_channel_row(stats),
        }
        return {topic: {"ch": topic, "ts": now_ms, "tick": tick} for topic, tick in ticks.items()}

    def best_topic(self, pair: str) -> str:
        return self.topic(pair, "bbo")

    def best_frame(self, pair: str) -> Frame:
        stats = self.market_stats(pair)
        self._best[pair] = best_of(stats)
        topic = self.best_topic(pair)
        now_ms = self.now_ms()
        tick = best_row(self.symbol(pair), stats, self.version(pair), now_ms)
        return {"ch": topic, "ts": now_ms, "tick": tick}

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """The best bid and ask are sent whenever they change."""
        pair = order.symbol
        if kind == "received" or not self.anyone_follows(self.best_topic(pair)):
            return
        if self._best.get(pair) != best_of(self.market_stats(pair)):
            self.publish(self.best_topic(pair), self.best_frame(pair))

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        return {self.topic(match.symbol, "trade.detail"): self.trade_frame(match)}

    def trade_frame(self, match: Match) -> Row:
        return {
            "ch": self.topic(match.symbol, "trade.detail"),
            "ts": milliseconds(match.time),
            "tick": trades_row(match, "tradeId"),
        }

    # An account's socket.

    def on_account_message(self, connection: Connection, message: Message) -> None:
        """The authentication, sub and unsub."""
        try:
            refusal = self.refused_message(connection, message)
        except Rejected:
            refusal = (INVALID_REQUEST, "invalid.param")
        if refusal is not None:
            code, text = refusal
            told = {"code": code, "ch": message.get("ch", ""), "message": text}
            self.send(connection, {"action": message.get("action", ""), **told})

    def refused_message(self, connection: Connection, message: Message) -> tuple[int, str] | None:
        """Code and message of a refusal; None where the message was taken."""
        if not isinstance(message.data, dict):
            return INVALID_REQUEST, "invalid.json"
        action = message.string("action", "")
        topic = message.string("ch", "")
        if action not in ("req", "sub", "unsub"):
            return INVALID_REQUEST, "invalid.action"
        if not topic or (action == "req") != (topic == "auth"):
            return INVALID_REQUEST, "invalid.ch"
        if action == "req":
            return self.refused_login(connection, message)
        message.only("action", "ch")
        if connection.account is None:
            return NO_AUTHENTICATION, "invalid.auth.state"
        wrong = self.wrong_topic(topic)
        if wrong:
            return INVALID_REQUEST, wrong
        answer = {"action": action, "code": 200, "ch": topic, "data": {}}
        if action == "unsub":
            self.unsubscribe(connection, [topic], answer)
            return None
        self.subscribe(connection, [topic], answer)
        for row in self.opening_balances(connection.account, self.event_topic(topic)):
            self.send(connection, self.account_frame(topic, row, connection))
        return None

    def wrong_topic(self, topic: str) -> str:
        """What is wrong with an account's topic; "" for nothing."""
        channel, *rest = topic.split("#")
        modes = {"orders": 0, "trade.clearing": 2, "accounts.update": 3}
        if channel not in modes:
            return "invalid.ch"
        if channel != "accounts.update":
            symbol, *rest = rest or [""]
            known = ["*", *(self.symbol(pair) for pair in self.venue.symbols)]
            if symbol not in known:
                return "invalid.symbol"
        known_modes = [str(mode) for mode in range(modes[channel])]
        return "invalid.ch" if rest and (rest[1:] or rest[0] not in known_modes) else ""

    def refused_login(self, connection: Connection, message: Message) -> tuple[int, str] | None:
        names = (*SOCKET_SIGNATURE, "accessKey", "timestamp", "signature")
        # The venue's own client repeats them beside "params".
        message.only("action", "ch", "params", *names)
        params = message.params("params") if "params" in message else Params({})
        if any(name not in params for name in names):
            return INVALID_REQUEST, "missing.param.auth"
        params.only(*names)
        if connection.account is not None:
            return NO_AUTHENTICATION, "invalid.auth.state"
        self.authenticate(connection, params)
        if connection.account is None:
            return NO_AUTHENTICATION, "auth.fail"
        self.send(connection, {"action": "req", "code": 200, "ch": "auth", "data": {}})
        return None

    def authenticate(self, connection: Connection, params: Params) -> None:
        if any(params[name] != value for name, value in SOCKET_SIGNATURE.items()):
            return
        timestamp = params.string("timestamp")
        if not TIMESTAMP.fullmatch(timestamp):
            return
        unsigned = ("authType", "signature")
        query = "&".join(
            f"{name}={quote(params.string(name), safe='', errors='surrogatepass')}"
            for name in sorted(params.values)
            if name not in unsigned
        )
        # One client signs the whole address where the path is meant.
        for path in (connection.path, f"ws://{connection.host}{connection.path}"):
            with suppress(Rejected):
                connection.account = self.signing_account(
                    api_key=params.string("accessKey"),
                    signature=params.string("signature"),
                    payload=f"GET\n{connection.host}\n{path}\n{query}",
                    encoding="base64",
                    signed_at_s=Params({"at": f"{timestamp}Z"}).time_s("at"),
                    max_age_s=SIGNATURE_AGE_S,
                    max_ahead_s=SIGNATURE_AGE_S,
                )

    def event_topic(self, topic: str) -> str:
        """With its mode, where that may be left out."""
        channel, _, rest = topic.partition("#")
        if channel == "accounts.update" and not rest:
            return f"{topic}#0"
        if channel == "trade.clearing" and "#" not in rest:
            return f"{topic}#0"
        return topic

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        name = self.symbol(event.order.symbol)
        order_row = order_event_row(name, event)
        rows = [(f"orders#{each}", order_row) for each in (name, "*")]
        clearing = clearing_row(name, event) if event.kind != "new" else {}
        modes = ("0", "1") if event.kind == "trade" else ("1",)
        for mode in modes if clearing else ():
            rows += [(f"trade.clearing#{each}#{mode}", clearing) for each in (name, "*")]
        for balance in event.order.account.balances(*event.order.symbol.split("-")):
            rows += self.balance_rows(event, balance)
        return rows

    def balance_rows(self, event: Event, balance: Balance) -> list[tuple[str, Row]]:
        """accounts.update: by mode 0 the balance where it changed; by 1 what changed, each alone;
        by 2 both together where one did."""
        account = event.order.account
        known = self._told.get((account.name, balance.asset))
        self._told[account.name, balance.asset] = balance
        changed = {
            "balance": known is None or known.total != balance.total,
            "available": known is None or known.free != balance.free,
        }
        if not any(changed.values()):
            return []
        row = self.balance_row(account, balance, CHANGE_TYPE[event.kind], self.now_ms())
        alone = [self.with_one(row, name) for name in changed if changed[name]]
        rows = [("accounts.update#1", each) for each in alone]
        if changed["balance"]:
            rows.append(("accounts.update#0", alone[0]))
        return [*rows, ("accounts.update#2", row)]

    def balance_row(
        self, account: Account, balance: Balance, change_type: str | None, time_ms: int | None
    ) -> Row:
        """Without a change: what the account has when a client subscribes."""
        return {
            "currency": balance.asset.lower(),
            "accountId": ACCOUNT_ID,
            "balance": exact_text(balance.total),
            "available": exact_text(balance.free),
            "changeType": change_type,
            "accountType": "trade",
            "changeTime": time_ms,
            "seqNum": self.count(f"balances of {account.name}"),
        }

    def with_one(self, row: Row, name: str) -> Row:
        """A balance's row with one of its numbers."""
        other = {"balance": "available", "available": "balance"}[name]
        return {key: value for key, value in row.items() if key != other}

    def opening_balances(self, account: Account, topic: str) -> list[Row]:
        """What there is of each currency when a client subscribes."""
        if not topic.startswith("accounts.update"):
            return []
        rows = []
        for balance in account.balances():
            self._told[account.name, balance.asset] = balance
            rows.append(self.balance_row(account, balance, None, None))
        shown = {"accounts.update#0": ("balance",), "accounts.update#1": ("balance", "available")}
        names = shown.get(topic, ())
        return [self.with_one(row, name) for row in rows for name in names] if names else rows

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        return {"action": "push", "ch": topic, "data": row}
