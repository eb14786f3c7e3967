"""OKX spot from the venue's side. Source: its API v5 documentation."""

from datetime import datetime
from typing import Any

from trochil.sandbox.accounts import ZERO, Account
from trochil.sandbox.dialect import Ask, Levels, Window, Wire, alone, lookup, own, refusals, route, rows, socket
from trochil.sandbox.facts import holdings, ms
from trochil.sandbox.server import Build, Connection, Server
from trochil.sandbox.shape import Facts, Made
from trochil.sandbox.signatures import signature
from trochil.sandbox.venue import Event, Rejected

INSTRUMENT = """instId=pair baseCcy=base quoteCcy=quote instType:SPOT tickSz=tick lotSz=step minSz=least maxLmtSz=most
    state=trading"""
TICKER = "instId=pair instType:SPOT last bidPx=bid askPx=ask vol24h=volume volCcy24h=quote_volume ts=now_ms"
FILLS = {"pair": "instId", "order": "ordId", "since": "begin", "limit": "limit"}
TRADE = "instId=pair tradeId=trade_id px=price sz=amount side ts=time_ms"
ORDER = """instId=pair instType:SPOT ordId=id clOrdId=client side px=price sz=amount accFillSz=filled avgPx=average
    cTime=created_ms uTime=updated_ms state ordType=type tradeId:"""
FILL = """instId=pair ordId=id clOrdId=client side tradeId=trade_id fillPx=fill_price fillSz=fill_amount ts=time_ms
    fee=minus_fee feeCcy=fee_asset fillTime=time_ms billId=trade_id execType=role"""
EVENT = f"""{ORDER} tradeId=trade_id fillPx=fill_price fillSz=fill_amount fillFee=minus_fee fillFeeCcy=fee_asset
    fillTime=time_ms execType=role"""
DETAIL = "ccy=asset cashBal=total eq=total availBal=free frozenBal=held ordFrozen=held"
ACK = "ordId=id clOrdId=client tag: sCode:0 sMsg:"


class Dialect(Wire):
    """``books`` of 400 levels; each frame names the sequence id of the one before."""

    name = "okx"
    window = 400
    book_topic, trade_topic, trade_words = "books:{}", "trades:{}", TRADE
    key_fields = ("passphrase",)
    private_paths = ("/ws/v5/private",)
    fixed = {"GET /api/v5/asset/currencies": []}
    refusals = refusals("""
        unknown_symbol 200 51001 Instrument ID does not exist
        price_filter 200 51006 Order price is not within the price limit
        lot_size 200 51121 Order quantity must be a multiple of the lot size
        notional 200 51020 Your order should meet or exceed the minimum order amount
        insufficient_balance 200 51008 Order failed. Insufficient balance
        duplicate_client_id 200 51016 Client order ID already exists
        unknown_order 200 51400 Cancellation failed as the order does not exist
        no_such_order 200 51603 Order does not exist
        illegal 200 51000 Parameter {} error
        bad_key 401 50111 Invalid OK-ACCESS-KEY
        bad_signature 401 50113 Invalid Sign
        bad_time 401 50102 Timestamp request expired
        unavailable 503 50001 Service temporarily unavailable
        timeout 200 50004 Endpoint request timeout (does not indicate success or failure of order)
        rate_limited 429 50011 Requests too frequent""")
    words = {
        "state": {"new": "live", "expired": "canceled", "cancelled": "canceled"},
        "trading": {True: "live", False: "suspend"},
        "role": {"maker": "M", "taker": "T"},
    }
    lookups = (
        lookup("GET /api/v5/public/time", "venue", "ts=now_ms", alone),
        lookup("GET /api/v5/public/instruments", "markets", INSTRUMENT),
        lookup("GET /api/v5/market/tickers", "tickers", TICKER),
        lookup("GET /api/v5/market/ticker", "tickers", TICKER, pair="instId"),
        lookup("GET /api/v5/market/trades", "trades", TRADE, pair="instId", limit="limit"),
        own("GET /api/v5/trade/order", "order", ORDER, alone, id="ordId", client="clOrdId"),
        own("GET /api/v5/trade/orders-pending", "open_orders", ORDER, pair="instId"),
        own("GET /api/v5/trade/orders-history", "closed_orders", ORDER, pair="instId"),
        own("GET /api/v5/trade/fills", "fills_down", FILL, None, **FILLS),
        own("GET /api/v5/trade/fills-history", "fills_down", FILL, None, **FILLS),
        own("GET /api/v5/account/trade-fee", "venue", "maker=minus_maker taker=minus_taker", alone),
        own("GET /api/v5/account/balance", "holdings", DETAIL, lambda details: [{"details": details}]),
    )

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.venue.post_only_cancels = True

    def more(self, facts: Facts, thing: Any) -> Facts:
        kind = facts.get("tif", "GTC").lower().replace("gtc", "limit")
        kind = "post_only" if facts.get("post_only") else "market" if facts.get("kind") == "market" else kind
        return {"type": kind, "minus_maker": f"-{facts['maker_fee']}", "minus_taker": f"-{facts['taker_fee']}"}

    def refused(self, code: str, message: str) -> Any:
        if not code.startswith("51"):
            return {"code": code, "msg": message, "data": []}
        of_order = {"ordId": "", "clOrdId": "", "sCode": code, "sMsg": message}
        return {"code": "1", "msg": "All operations failed", "data": [of_order]}

    def result(self, body: Any) -> Any:
        return {"code": "0", "msg": "", "data": body}

    def verify(self, ask: Ask) -> Account:
        key, sign, phrase, stamp = (
            ask.header.get(f"OK-ACCESS-{name}", "") for name in ("KEY", "SIGN", "PASSPHRASE", "TIMESTAMP")
        )
        seconds = datetime.fromisoformat(stamp).timestamp() if stamp else 0.0
        return self._signed(key, sign, phrase, stamp + ask.request.method + ask.target + ask.text, seconds)

    def _signed(self, key: str, sign: str, phrase: str, payload: str, seconds: float) -> Account:
        account = self.signer(
            key, sign, lambda keys: signature(keys["api_secret"], payload, encoding="base64"), seconds
        )
        if phrase != account.keys["passphrase"]:
            raise Rejected("bad_key")
        return account

    @route("GET /api/v5/market/books", signed=False)
    def books(self, ask: Ask) -> Any:
        _, bids, asks, _, last = self.whole(self.pair(ask["instId"]))
        depth = int(ask.get("sz") or 1)
        return [{"bids": wide(bids[:depth]), "asks": wide(asks[:depth]), "seqId": last} | self.row("ts=now_ms")]

    @route("POST /api/v5/trade/order", "POST /api/v5/trade/batch-orders", kind="place")
    def take_order(self, ask: Ask, account: Account) -> Any:
        if isinstance(ask.body, list):
            ask.params = ask.body[0]
        kind, side, size = ask["ordType"], ask["side"], ask.number("sz")
        unit = ask.get("tgtCcy") or ("quote_ccy" if side == "buy" else "base_ccy")
        in_quote = kind == "market" and unit == "quote_ccy"
        price = None if kind == "market" else ask.number("px")
        type = kind if kind in ("market", "post_only") else "limit"
        tif, quote = {"ioc": "IOC", "fok": "FOK"}.get(kind, "GTC"), size if in_quote else None
        terms = {"tif": tif, "client_id": ask.get("clOrdId"), "quote_amount": quote}
        order = self.place(account, self.pair(ask["instId"]), side, type, ZERO if in_quote else size, price, **terms)
        return self.rows(ACK, [order])

    @route("POST /api/v5/trade/cancel-order", "POST /api/v5/trade/cancel-batch-orders", kind="cancel")
    def cancel_orders(self, ask: Ask, account: Account) -> Any:
        given = ask.body if isinstance(ask.body, list) else [ask.body]
        orders = [self.find(account, order_id=e.get("ordId"), client_id=e.get("clOrdId")) for e in given]
        for order in orders:
            self.cancel(order)
        return self.rows(ACK, orders)

    @socket("/ws/v5/public", "/ws/v5/private", "/ws/v5/business")
    def heard(self, connection: Connection, said: Any) -> None:
        if said == "ping":
            self.tell(connection, "pong")
        elif said["op"] == "login":
            self._login(connection, **said["args"][0])
        else:
            for arg in said["args"]:
                self._subscribe(connection, said["op"], arg)

    def _login(self, connection: Connection, apiKey: str, passphrase: str, timestamp: Any, sign: str) -> None:
        payload, answer = f"{timestamp}GET/users/self/verify", {"event": "login", "code": "0", "msg": ""}
        try:
            connection.account = self._signed(apiKey, sign, passphrase, payload, float(timestamp))
        except Rejected:
            answer = {"event": "error", "code": "60009", "msg": "Login failed."}
        self.tell(connection, answer)

    def _subscribe(self, connection: Connection, op: str, arg: dict[str, str]) -> None:
        if arg["channel"] in ("orders", "account") and connection.account is None:
            self.tell(connection, {"event": "error", "code": "60011", "msg": "Please log in."})
            return
        self.follow(connection, f"{arg['channel']}:{arg.get('instId', '')}", op == "subscribe")
        self.tell(connection, {"event": op, "arg": arg})
        if op == "subscribe" and arg["channel"] == "books":
            whole = self.whole(arg["instId"])
            self.tell(connection, lambda now: self.book_frame(whole, now))

    def book_frame(self, window: Window, now: int) -> Any:
        pair, bids, asks, before, last = window
        data = {"asks": wide(asks), "bids": wide(bids), "ts": str(ms(now)), "checksum": 0, "seqId": last}
        action, data["prevSeqId"] = ("update", before) if before else ("snapshot", -1)
        return {"arg": {"channel": "books", "instId": pair}, "action": action, "data": [data]}

    def trade_frame(self, row: Made) -> Any:
        return {"arg": {"channel": "trades", "instId": row["instId"]}, "data": [row]}

    def user_frames(self, event: Event, connection: Connection) -> list[Build]:
        orders = {"arg": {"channel": "orders", "instType": "SPOT"}, "data": self.rows(EVENT, [event])}
        details = [{"details": self.rows(DETAIL, holdings(event.order.account))}]
        return [self.build(orders), self.build({"arg": {"channel": "account"}, "data": details})]


def wide(levels: Levels) -> list[list[str]]:
    return [[*row, "0", "1"] for row in rows(levels)]
