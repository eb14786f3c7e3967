"""Bittrex from the venue's side. Source: the documentation of its API v3, and a recording of its socket (2021)."""

import asyncio
import json
import zlib
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from aiohttp import web

from trochil.sandbox.accounts import Account
from trochil.sandbox.dialect import Ask, Levels, Window, Wire, lookup, own, refusals, route, socket
from trochil.sandbox.facts import holdings, text
from trochil.sandbox.matching import Order
from trochil.sandbox.replay import Record, parse_json
from trochil.sandbox.server import Build, Connection, Server
from trochil.sandbox.shape import Facts, Made
from trochil.sandbox.signatures import digest, signature
from trochil.sandbox.venue import Event, Fill, Rejected

DEPTH, PAGE = 500, 200
KEEP_ALIVE_EVERY, LOGIN_LASTS, NOTICE = 10.0, 600.0, 60.0
TOKEN = "c2FuZGJveA/+sandbox=="
MARKET = """symbol=pair baseCurrencySymbol=base quoteCurrencySymbol=quote minTradeSize=least precision=#tick_places
    status=trading createdAt:2021-04-16T18:50:47.883Z prohibitedIn:=[] associatedTermsOfService:=[] tags:=[]"""
TICKER = "symbol=pair lastTradeRate=last bidRate=bid askRate=ask updatedAt=now_iso"
SUMMARY = "symbol=pair high=last low=last volume quoteVolume=quote_volume percentChange:0 updatedAt=now_iso"
TRADE = "id=trade executedAt=time_iso quantity=amount rate=price takerSide=SIDE"
ORDER = """id=order marketSymbol=pair direction=SIDE type=KIND quantity=amount limit=?price timeInForce=tif
    clientOrderId=client fillQuantity=filled commission proceeds=quote_filled status=state createdAt=created_iso
    updatedAt=updated_iso closedAt=?done_iso"""
EXECUTION = """id=trade marketSymbol=pair executedAt=time_iso quantity=fill_amount rate=fill_price orderId=order
    commission=fee isTaker=taker"""
BALANCE = "currencySymbol=asset total available=free updatedAt=now_iso"
TIFS = {"GTC": "GOOD_TIL_CANCELLED", "IOC": "IMMEDIATE_OR_CANCEL", "FOK": "FILL_OR_KILL"}
TIFS["post_only"] = "POST_ONLY_GOOD_TIL_CANCELLED"
OURS = {theirs: ours for ours, theirs in TIFS.items()}
ENDS, PRIVATE = ("filled", "cancelled", "expired"), ("order", "execution", "balance")


class Recorded:
    """Books of a recording: pushes of the socket, and answers with their Sequence."""

    def symbol(self, pair: str) -> str:
        return pair

    def records(self, time: float, said: str, url: str) -> Iterator[Record]:
        data = parse_json(said) or {}
        if "/orderbook?" in url:
            headers = json.loads(said.partition(" header: ")[2])
            yield Record(time, "snapshot", url.split("/")[5], said, {**data, "sequence": headers["Sequence"]})
        for push in data.get("M", ()) if not url else ():
            for packed in push["A"] if push["M"] in ("orderBook", "trade") else ():
                kind = "diff" if push["M"] == "orderBook" else "trade"
                content = json.loads(zlib.decompress(b64decode(packed), -15))
                yield Record(time, kind, content["marketSymbol"], json.dumps(data | {"M": [push]}), content)

    def levels(self, record: Record) -> tuple[list[list[str]], list[list[str]]]:
        names = ("bid", "ask") if record.kind == "snapshot" else ("bidDeltas", "askDeltas")
        bids, asks = ([[row["rate"], row["quantity"]] for row in record.data[name]] for name in names)
        return bids, asks

    def last_id(self, record: Record) -> int:
        return int(record.data["sequence"])


class Dialect(Wire):
    """Books of 500 levels, each message one above the last; a stream of its own for orders, executions, balances."""

    name = "bittrex"
    recordings = Recorded()
    window = DEPTH
    book_topic, trade_topic, trade_words = f"orderbook_{{}}_{DEPTH}", "trade_{}", f"marketSymbol=pair {TRADE}"
    fixed = {
        "GET /signalr/negotiate": {"Url": "/signalr", "ConnectionToken": TOKEN, "ProtocolVersion": "1.5"},
        "GET /signalr/start": {"Response": "started"},
        "GET /v3/currencies": [],
    }
    refusals = refusals("""
        unknown_symbol 404 MARKET_DOES_NOT_EXIST No such market
        market_closed 409 MARKET_OFFLINE The market is offline
        price_filter 400 RATE_PRECISION_NOT_ALLOWED Too many decimals
        lot_size 409 MIN_TRADE_REQUIREMENT_NOT_MET The quantity is too small
        notional 409 DUST_TRADE_DISALLOWED_MIN_VALUE The value is too small
        insufficient_balance 409 INSUFFICIENT_FUNDS Not enough
        duplicate_client_id 409 CLIENTORDERID_ALREADY_EXISTS {}
        would_take 409 POST_ONLY The order was cancelled
        unknown_order 404 ORDER_DOES_NOT_EXIST No such order
        not_open 409 ORDER_NOT_OPEN The order is closed
        illegal 400 BAD_REQUEST Illegal {}
        bad_key 401 APIKEY_INVALID No such key
        bad_signature 401 INVALID_SIGNATURE Wrong signature
        bad_time 401 INVALID_TIMESTAMP Too old
        unavailable 503 SERVICE_UNAVAILABLE Try later
        rate_limited 429 THROTTLED Too many calls""")
    words = {
        "state": {"new": "OPEN", "partially_filled": "OPEN"} | dict.fromkeys(ENDS, "CLOSED"),
        "trading": {True: "ONLINE", False: "OFFLINE"},
        "tif": TIFS,
    }
    lookups = (
        lookup("GET /v3/ping", "venue", "serverTime=#now_ms"),
        lookup("GET /v3/markets", "markets", MARKET),
        lookup("GET /v3/markets/tickers", "tickers", TICKER),
        lookup("GET /v3/markets/summaries", "tickers", SUMMARY),
        lookup("GET /v3/markets/{symbol}/ticker", "ticker", TICKER, pair="symbol"),
        lookup("GET /v3/markets/{symbol}/trades", "trades", TRADE, pair="symbol"),
        own("GET /v3/orders/open", "open_orders", ORDER, pair="marketSymbol"),
        own("GET /v3/orders/closed", "closed_orders", ORDER, pair="marketSymbol"),
        own("GET /v3/orders/{id}", "order", ORDER, id="id"),
        own("GET /v3/orders/{id}/executions", "fills", EXECUTION, order="id"),
        own(
            "GET /v3/executions", "executions", EXECUTION, pair="marketSymbol", page="nextPageToken", since="startDate"
        ),
        own("GET /v3/balances", "holdings", BALANCE),
        own("GET /v3/account/fees/trading/{symbol}", "venue", "makerRate=maker_fee takerRate=taker_fee"),
    )

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.venue.fee_in_quote = True
        self.venue.on_event.append(self._number)
        self._numbers: Counter[str] = Counter()
        self._told: list[tuple[str, Any]] = []
        for symbol in self.venue.symbols.values():
            symbol.size_step = Decimal("1E-8")

    def more(self, facts: Facts, thing: Any) -> Facts:
        order = thing if isinstance(thing, Order) else getattr(thing, "order", None)
        found: Facts = {"taker": not facts.get("maker")}
        if facts.get("trade_id"):
            found["trade"] = uuid(facts["trade_id"])
        if order is not None:
            fees = sum((fill.fee for fill in self.venue.fills if fill.order is order), Decimal(0))
            tif = "post_only" if facts["post_only"] else facts["tif"]
            found |= {"order": uuid(order.id), "commission": text(fees), "tif": tif}
        return found

    def refused(self, code: str, message: str) -> Any:
        known = {"id": message} if code == "CLIENTORDERID_ALREADY_EXISTS" else {}
        return {"code": code, "detail": message, "data": known}

    def verify(self, ask: Ask) -> Account:
        key, stamp, hashed, sign = (
            ask.header.get(f"Api-{name}", "") for name in ("Key", "Timestamp", "Content-Hash", "Signature")
        )
        if hashed != digest(ask.text, "sha512").hex():
            raise Rejected("bad_signature")
        payload = f"{stamp}{ask.request.scheme}://{ask.request.host}{ask.target}{ask.request.method}{hashed}"
        return self._signed(key, sign, payload, float(stamp or 0) / 1000)

    def _signed(self, key: str, sign: str, payload: str, seconds: float) -> Account:
        return self.signer(key, sign, lambda keys: signature(keys["api_secret"], payload, "sha512"), seconds)

    # What is found, and what is not any more.

    def find(self, account: Account, *, order_id: Any = None, client_id: Any = None) -> Order:
        order = super().find(account, order_id=UUID(order_id).int)
        if is_gone(order):
            raise Rejected("unknown_order")
        return order

    def find_closed_orders(self, account: Account, given: dict[str, Any]) -> list[Order]:
        found = [order for order in super().find_closed_orders(account, given) if not is_gone(order)]
        return found[::-1][:PAGE]

    def find_executions(self, account: Account, given: dict[str, Any]) -> list[Fill]:
        last = UUID(given["page"]).int if given["page"] else 1 << 128
        since = datetime.fromisoformat(given["since"]).timestamp() * 1e9 if given["since"] else 0
        found = self.fills_of(account, self.pair(given["pair"]))[::-1]
        return [fill for fill in found if fill.trade_id < last and fill.time >= since][:PAGE]

    @route("GET /v3/markets/{symbol}/orderbook", signed=False)
    def book(self, ask: Ask) -> Any:
        _, bids, asks, _, last = self.whole(self.pair(ask["symbol"]))
        depth, last = int(ask.get("depth", 25)), 1 if self.server.faults.hits("stale_snapshot") else last
        sides = {"bid": rated(bids[:depth]), "ask": rated(asks[:depth])}
        return web.json_response(sides, headers={"Sequence": str(last)})

    # Orders.

    @route("POST /v3/orders", kind="place")
    def take_order(self, ask: Ask, account: Account) -> Any:
        kind, tif, client = ask["type"].lower(), OURS[ask["timeInForce"]], str(UUID(ask["clientOrderId"]))
        if kind not in ("limit", "market") or (kind == "market" and tif not in ("IOC", "FOK")):
            raise Rejected("illegal", "type")
        for order in self.orders_of(account):
            if order.client_id == client:
                raise Rejected("duplicate_client_id", uuid(order.id))
        price = ask.number("limit") if kind == "limit" else None
        kind, tif = ("post_only", "GTC") if tif == "post_only" else (kind, tif)
        pair, side, amount = self.pair(ask["marketSymbol"]), ask["direction"].lower(), ask.number("quantity")
        placed = self.place(account, pair, side, kind, amount, price, tif=tif, client_id=client)
        return web.json_response(self.row(ORDER, placed), status=201)

    @route("DELETE /v3/orders/{id}", kind="cancel")
    def cancel_order(self, ask: Ask, account: Account) -> Any:
        order = self.find(account, order_id=ask["id"])
        if not order.is_open:
            raise Rejected("not_open")
        self.cancel(order)
        return self.row(ORDER, order)

    # The hub.

    def opened(self, connection: Connection) -> None:
        super().opened(connection)
        if connection.query.get("connectionToken") != TOKEN:
            self.server.disconnect([connection])
        self.tell(connection, {"C": "d-1", "S": 1, "M": []})
        self._keep_alive(connection)

    def _keep_alive(self, connection: Connection) -> None:
        if connection in self.server.connections:
            self.tell(connection, {})
            asyncio.get_running_loop().call_later(KEEP_ALIVE_EVERY, self._keep_alive, connection)

    @socket("/signalr/connect")
    def heard(self, connection: Connection, said: Any) -> None:
        match said:
            case {"M": "Subscribe" | "Unsubscribe" as method, "A": [names], "I": number}:
                result: Any = [self._subscribe(connection, name, method == "Subscribe") for name in names]
            case {"M": "Authenticate", "A": [key, stamp, content, sign], "I": number}:
                result = self._authenticate(connection, key, f"{stamp}{content}", sign.lower())
            case {"M": method, "I": number}:
                what = f'There was an error invoking Hub method "c3.{method}".'
                self.tell(connection, {"I": str(number), "E": what})
                return
            case _:
                return
        self.tell(connection, {"R": result, "I": str(number)})

    def _subscribe(self, connection: Connection, name: str, on: bool) -> Made:
        if name in PRIVATE and connection.account is None:
            return {"Success": False, "ErrorCode": "UNAUTHORIZED_USER"}
        self.follow(connection, name, on)
        return {"Success": True, "ErrorCode": None}

    def _authenticate(self, connection: Connection, key: str, payload: str, sign: str) -> Made:
        try:
            connection.account = self._signed(key, sign, payload, 0.0)
        except Rejected:
            return {"Success": False, "ErrorCode": "INVALID_APIKEY"}
        connection.state |= {"private": True, "login": payload}
        asyncio.get_running_loop().call_later(LOGIN_LASTS - NOTICE, self._warn, connection, payload)
        return {"Success": True, "ErrorCode": None}

    def terminate(self, connection: Connection) -> None:
        """The login runs out: announced, and over unless it is renewed."""
        self._warn(connection, connection.state["login"])

    def _warn(self, connection: Connection, login: str) -> None:
        if connection.state["login"] == login:
            self.tell(connection, push("authenticationExpiring"))
            asyncio.get_running_loop().call_later(NOTICE, self._expire, connection, login)

    def _expire(self, connection: Connection, login: str) -> None:
        if connection.state["login"] == login:
            connection.topics.difference_update(PRIVATE)

    def replayed(self, connection: Connection, record: Record) -> str | bytes | None:
        topic = self.book_topic if record.kind == "diff" else self.trade_topic
        return record.text if topic.format(record.symbol) in connection.topics else None

    def depth_changed(self, pair: str, first: int, last: int, bids: Levels, asks: Levels) -> None:
        """Each message is one above the one before."""
        before = 0 if self.server.faults.hits("sequence_reset") else self.whole(pair).last
        super().depth_changed(pair, first, before + 1, bids, asks)

    def book_frame(self, window: Window, now: int) -> Any:
        what: Made = {"marketSymbol": window.pair, "depth": DEPTH, "sequence": window.last}
        return push("orderBook", what | {"bidDeltas": rated(window.bids), "askDeltas": rated(window.asks)})

    def trade_frame(self, row: Made) -> Any:
        symbol = row.pop("marketSymbol")
        return push("trade", {"deltas": [row], "sequence": self._next(f"trade/{symbol}"), "marketSymbol": symbol})

    def _next(self, stream: str) -> int:
        self._numbers[stream] += 1
        return self._numbers[stream]

    def _number(self, event: Event) -> None:
        """What an event makes the account's streams say, numbered once for all its connections."""
        account, pair = event.order.account, event.order.symbol
        said: list[tuple[str, Made]] = [("order", {"delta": self.row(ORDER, event)})]
        if event.match is not None:
            said.append(("execution", {"deltas": self.rows(EXECUTION, [event])}))
        said += [("balance", {"delta": self.row(BALANCE, held)}) for held in holdings(account, *pair.split("-"))]
        self._told = [
            (name, {"accountId": account.name, "sequence": self._next(f"{account.name}/{name}")} | content)
            for name, content in said
        ]

    def user_frames(self, event: Event, connection: Connection) -> list[Build]:
        return [self.build(push(name, content)) for name, content in self._told if name in connection.topics]


def uuid(number: Any) -> str:
    return str(UUID(int=int(number)))


def is_gone(order: Order) -> bool:
    """What is cancelled without fills is not found any more."""
    return not order.is_open and not order.filled


def rated(levels: Levels) -> list[Made]:
    return [{"quantity": text(size), "rate": text(price)} for price, size in levels]


def push(name: str, *contents: Any) -> Made:
    """Contents travel as base64 of raw deflate."""
    packers = [(zlib.compressobj(wbits=-15), json.dumps(content).encode()) for content in contents]
    packed = [b64encode(packer.compress(said) + packer.flush()).decode() for packer, said in packers]
    return {"C": "d-1", "M": [{"H": "C3", "M": name, "A": packed}]}
