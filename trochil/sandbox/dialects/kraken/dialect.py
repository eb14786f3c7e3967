"""Kraken spot from the venue's side.

Its REST is in ``trochil.sandbox.dialects.kraken``, its websocket v2 here.

Source: its public API documentation (REST v0, websocket v2). Not verified are the texts of the
socket's errors where the documentation gives no example (those for fields that are missing, for
malformed messages and for what is subscribed already), which trades ``consolidate_taker`` makes
one, and the text for a client id that is in use.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from trochil.sandbox.candles import Candle, Interval
from trochil.sandbox.checksum_windows import ChecksumWindow, LevelWindows, OrderWindows
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import Frame, Row, SocketHandler
from trochil.sandbox.dialects.kraken.documented_limits import LIMITS
from trochil.sandbox.dialects.kraken.orders import (
    MOST_CANCELLED,
    MOST_CANDLES,
    MOST_TIMEOUT_S,
    STALE_TOKEN,
)
from trochil.sandbox.dialects.kraken.requests import (
    ACCOUNT_CHANNELS,
    BOOK_DEPTHS,
    CANDLE_MINUTES,
    CHANNEL_PARAMS,
    SOCKET_BATCH_ORDER_PARAMS,
    SOCKET_ORDER_PARAMS,
    SUBSCRIBED,
    TOKEN_CHANNELS,
    WRONG_DEPTH,
    WRONG_FIELD,
    WRONG_INTERVAL,
    Subscription,
    Ticket,
    batch_of,
    id_list,
    socket_flag,
    socket_integer,
    socket_object,
    socket_text,
    socket_texts,
    socket_ticket,
    subscriptions_of,
    wrong_type,
)
from trochil.sandbox.dialects.kraken.rest import KrakenRest
from trochil.sandbox.dialects.kraken.rows import (
    BOOK_ROWS,
    balance_rows,
    candle_object,
    ended_order_row,
    execution_row,
    instrument_asset_row,
    instrument_pair_row,
    ledger_rows,
    order_id,
    order_object,
    quote_row,
    sent_client_id,
    status_row,
    trade_row,
)
from trochil.sandbox.formats import iso_time
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected
from trochil.sandbox.requests import Message, Params
from trochil.sandbox.server import Server

SNAPSHOT_FILLS = 50
LEAST_CANCELLED = 2
"""In a batch on the socket."""
LEAST_SOCKET_DEADLINE_S = 0.5
HEARTBEAT_S = 1.0
RATE_COUNT = 125
"""Of the middle tier; the sandbox does not count."""
SOCKET_WORDS = {
    Reason.UNKNOWN_SYMBOL: "Currency pair not supported {}",
    Reason.UNKNOWN_METHOD: "Unsupported event",
    Reason.UNKNOWN_TOPIC: "Subscription name invalid",
    WRONG_DEPTH: "Subscription depth not supported",
    WRONG_INTERVAL: "Subscription ohlc interval not supported",
    WRONG_FIELD: "{}",
    SUBSCRIBED: "Already subscribed{}",
}
"""What the socket says where REST has other words, or none."""


class Dialect(KrakenRest):
    """Nothing is numbered but an account's frames. Books carry checksums, and nothing is sent of
    what is pushed out of them."""

    documented_limits = LIMITS

    offered_streams = (
        "book (10, 25, 100, 500, 1000)",
        "level3 (10, 100, 1000)",
        "trade",
        "ticker",
        "ohlc",
        "instrument",
        "executions",
        "balances",
        "status",
        "heartbeat",
    )
    offered_methods = (
        "ping",
        "subscribe",
        "unsubscribe",
        "add_order",
        "batch_add",
        "cancel_order",
        "batch_cancel",
        "cancel_all",
        "cancel_all_orders_after",
    )

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.windows = {"book": LevelWindows(self.venue), "level3": OrderWindows(self.venue)}
        self.best_prices: dict[str, tuple[Decimal | None, Decimal | None]] = {}
        """Of each pair, as the ticker told them last."""

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {"/v2": self.on_message}

    # The socket.

    def on_connect(self, connection: Connection) -> None:
        """The venue's state first; then something every second, once anything is followed."""
        super().on_connect(connection)
        state = {
            "api_version": "v2",
            "connection_id": self.count("connection"),
            "system": "online",
            "version": "2.0.10",
        }
        self.send(connection, {"channel": "status", "type": "update", "data": [state]})
        self.server.call_later(HEARTBEAT_S, self.beat, connection)

    def beat(self, connection: Connection) -> None:
        if connection not in self.server.connections:
            return
        if connection.topics:
            self.send(connection, {"channel": "heartbeat"})
        if topic_of("instrument") in connection.topics:
            self.send_changed_instruments(connection)
        self.server.call_later(HEARTBEAT_S, self.beat, connection)

    def on_message(self, connection: Connection, message: Message) -> None:
        time_in = iso_time(self.server.now_ns())
        connection.state["time_in"] = time_in
        if not isinstance(message.data, dict):
            raise Rejected(WRONG_FIELD, "Malformed request")
        if "req_id" in message:
            socket_integer(message, "req_id")
        method = socket_text(message, "method", "")
        handlers: dict[str, Callable[[Connection, Message, Params], None]] = {
            "subscribe": self.on_subscribe,
            "unsubscribe": self.on_unsubscribe,
            "add_order": self.on_add_order,
            "batch_add": self.on_batch_add,
            "cancel_order": self.on_cancel_order,
            "batch_cancel": self.on_batch_cancel,
            "cancel_all": self.on_cancel_all,
            "cancel_all_orders_after": self.on_cancel_after,
        }
        if method == "ping":
            message.only("method", "req_id")
            self.answer(connection, message, {"method": "pong"})
        elif method in handlers:
            message.only("method", "params", "req_id")
            handlers[method](connection, message, socket_object(message, "params"))
        else:
            raise Rejected(Reason.UNKNOWN_METHOD, method)

    def answer(self, connection: Connection, message: Message, content: Row) -> None:
        """With the request's number and the times of both."""
        head = {"method": message.get("method"), **content}
        self.send(connection, self.stamped(message, head, connection.state["time_in"]))

    def stamped(self, message: Message, content: Row, time_in: str) -> Frame:
        req_id = {"req_id": message.data["req_id"]} if has_number(message) else {}

        def frame(connection: Connection, now_ns: int) -> Row:
            time_out = iso_time(self.server.now_ns())
            return {**content, **req_id, "time_in": time_in, "time_out": time_out}

        return frame

    def succeed(self, connection: Connection, message: Message, result: Any) -> None:
        self.answer(connection, message, {"result": result, "success": True})

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        return self.refused_frame(message, refusal, {}, iso_time(self.server.now_ns()))

    def refused_frame(
        self, message: Message, refusal: Rejected, details: Row, time_in: str
    ) -> Frame:
        method = message.get("method")
        content = {
            "error": self.socket_words(refusal, method),
            **({"method": method} if method and isinstance(method, str) else {}),
            "success": False,
            **details,
        }
        return self.stamped(message, content, time_in)

    def socket_words(self, refusal: Rejected, method: Any) -> str:
        if refusal.reason == Reason.UNKNOWN_PARAMETER:
            kind = str(method).replace("_", " ")
            return f"Unsupported field: '{refusal.detail}' for the given msg type: {kind}"
        if refusal.reason == Reason.MISSING:
            return f"{refusal.detail.capitalize()}(s) not found"
        if refusal.reason in SOCKET_WORDS:
            return SOCKET_WORDS[refusal.reason].format(refusal.detail)
        return self.words(refusal)

    def account_of_token(self, connection: Connection, params: Params) -> Account:
        """A token must be used in time; a connection that has used it keeps it.

        Raises Rejected: MISSING, STALE_TOKEN."""
        token = socket_text(params, "token")
        known = self.tokens.get(token)
        if known is None:
            raise Rejected(STALE_TOKEN)
        account, until_s = known
        if token not in connection.state.get("tokens", ()) and self.now_s() > until_s:
            raise Rejected(STALE_TOKEN)
        if connection.account not in (None, account):
            raise Rejected(STALE_TOKEN)
        return account

    def socket_pair(self, name: str) -> str:
        """The socket knows pairs by no other name than its own. Raises Rejected: UNKNOWN_SYMBOL."""
        for pair in self.venue.symbols:
            if name == self.symbol(pair):
                return pair
        raise Rejected(Reason.UNKNOWN_SYMBOL, name)

    # Subscriptions.

    def on_subscribe(self, connection: Connection, message: Message, params: Params) -> None:
        """One acknowledgement, or refusal, for each symbol."""
        subscriptions = subscriptions_of(params)
        if subscriptions[0].channel in TOKEN_CHANNELS:
            account = self.account_of_token(connection, params)
            if subscriptions[0].channel in ACCOUNT_CHANNELS:
                connection.account = account
                connection.is_private = True
                connection.state.setdefault("tokens", set()).add(params["token"])
        for subscription in subscriptions:
            try:
                self.check_subscription(connection, subscription)
            except Rejected as refusal:
                self.refuse_symbol(connection, message, subscription, refusal)
            else:
                self.begin(connection, message, subscription)

    def check_subscription(self, connection: Connection, subscription: Subscription) -> None:
        """Raises Rejected: UNKNOWN_SYMBOL, SUBSCRIBED."""
        channel = subscription.channel
        if "symbol" in CHANNEL_PARAMS[channel]:
            self.socket_pair(subscription.symbol)
        prefix = topic_of(channel, subscription.symbol)
        if not any(topic.startswith(prefix) for topic in connection.topics):
            return
        if channel == "ohlc":
            raise Rejected(SUBSCRIBED, " to one ohlc interval on this symbol")
        if channel in BOOK_DEPTHS:
            raise Rejected(SUBSCRIBED, f" to one {channel} depth on this symbol")
        raise Rejected(SUBSCRIBED)

    def refuse_symbol(
        self,
        connection: Connection,
        message: Message,
        subscription: Subscription,
        refusal: Rejected,
    ) -> None:
        details = {"symbol": subscription.symbol} if subscription.symbol else {}
        time_in = connection.state["time_in"]
        self.send(connection, self.refused_frame(message, refusal, details, time_in))

    def begin(self, connection: Connection, message: Message, subscription: Subscription) -> None:
        """The acknowledgement, then what the channel begins with."""
        self.acknowledge(connection, message, subscription)
        topic = topic_of(subscription.channel, subscription.symbol, subscription.variant)
        self.subscribe(connection, [topic])
        if subscription.channel in ACCOUNT_CHANNELS:
            connection.state[subscription.channel] = 0
        if subscription.has_snapshot:
            frame = self.opening_frame(connection, subscription)
            self.send(connection, frame)

    def acknowledge(
        self, connection: Connection, message: Message, subscription: Subscription
    ) -> None:
        shown = {"channel": subscription.channel, **subscription.shown}
        if subscription.symbol:
            shown["symbol"] = subscription.symbol
        if subscription.channel == "executions":
            shown["maxratecount"] = RATE_COUNT
        self.succeed(connection, message, shown)

    def on_unsubscribe(self, connection: Connection, message: Message, params: Params) -> None:
        subscriptions = subscriptions_of(params)
        if subscriptions[0].channel in TOKEN_CHANNELS:
            self.account_of_token(connection, params)
        for subscription in subscriptions:
            topic = topic_of(subscription.channel, subscription.symbol, subscription.variant)
            if topic in connection.topics:
                self.acknowledge(connection, message, subscription)
                self.unsubscribe(connection, [topic])
            else:
                refusal = Rejected(WRONG_FIELD, "Subscription Not Found")
                self.refuse_symbol(connection, message, subscription, refusal)

    def opening_frame(self, connection: Connection, subscription: Subscription) -> Frame:
        channel = subscription.channel
        if channel == "instrument":
            return self.instrument_frame(connection)
        if channel == "balances":
            rows = balance_rows(account_of(connection))
            return numbered_frame(channel, "snapshot", rows, connection)
        if channel == "executions":
            rows = self.known_executions(account_of(connection), subscription.shown)
            return numbered_frame(channel, "snapshot", rows, connection)
        pair = self.socket_pair(subscription.symbol)
        if channel in self.windows:
            self.server.snapshot_requested(pair)
            window = self.windows[channel].snapshot(pair, int(subscription.variant))
            return self.window_frame(channel, window)
        if channel == "ticker":
            return self.quote_frame(pair, "snapshot")
        if channel == "ohlc":
            return self.candles_frame(pair, int(subscription.variant))
        symbol = self.venue.symbols[pair]
        trades = self.recent_trades(pair, SNAPSHOT_FILLS)
        rows = [trade_row(subscription.symbol, symbol, match) for match in trades]
        return {"channel": "trade", "type": "snapshot", "data": rows}

    # Books, trades, tickers, candles and instruments.

    def on_depth(
        self,
        pair: str,
        first_id: int,
        last_id: int,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
    ) -> None:
        """What changed in the windows that somebody follows; the base keeps the book of
        ``get_depth``."""
        super().on_depth(pair, first_id, last_id, bids, asks)
        for channel, windows in self.windows.items():
            for depth in BOOK_DEPTHS[channel]:
                topic = topic_of(channel, self.symbol(pair), str(depth))
                if self.anyone_follows(topic):
                    update = windows.update(pair, depth)
                    if update.bids or update.asks:
                        self.publish(topic, self.window_frame(channel, update))
                else:
                    windows.forget(pair, depth)
        self.publish_best_prices(pair)

    def is_book_topic(self, topic: str, pair: str) -> bool:
        channel, name, _ = topic.split(":")
        return channel in self.windows and name == self.symbol(pair)

    def restart_numbers(self, pair: str, first: int) -> None:
        """Raises ValueError: no book has any."""
        raise ValueError("Kraken's books have no numbers")

    def publish_best_prices(self, pair: str) -> None:
        book = self.venue.books[pair]
        best = (book.best("buy"), book.best("sell"))
        topic = topic_of("ticker", self.symbol(pair), "bbo")
        if best != self.best_prices.get(pair) and self.anyone_follows(topic):
            self.publish(topic, self.quote_frame(pair, "update"))
        self.best_prices[pair] = best

    def window_frame(self, channel: str, window: ChecksumWindow) -> Frame:
        is_wrong = not window.is_snapshot and self.server.faults.hits("bad_checksum")
        checksum = window.checksum ^ 1 if is_wrong else window.checksum
        return partial(self.window_row, channel, window, checksum)

    def window_row(
        self,
        channel: str,
        window: ChecksumWindow,
        checksum: int,
        connection: Connection,
        now_ns: int,
    ) -> Row:
        row = BOOK_ROWS[channel]
        return {
            "channel": channel,
            "type": "snapshot" if window.is_snapshot else "update",
            "data": [
                {
                    "symbol": self.symbol(window.pair),
                    "bids": [row(entry) for entry in window.bids],
                    "asks": [row(entry) for entry in window.asks],
                    "checksum": checksum,
                    "timestamp": iso_time(now_ns),
                }
            ],
        }

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        """Of the trade itself; of ticker and candles where somebody follows them."""
        pair = match.symbol
        name = self.symbol(pair)
        row = trade_row(name, self.venue.symbols[pair], match)
        frames: dict[str, Frame] = {
            topic_of("trade", name): {"channel": "trade", "type": "update", "data": [row]}
        }
        topic = topic_of("ticker", name, "trades")
        if self.anyone_follows(topic):
            frames[topic] = self.quote_frame(pair, "update")
        for minutes in CANDLE_MINUTES:
            topic = topic_of("ohlc", name, str(minutes))
            interval = Interval(minutes * 60)
            is_followed = self.anyone_follows(topic)
            candle = self.candles(pair).at(match.time // 10**9, interval) if is_followed else None
            if candle is not None:
                frames[topic] = self.candle_frame(pair, minutes, "update", [candle])
        return frames

    def quote_frame(self, pair: str, frame_type: str) -> Frame:
        symbol = self.venue.symbols[pair]
        stats = self.market_stats(pair)
        now_ns = self.server.now_ns()
        row = quote_row(self.symbol(pair), symbol, stats, now_ns)
        return {"channel": "ticker", "type": frame_type, "data": [row]}

    def candles_frame(self, pair: str, minutes: int) -> Frame:
        interval = Interval(minutes * 60)
        candles = self.candles(pair).latest(MOST_CANDLES, self.now_s(), interval)
        return self.candle_frame(pair, minutes, "snapshot", candles)

    def candle_frame(
        self, pair: str, minutes: int, frame_type: str, candles: list[Candle]
    ) -> Frame:
        name = self.symbol(pair)
        symbol = self.venue.symbols[pair]
        return {
            "channel": "ohlc",
            "type": frame_type,
            "timestamp": iso_time(self.server.now_ns()),
            "data": [candle_object(name, symbol, candle, minutes) for candle in candles],
        }

    def instrument_rows(self) -> dict[str, list[Row]]:
        pairs = [instrument_pair_row(self.symbol(symbol.pair), symbol) for symbol in self.markets()]
        return {"assets": [instrument_asset_row(asset) for asset in self.assets()], "pairs": pairs}

    def instrument_frame(self, connection: Connection) -> Frame:
        rows = self.instrument_rows()
        connection.state["instrument"] = rows
        return {"channel": "instrument", "type": "snapshot", "data": rows}

    def send_changed_instruments(self, connection: Connection) -> None:
        """Assets and pairs that are not as this client knows them."""
        rows = self.instrument_rows()
        known = connection.state.get("instrument", rows)
        connection.state["instrument"] = rows
        changed = {
            kind: [row for row in rows[kind] if not has_row(known[kind], row)] for kind in rows
        }
        if any(changed.values()):
            self.send(connection, {"channel": "instrument", "type": "update", "data": changed})

    # An account on the socket.

    def known_executions(self, account: Account, shown: Row) -> list[Row]:
        """The last trades, where they are requested, and open orders, unless they are not."""
        fills = self.fills_of(account, limit=SNAPSHOT_FILLS) if shown["snap_trades"] else []
        orders = self.orders_of(account, is_open=True) if shown["snap_orders"] else []
        trade_rows = [self.execution_row(fill) for fill in fills]
        return trade_rows + [self.order_object(order, "new") for order in orders]

    def execution_row(self, fill: Fill) -> Row:
        pair = fill.order.symbol
        userref = self.userref(fill.order)
        return execution_row(self.symbol(pair), self.venue.symbols[pair], fill, userref)

    def order_object(self, order: Order, exec_type: str) -> Row:
        symbol = self.venue.symbols[order.symbol]
        userref = self.userref(order)
        return order_object(self.symbol(order.symbol), symbol, order, userref, exec_type)

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        """An order is told as pending with its terms, then as new without them; one that a trade
        fills ends in a frame of its own."""
        order = event.order
        if event.kind == "new" and self.placed_userref:
            self.userrefs[order.id] = self.placed_userref
        userref = self.userref(order)
        rows = []
        if event.kind == "new":
            rows.append(self.order_object(order, "pending_new"))
            rows.append(status_row(order, userref, "new", event.time))
        fill = event.fill
        if fill is not None:
            rows.append(self.execution_row(fill))
        if event.kind in ("cancelled", "expired") or (fill and order.state == "filled"):
            rows.append(ended_order_row(order, userref, event.time))
        told: list[tuple[str, Row]] = [("executions", {"data": [row]}) for row in rows]
        if fill is not None:
            symbol = self.venue.symbols[order.symbol]
            told.append(("balances", {"data": ledger_rows(event, symbol, fill)}))
        return told

    def event_topic(self, topic: str) -> str:
        channel, _, _ = topic.partition(":")
        return channel

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        return numbered_frame(self.event_topic(topic), "update", row["data"], connection)

    # Orders on the socket.

    def on_add_order(self, connection: Connection, message: Message, params: Params) -> None:
        params.only(*SOCKET_ORDER_PARAMS)
        account = self.account_of_token(connection, params)
        pair = self.socket_pair(socket_text(params, "symbol"))
        ticket = socket_ticket(params)
        self.check_deadline(params, LEAST_SOCKET_DEADLINE_S)
        if socket_flag(params, "validate", False):
            self.check_ticket(account, pair, ticket)
            self.succeed(connection, message, ticket_names(ticket))
            return
        order = self.place(account, pair, ticket)
        result = {"order_id": order_id(order), **ticket_names(ticket)}
        self.succeed(connection, message, result)

    def on_batch_add(self, connection: Connection, message: Message, params: Params) -> None:
        params.only("orders", "symbol", "deadline", "validate", "token")
        account = self.account_of_token(connection, params)
        pair = self.socket_pair(socket_text(params, "symbol"))
        tickets = [socket_ticket(order) for order in batch_of(params, SOCKET_BATCH_ORDER_PARAMS)]
        self.check_deadline(params, LEAST_SOCKET_DEADLINE_S)
        is_check = socket_flag(params, "validate", False)
        self.check_batch(account, pair, tickets)
        if is_check:
            self.succeed(connection, message, [ticket_names(ticket) for ticket in tickets])
            return
        results: list[Row] = []
        for ticket, placed in zip(tickets, self.place_batch(account, pair, tickets), strict=True):
            told = {"error": placed}
            if isinstance(placed, Order):
                told = {"order_id": order_id(placed)}
            results.append({**told, **ticket_names(ticket)})
        self.succeed(connection, message, results)

    def on_cancel_order(self, connection: Connection, message: Message, params: Params) -> None:
        """One answer for each order, and for each id that is unknown."""
        params.only("order_id", "cl_ord_id", "order_userref", "token")
        account = self.account_of_token(connection, params)
        names = socket_texts(params, "order_id") if "order_id" in params else []
        client_ids = socket_texts(params, "cl_ord_id") if "cl_ord_id" in params else []
        names += [str(userref) for userref in socket_integers(params, "order_userref")]
        if not (names or client_ids):
            raise Rejected(Reason.MISSING, "order_id")
        selections: list[tuple[list[str], list[str]]] = [([name], []) for name in names]
        selections += [([], [client_id]) for client_id in client_ids]
        for selection in selections:
            try:
                cancelled = self.cancel_all_named(account, *selection)
            except Rejected as refusal:
                time_in = connection.state["time_in"]
                self.send(connection, self.refused_frame(message, refusal, {}, time_in))
            else:
                for order in cancelled:
                    self.succeed(connection, message, cancelled_names(order))

    def on_batch_cancel(self, connection: Connection, message: Message, params: Params) -> None:
        params.only("orders", "cl_ord_id", "token")
        account = self.account_of_token(connection, params)
        names = id_list(params, "orders")
        client_ids = socket_texts(params, "cl_ord_id") if "cl_ord_id" in params else []
        if not LEAST_CANCELLED <= len(names) + len(client_ids) <= MOST_CANCELLED:
            raise Rejected(Reason.ILLEGAL, "orders")
        count = len(self.cancel_all_named(account, names, client_ids))
        self.succeed(connection, message, {"count": count})

    def on_cancel_all(self, connection: Connection, message: Message, params: Params) -> None:
        params.only("token")
        account = self.account_of_token(connection, params)
        self.succeed(connection, message, {"count": len(self.cancel_orders(account))})

    def on_cancel_after(self, connection: Connection, message: Message, params: Params) -> None:
        params.only("timeout", "token")
        account = self.account_of_token(connection, params)
        timeout_s = socket_integer(params, "timeout")
        if not 0 <= timeout_s <= MOST_TIMEOUT_S:
            raise Rejected(Reason.ILLEGAL, "timeout")
        self.succeed(connection, message, self.cancel_after(account, timeout_s))


def topic_of(channel: str, symbol: str = "", variant: str = "") -> str:
    return f"{channel}:{symbol}:{variant}"


def has_number(message: Message) -> bool:
    return "req_id" in message and isinstance(message.data["req_id"], int)


def has_row(rows: list[Row], row: Row) -> bool:
    """Raw numbers are compared as they are written."""
    text = msgspec.json.encode(row)
    return any(msgspec.json.encode(known) == text for known in rows)


def account_of(connection: Connection) -> Account:
    assert connection.account is not None, "an account's channel of nobody's"
    return connection.account


def cancelled_names(order: Order) -> Row:
    client_id = sent_client_id(order)
    named = {"cl_ord_id": client_id} if client_id else {}
    return {"order_id": order_id(order), **named}


def ticket_names(ticket: Ticket) -> Row:
    """What the client itself calls an order."""
    names: Row = {}
    if ticket.terms.client_id:
        names["cl_ord_id"] = ticket.terms.client_id
    if ticket.userref:
        names["order_userref"] = ticket.userref
    return names


def socket_integers(params: Params, name: str) -> list[int]:
    value = params.get(name, [])
    if not isinstance(value, list) or not all(type(each) is int for each in value):
        raise wrong_type(name, "array")
    return value


def numbered_frame(channel: str, frame_type: str, rows: list[Row], connection: Connection) -> Row:
    """A frame of an account's channel: each connection counts them."""
    connection.state[channel] = connection.state.get(channel, 0) + 1
    return {
        "channel": channel,
        "type": frame_type,
        "data": rows,
        "sequence": connection.state[channel],
    }
