"""Kraken: its names, keys and refusals, and orders as both REST and the socket take them."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import BaseDialect, Row
from trochil.sandbox.dialects.kraken.requests import CLIENT_ID, MOST_NONCE, NONCE, Ticket
from trochil.sandbox.dialects.kraken.rows import (
    ORDER_ID,
    alternative_name,
    ledger_id_of,
    old_socket_name,
    order_text,
    pair_key,
    sent_client_id,
    whole_seconds,
)
from trochil.sandbox.market.accounts import ZERO, Account
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Params, Request
from trochil.sandbox.server import Server

MOST_CANDLES = 720
MOST_CANCELLED = 50
MOST_TIMEOUT_S = 86_400
LEAST_DEADLINE_S = 2.0
MOST_DEADLINE_S = 60.0
STALE_TOKEN = "stale_token"
"""A token for the socket that is unknown or was not used in time."""
LATE = "late"
"""The deadline that a client set has passed."""
UNDER_MINIMUM = "under_minimum"
UNKNOWN_ASSET = "unknown_asset"


class KrakenOrders(BaseDialect):
    """Names, keys and refusals, and what REST and the socket do alike with orders."""

    name = "kraken"
    foreign_clients = ("ccxt", "krakenex", "python-kraken-sdk")
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC")
    fee_in_quote = True
    secrets_are_base64 = True
    signing_params = ("nonce",)
    client_id_form = CLIENT_ID
    refusals: ClassVar[Mapping[str, Refusal]] = {
        Reason.UNKNOWN_SYMBOL: Refusal(200, "EQuery", "Unknown asset pair"),
        UNKNOWN_ASSET: Refusal(200, "EQuery", "Unknown asset"),
        Reason.MARKET_CLOSED: Refusal(200, "EService", "Market in cancel_only mode"),
        Reason.PRICE_FILTER: Refusal(200, "EOrder", "Invalid price"),
        Reason.LOT_SIZE: Refusal(200, "EGeneral", "Invalid arguments:volume"),
        UNDER_MINIMUM: Refusal(200, "EGeneral", "Invalid arguments:volume minimum not met"),
        Reason.NOTIONAL: Refusal(200, "EOrder", "Cost minimum not met"),
        Reason.INSUFFICIENT_BALANCE: Refusal(200, "EOrder", "Insufficient funds"),
        Reason.DUPLICATE_CLIENT_ID: Refusal(200, "EOrder", "Duplicate cl_ord_id"),
        Reason.WOULD_TAKE: Refusal(200, "EOrder", "Post only order"),
        Reason.UNKNOWN_ORDER: Refusal(200, "EOrder", "Unknown order"),
        LATE: Refusal(200, "EService", "Deadline elapsed"),
        Reason.ILLEGAL: Refusal(200, "EGeneral", "Invalid arguments:{}"),
        Reason.UNKNOWN_PATH: Refusal(404, "EGeneral", "Unknown method"),
        Reason.BAD_KEY: Refusal(200, "EAPI", "Invalid key"),
        Reason.BAD_SIGNATURE: Refusal(200, "EAPI", "Invalid signature"),
        Reason.BAD_TIME: Refusal(200, "EAPI", "Invalid nonce"),
        STALE_TOKEN: Refusal(200, "ESession", "Invalid session"),
        Reason.TIMEOUT: Refusal(200, "EService", "Timeout"),
        Reason.RATE_LIMITED: Refusal(200, "EAPI", "Rate limit exceeded"),
        Reason.BANNED: Refusal(200, "EService", " Throttled: {}"),
        Reason.UNAVAILABLE: Refusal(503, "EService", "Unavailable"),
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.tokens: dict[str, tuple[Account, float]] = {}
        """For the socket, with the time (s) by which each must be used."""
        self.userrefs: dict[int, int] = {}
        """Of orders, by the venue's own number of theirs."""
        self.placed_userref = 0
        """Of the order that is being placed."""
        self.timers: dict[str, int] = {}
        """By account: the number of the last CancelAllOrdersAfter."""

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "/")

    def aliases(self, pair: str) -> tuple[str, ...]:
        return (pair_key(pair), alternative_name(pair), old_socket_name(pair))

    def error_body(self, code: int | str, message: str, request: Request | None) -> Row:
        return {"error": [f"{code}:{message}"]}

    def ban_end(self, retry_after_s: int) -> str:
        return str(self.now_s() + retry_after_s)

    def result(self, body: Any) -> Row:
        return {"error": [], "result": body}

    def encode(self, connection: Connection, frame: Any) -> str | bytes:
        """Numbers keep the zeros that the rows write."""
        return frame if isinstance(frame, str | bytes) else msgspec.json.encode(frame).decode()

    def verify(self, request: Request) -> Account:
        """A key's nonces must grow; nothing else proves when a request was signed."""
        api_key = request.header("API-Key")
        if self.server.account_of_key(api_key) is None:
            raise Rejected(Reason.BAD_KEY)
        nonce = request.string("nonce", "")
        if not NONCE.fullmatch(nonce) or int(nonce) >= MOST_NONCE:
            raise Rejected(Reason.BAD_TIME)
        digest = hashlib.sha256(f"{nonce}{request.text}".encode()).digest()
        account = self.signing_account(
            api_key=api_key,
            signature=request.header("API-Sign"),
            payload=request.target.encode() + digest,
            algorithm="sha512",
            encoding="base64",
        )
        if int(nonce) <= self.numbers[api_key]:
            raise Rejected(Reason.BAD_TIME)
        self.numbers[api_key] = int(nonce)
        return account

    def assets(self) -> list[str]:
        return sorted({name for symbol in self.markets() for name in (symbol.base, symbol.quote)})

    # Orders, by REST and on the socket.

    def check_deadline(self, params: Params, least_s: float = LEAST_DEADLINE_S) -> None:
        """Raises Rejected for a deadline that has passed, and for one that is too near or far."""
        if "deadline" not in params:
            return
        if "T" not in params.string("deadline"):
            raise Rejected(Reason.ILLEGAL, "deadline")
        ahead_s = params.time_s("deadline") - self.server.now_ns() / 1e9
        if ahead_s <= 0:
            raise Rejected(LATE)
        if not least_s <= ahead_s <= MOST_DEADLINE_S:
            raise Rejected(Reason.ILLEGAL, "deadline")

    def check_ticket(self, account: Account, pair: str, ticket: Ticket) -> None:
        """Raises Rejected where ``place`` would; nothing is done."""
        if ZERO < ticket.size < self.venue.symbols[pair].size_step:
            raise Rejected(UNDER_MINIMUM)
        self.check_order(account, pair, ticket.terms)

    def place(self, account: Account, pair: str, ticket: Ticket) -> Order:
        """Its events, which come before it is returned, tell the client's number."""
        self.check_ticket(account, pair, ticket)
        self.placed_userref = ticket.userref
        try:
            return self.place_order(account, pair, ticket.terms)
        finally:
            self.placed_userref = 0

    def check_batch(self, account: Account, pair: str, tickets: list[Ticket]) -> None:
        """Raises Rejected for a batch of which any order is wrong. Whether the account can pay for
        each shows when it is placed."""
        for ticket in tickets:
            try:
                self.check_ticket(account, pair, ticket)
            except Rejected as refusal:
                if refusal.reason != Reason.INSUFFICIENT_BALANCE:
                    raise

    def place_batch(self, account: Account, pair: str, tickets: list[Ticket]) -> list[Order | str]:
        """Each order, or why it was refused."""
        placed: list[Order | str] = []
        for ticket in tickets:
            try:
                placed.append(self.place(account, pair, ticket))
            except Rejected as refusal:
                placed.append(self.words(refusal))
        return placed

    def words(self, refusal: Rejected) -> str:
        """EOrder:Insufficient funds."""
        known, text = self.refusal_of(refusal.reason, refusal.detail)
        return f"{known.code}:{text}"

    def description(self, pair: str, ticket: Ticket) -> Row:
        """What an order was understood as."""
        terms = ticket.terms
        symbol = self.venue.symbols[pair]
        return {"order": order_text(terms.side, ticket.size, terms.price, symbol)}

    def userref(self, order: Order) -> int:
        return self.userrefs.get(order.id, 0)

    def orders_named(self, account: Account, name: str) -> list[Order]:
        """The open orders that a cancellation names: by the venue's id, or all that have that
        number of the client's own. Raises Rejected: UNKNOWN_ORDER."""
        if ORDER_ID.fullmatch(name):
            order = self.find_order(
                account, order_id=ledger_id_of(name), otherwise=Reason.UNKNOWN_ORDER
            )
            found = [order] if order.is_open else []
        else:
            open_orders = self.orders_of(account, is_open=True)
            found = [order for order in open_orders if self.has_userref(order, name)]
        if not found:
            raise Rejected(Reason.UNKNOWN_ORDER)
        return found

    def has_userref(self, order: Order, name: str) -> bool:
        return name not in ("", "0") and str(self.userref(order)) == name

    def order_with_client_id(self, account: Account, client_id: str) -> Order:
        """The open one. Raises Rejected: UNKNOWN_ORDER."""
        order = self.find_order(account, client_id=client_id, otherwise=Reason.UNKNOWN_ORDER)
        if not order.is_open or sent_client_id(order) != client_id:
            raise Rejected(Reason.UNKNOWN_ORDER)
        return order

    def cancel_all_named(
        self, account: Account, names: Iterable[str], client_ids: Iterable[str]
    ) -> list[Order]:
        """Those that were cancelled. Raises Rejected, having cancelled none."""
        found: dict[int, Order] = {}
        for name in names:
            found |= {order.id: order for order in self.orders_named(account, name)}
        for client_id in client_ids:
            order = self.order_with_client_id(account, client_id)
            found[order.id] = order
        for order in found.values():
            self.venue.cancel(order, self.server.now_ns())
        return list(found.values())

    def cancel_after(self, account: Account, timeout_s: int) -> Row:
        """All open orders of the account end in so many seconds, unless this is asked for again; 0:
        never."""
        timer = self.count("cancel_all_orders_after")
        self.timers[account.name] = timer
        now_ns = self.server.now_ns()
        if timeout_s:
            self.server.call_later(timeout_s, self.on_timer, account, timer)
        trigger_time = whole_seconds(now_ns + timeout_s * 10**9) if timeout_s else "0"
        return {"currentTime": whole_seconds(now_ns), "triggerTime": trigger_time}

    def on_timer(self, account: Account, timer: int) -> None:
        if self.timers.get(account.name) == timer:
            self.cancel_orders(account)
