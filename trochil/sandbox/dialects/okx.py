"""OKX spot from the venue's side. Source: its API v5 documentation."""

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any

from trochil.sandbox.accounts import ZERO, Account
from trochil.sandbox.dialect import Ask, Levels, Wire, refusals, route, rows, socket
from trochil.sandbox.facts import (
    Facts,
    event_facts,
    fill_facts,
    holding_facts,
    market_facts,
    match_facts,
    ms,
    order_facts,
    shape,
    symbol_facts,
)
from trochil.sandbox.matching import Match, Order
from trochil.sandbox.server import Build, Connection, Server
from trochil.sandbox.venue import Event, Rejected

REFUSALS = refusals("""
    unknown_symbol 200 51001 Instrument ID does not exist
    market_closed 200 51024 Trading is blocked
    price_filter 200 51006 Order price is not within the price limit
    lot_size 200 51121 Order quantity must be a multiple of the lot size
    notional 200 51020 Your order should meet or exceed the minimum order amount
    insufficient_balance 200 51008 Order failed. Insufficient balance
    duplicate_client_id 200 51016 Client order ID already exists
    unknown_order 200 51400 Cancellation failed as the order does not exist
    no_key 401 50103 Request header OK-ACCESS-KEY cannot be empty
    bad_key 401 50111 Invalid OK-ACCESS-KEY
    bad_signature 401 50113 Invalid Sign
    bad_time 401 50102 Timestamp request expired
    unavailable 503 50001 Service temporarily unavailable
    timeout 200 50004 Endpoint request timeout (does not indicate success or failure of order)
    rate_limited 429 50011 Requests too frequent
    banned 429 50011 Requests too frequent""")
STATES = {"new": "live", "expired": "canceled", "cancelled": "canceled"}
INSTRUMENT = "instId=pair baseCcy=base quoteCcy=quote instType:SPOT tickSz=tick lotSz=step minSz=least maxLmtSz=most"
TICKER = "instId=pair instType:SPOT last bidPx=bid askPx=ask vol24h=volume volCcy24h=quote_volume open24h=last"
TRADE = "instId=pair tradeId=trade_id px=price sz=amount side ts=time_ms"
ORDER = "instId=pair instType:SPOT ordId=id clOrdId=client side px=price sz=amount accFillSz=filled avgPx=average"
FILL = "instId=pair ordId=id clOrdId=client side tradeId=trade_id fillPx=fill_price fillSz=fill_amount ts=time_ms"
EVENT = "tradeId=trade_id fillPx=fill_price fillSz=fill_amount fillFee=minus_fee fillFeeCcy=fee_asset fillTime=time_ms"
DETAIL = "ccy=asset cashBal=total eq=total availBal=free frozenBal=held ordFrozen=held"
ACK = "ordId=id clOrdId=client tag: sCode:0 sMsg:"


class Dialect(Wire):
    """``books`` of 400 levels; each frame names the sequence id of the one before."""

    name = "okx"
    window = 400

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.venue.post_only_cancels = True
        self._sent: dict[str, int] = {}

    def new_keys(self, name: str) -> dict[str, str]:
        return super().new_keys(name) | {"passphrase": f"pass-{name}"}

    def refusal(self, why: str, detail: str) -> tuple[int, Any]:
        status, code, message = REFUSALS.get(why, (200, "51000", f"Parameter {detail} error"))
        if not code.startswith("51"):
            return status, {"code": code, "msg": message, "data": []}
        of_order = {"ordId": "", "clOrdId": "", "sCode": code, "sMsg": message}
        return status, {"code": "1", "msg": "All operations failed", "data": [of_order]}

    def result(self, body: Any) -> Any:
        return {"code": "0", "msg": "", "data": body}

    def verify(self, ask: Ask) -> Account:
        given = {name: ask.header.get(f"OK-ACCESS-{name.upper()}", "") for name in ("key", "sign", "passphrase")}
        stamp = ask.header.get("OK-ACCESS-TIMESTAMP", "1970-01-01T00:00:00Z")
        time = datetime.fromisoformat(stamp).timestamp()
        return self._check(given, stamp, ask.request.method + ask.target + ask.text, time)

    def _check(self, given: dict[str, str], stamp: str, payload: str, time: float) -> Account:
        account = self.server.account_of_key(given["key"])
        if account is None or given["passphrase"] != account.keys["passphrase"]:
            raise Rejected("bad_key" if given["key"] else "no_key")
        digest = hmac.new(account.keys["api_secret"].encode(), (stamp + payload).encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(base64.b64encode(digest).decode(), given["sign"]):
            raise Rejected("bad_signature")
        if abs(time - self.server.now_ns() / 1e9) > 30:
            raise Rejected("bad_time")
        return account

    @route("GET /api/v5/public/time", signed=False)
    def time(self, ask: Ask) -> Any:
        return [{"ts": str(ms(self.server.now_ns()))}]

    @route("GET /api/v5/public/instruments", signed=False)
    def instruments(self, ask: Ask) -> Any:
        found = self.listed() if ask.get("instType") == "SPOT" else iter(())
        return [
            shape(INSTRUMENT, symbol_facts(symbol)) | {"state": "live" if symbol.trading else "suspend"}
            for symbol in found
        ]

    @route("GET /api/v5/market/tickers", "GET /api/v5/market/ticker", signed=False)
    def tickers(self, ask: Ask) -> Any:
        wanted = [symbol.pair for symbol in self.listed() if ask.get("instId") in ("", symbol.pair)]
        return [shape(TICKER, market_facts(self.venue, pair)) | self.time(ask)[0] for pair in wanted]

    @route("GET /api/v5/market/books", signed=False)
    def books(self, ask: Ask) -> Any:
        return [self._book(self.pair(ask["instId"]), int(ask.get("sz") or 1)) | self.time(ask)[0]]

    def _book(self, pair: str, depth: int) -> dict[str, Any]:
        bids, asks = self.image(pair)
        return {"asks": wide(asks[:depth]), "bids": wide(bids[:depth]), "seqId": self._sent.get(pair, 1)}

    @route("GET /api/v5/market/trades", signed=False)
    def trades(self, ask: Ask) -> Any:
        return [shape(TRADE, match_facts(match)) for match in reversed(self.recent.get(self.pair(ask["instId"]), []))]

    @route("POST /api/v5/trade/order", kind="place")
    def take_order(self, ask: Ask, account: Account) -> Any:
        kind, side, size = ask["ordType"], ask["side"], ask.number("sz")
        unit = ask.get("tgtCcy") or ("quote_ccy" if side == "buy" else "base_ccy")
        in_quote = kind == "market" and unit == "quote_ccy"
        price = None if kind == "market" else ask.number("px")
        type = kind if kind in ("market", "post_only") else "limit"
        tif, quote = {"ioc": "IOC", "fok": "FOK"}.get(kind, "GTC"), size if in_quote else None
        terms = {"tif": tif, "client_id": ask.get("clOrdId"), "quote_amount": quote}
        order = self.place(account, self.pair(ask["instId"]), side, type, ZERO if in_quote else size, price, **terms)
        return [shape(ACK, order_facts(order))]

    @route("POST /api/v5/trade/cancel-order", "POST /api/v5/trade/cancel-batch-orders", kind="cancel")
    def cancel_orders(self, ask: Ask, account: Account) -> Any:
        orders = [self._named(entry, account) for entry in (ask.body if isinstance(ask.body, list) else [ask.body])]
        for order in orders:
            self.cancel(order)
        return [shape(ACK, order_facts(order)) for order in orders]

    def _named(self, given: dict[str, Any], account: Account) -> Order:
        return self.find(account, order_id=given.get("ordId"), client_id=given.get("clOrdId"))

    @route("GET /api/v5/trade/order")
    def status(self, ask: Ask, account: Account) -> Any:
        return [order_row(order_facts(self._named(ask.params, account)))]

    @route("GET /api/v5/trade/orders-pending", "GET /api/v5/trade/orders-history")
    def orders(self, ask: Ask, account: Account) -> Any:
        pending = ask.request.path.endswith("pending")
        found = self.orders_of(account, ask.get("instId") or None)
        return [order_row(order_facts(order)) for order in found if order.is_open == pending]

    @route("GET /api/v5/trade/fills", "GET /api/v5/trade/fills-history")
    def fills(self, ask: Ask, account: Account) -> Any:
        order = self.find(account, order_id=ask["ordId"]) if ask.get("ordId") else None
        first, begin = int(ask.get("before") or 0), int(ask.get("begin") or 0) * 1_000_000
        found = self.fills_of(account, ask.get("instId") or None, order)
        wanted = [fill for fill in found if fill.trade_id > first and fill.time >= begin]
        words = f"{FILL} fee=minus_fee feeCcy=fee_asset fillTime=time_ms billId=trade_id"
        rows = [shape(words, fill_facts(f)) | {"execType": "M" if f.is_maker else "T"} for f in reversed(wanted)]
        return rows[-int(ask.get("limit") or 100) :]

    @route("GET /api/v5/account/balance")
    def balance(self, ask: Ask, account: Account) -> Any:
        return [{"details": [shape(DETAIL, facts) for facts in holding_facts(account)]}]

    @route("GET /api/v5/account/trade-fee")
    def fees(self, ask: Ask, account: Account) -> Any:
        return [{"maker": str(-self.venue.maker_fee), "taker": str(-self.venue.taker_fee), "instType": "SPOT"}]

    @route("GET /api/v5/asset/currencies")
    def currencies(self, ask: Ask, account: Account) -> Any:
        return []

    @socket("/ws/v5/public", "/ws/v5/private", "/ws/v5/business")
    def heard(self, connection: Connection, said: Any) -> None:
        if said == "ping":
            self.tell(connection, "pong")
        elif said["op"] == "login":
            self._login(connection, said["args"][0])
        else:
            for arg in said["args"]:
                self._subscribe(connection, said["op"], arg)

    def _login(self, connection: Connection, arg: dict[str, Any]) -> None:
        given = {"key": arg["apiKey"], "sign": arg["sign"], "passphrase": arg["passphrase"]}
        stamp = str(arg["timestamp"])
        try:
            connection.account = self._check(given, stamp, "GET/users/self/verify", float(stamp))
        except Rejected:
            self.tell(connection, {"event": "error", "code": "60009", "msg": "Login failed.", "connId": "1"})
            return
        self.tell(connection, {"event": "login", "code": "0", "msg": "", "connId": "1"})

    def _subscribe(self, connection: Connection, op: str, arg: dict[str, str]) -> None:
        if arg["channel"] in ("orders", "account") and connection.account is None:
            self.tell(connection, {"event": "error", "code": "60011", "msg": "Please log in.", "connId": "1"})
            return
        change = connection.topics.add if op == "subscribe" else connection.topics.discard
        change(f"{arg['channel']}:{arg.get('instId', '')}")
        self.tell(connection, {"event": op, "arg": arg, "connId": "1"})
        if op == "subscribe" and arg["channel"] == "books":
            self.tell(connection, self._push(arg["instId"], self._book(arg["instId"], 400), "snapshot", -1))

    def _push(self, pair: str, book: dict[str, Any], action: str, before: int) -> Any:
        arg, data = {"channel": "books", "instId": pair}, book | {"checksum": 0, "prevSeqId": before}
        return lambda now: {"arg": arg, "action": action, "data": [data | {"ts": str(ms(now))}]}

    def depth_changed(self, pair: str, first: int, last: int, bids: Levels, asks: Levels) -> None:
        bids, asks = self.window_changes(pair)
        before, self._sent[pair] = self._sent.get(pair, 1), last
        book = {"asks": wide(asks), "bids": wide(bids), "seqId": last}
        self.publish(f"books:{pair}", self._push(pair, book, "update", before))

    def traded(self, match: Match) -> None:
        super().traded(match)
        arg = {"channel": "trades", "instId": match.maker.symbol}
        self.publish(f"trades:{match.maker.symbol}", {"arg": arg, "data": [shape(TRADE, match_facts(match))]})

    def user_frames(self, event: Event, connection: Connection) -> list[Build]:
        facts = event_facts(event)
        order = order_row(facts) | shape(EVENT, facts) | {"execType": facts["role"][0].upper()}
        details = [shape(DETAIL, held) for held in holding_facts(event.order.account)]
        orders = {"arg": {"channel": "orders", "instType": "SPOT"}, "data": [order]}
        return [self.build(orders), self.build({"arg": {"channel": "account"}, "data": [{"details": details}]})]


def wide(levels: Levels) -> list[list[str]]:
    return [[*row, "0", "1"] for row in rows(levels)]


def order_row(facts: Facts) -> dict[str, Any]:
    kind = "limit" if facts["tif"] == "GTC" else facts["tif"].lower()
    kind = "post_only" if facts["post_only"] else "market" if facts["kind"] == "market" else kind
    row = shape(f"{ORDER} cTime=created_ms uTime=updated_ms", facts)
    return row | {"state": STATES.get(facts["state"], facts["state"]), "ordType": kind, "tradeId": ""}
