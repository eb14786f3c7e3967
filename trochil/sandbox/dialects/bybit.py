"""Bybit spot from the venue's side. Source: its v5 API documentation (unified trading account)."""

from typing import Any
from urllib.parse import quote

from aiohttp import web

from trochil.sandbox.accounts import Account
from trochil.sandbox.dialect import Ask, Levels, Window, Wire, lookup, own, refusals, route, rows, socket, under
from trochil.sandbox.facts import holdings, ms
from trochil.sandbox.server import Build, Connection, Server
from trochil.sandbox.shape import Facts, Made
from trochil.sandbox.signatures import signature
from trochil.sandbox.venue import Event, Rejected

INSTRUMENT = """symbol baseCoin=base quoteCoin=quote status=trading lotSizeFilter{basePrecision=step quotePrecision=tick
    minOrderQty=least maxOrderQty=most minOrderAmt=worth} priceFilter{tickSize=tick}"""
TICKER = """symbol lastPrice=last bid1Price=bid bid1Size=bid_size ask1Price=ask ask1Size=ask_size volume24h=volume
    turnover24h=quote_volume"""
TRADE = "execId=trade_id symbol price size=amount side=Side time=time_ms isBlockTrade:=false"
PUSHED = "T=#time_ms s=symbol S=Side v=amount p=price i=trade_id BT:=false RPI:=false seq=#trade_id"
ORDER = """category:spot symbol orderId=id orderLinkId=client side=Side orderType=Kind price qty=size marketUnit=unit
    timeInForce=tif orderStatus=state rejectReason:EC_NoError cumExecQty=filled cumExecValue=quote_filled
    avgPrice=average leavesQty=left createdTime=created_ms updatedTime=updated_ms"""
FILL = """category:spot symbol orderId=id orderLinkId=client side=Side execId=trade_id execPrice=fill_price
    execQty=fill_amount execValue=fill_value execFee=fee feeCurrency=fee_asset isMaker=maker execType:Trade
    execTime=time_ms leavesQty=left"""
NAMED, CLOSED = "orderId=id orderLinkId=client", ("cancelled", "expired")
COIN = "coin=asset walletBalance=total equity=total locked=held availableToWithdraw:"
STATES = {"new": "New", "partially_filled": "PartiallyFilled", "filled": "Filled"} | dict.fromkeys(CLOSED, "Cancelled")
DEPTHS, FEES = (50, 200, 1000), "symbol takerFeeRate=taker_fee makerFeeRate=maker_fee"
NAMES, WEEK = {"pair": "symbol", "id": "orderId", "client": "orderLinkId"}, 7 * 86_400_000
PRIVATE = ("order", "execution", "wallet")
listed = under("list")


class Dialect(Wire):
    """``orderbook.N`` numbers its frames; the answer to an order says that it was taken, no more."""

    name = "bybit"
    counts_frames = True
    trade_topic, trade_words = "publicTrade.{}", PUSHED
    private_paths = ("/v5/private",)
    fixed = {
        "GET /v5/user/query-api": {"uta": 1},
        "GET /v5/account/info": {"unifiedMarginStatus": 6},
        "GET /v5/asset/coin/query-info": {"rows": []},
    }
    refusals = refusals("""
        unknown_symbol 200 170121 Invalid symbol.
        price_filter 200 170134 Order price decimal too long.
        lot_size 200 170137 Order quantity decimal too long.
        notional 200 170140 Order value exceeded lower limit.
        insufficient_balance 200 170131 Insufficient balance.
        duplicate_client_id 200 170141 Duplicate clientOrderId.
        unknown_order 200 170213 Order does not exist.
        illegal 200 10001 Request parameter error: {}
        bad_key 200 10003 API key is invalid.
        bad_signature 200 10004 Error sign, please check your signature generation algorithm.
        bad_time 200 10002 invalid request, please check your server timestamp or recv_window param
        unavailable 503 10016 Server error.
        timeout 200 10000 Server Timeout
        rate_limited 200 10006 Too many visits. Exceeded the API Rate Limit.
        banned 403 10018 access too frequent""")
    words = {"state": STATES, "trading": {True: "Trading", False: "Closed"}}
    lookups = (
        lookup("GET /v5/market/time", "venue", "timeNano=now_ns"),
        lookup("GET /v5/market/instruments-info", "markets", INSTRUMENT, listed, pair="symbol"),
        lookup("GET /v5/market/tickers", "tickers", TICKER, listed, pair="symbol"),
        lookup("GET /v5/market/recent-trade", "trades", TRADE, listed, pair="symbol", limit="limit"),
        own("GET /v5/order/realtime", "open_orders", ORDER, listed, **NAMES),
        own("GET /v5/order/history", "closed_orders", ORDER, listed, **NAMES),
        own("GET /v5/account/fee-rate", "markets", FEES, listed, pair="symbol"),
        own("GET /v5/account/wallet-balance", "holdings", COIN, lambda coins: {"list": [{"coin": coins}]}),
    )

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.venue.post_only_cancels = True

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "")

    def more(self, facts: Facts, thing: Any) -> Facts:
        if "tif" not in facts:
            return {}
        market, in_quote = facts["kind"] == "market", facts["quote_amount"] != "0"
        unit = "" if not market else "quoteCoin" if in_quote else "baseCoin"
        tif = "PostOnly" if facts["post_only"] else "IOC" if market else facts["tif"]
        cut = facts["state"] in CLOSED and facts["filled"] != "0"
        state = "PartiallyFilledCanceled" if cut else facts["state"]
        return {"unit": unit, "tif": tif, "state": state, "size": facts["quote_amount" if in_quote else "amount"]}

    def refused(self, code: str, message: str) -> Any:
        return self.result({}) | {"retCode": int(code), "retMsg": message}

    def result(self, body: Any) -> Any:
        return {"retCode": 0, "retMsg": "OK", "result": body, "retExtInfo": {}, "time": ms(self.server.now_ns())}

    def error(self, why: str, detail: str = "", retry_after: int = 0) -> web.Response:
        answer = super().error(why, detail)
        if retry_after:
            answer.headers["X-Bapi-Limit-Reset-Timestamp"] = str(ms(self.server.now_ns()) + retry_after * 1000)
        return answer

    def verify(self, ask: Ask) -> Account:
        names = ("API-KEY", "SIGN", "TIMESTAMP", "RECV-WINDOW")
        key, sign, stamp, wait = (ask.header.get(f"X-BAPI-{name}", "") for name in names)
        payload, now = stamp + key + wait + (ask.text or ask.target.partition("?")[2]), ms(self.server.now_ns())
        account = self.signer(key, sign, lambda keys: signature(keys["api_secret"], payload))
        if not now - int(wait or 5000) <= int(stamp) < now + 1000:
            raise Rejected("bad_time")
        return account

    @route("GET /v5/market/orderbook", signed=False)
    def orderbook(self, ask: Ask) -> Any:
        pair, bids, asks, *ids = self.whole(self.pair(ask["symbol"]), DEPTHS[-1])
        depth = int(ask.get("limit") or 1)
        return self._book(Window(pair, bids[:depth], asks[:depth], *ids)) | {"ts": ms(self.server.now_ns())}

    def _book(self, window: Window) -> Made:
        symbol, bids, asks = self.symbol(window.pair), rows(window.bids), rows(window.asks)
        return {"s": symbol, "b": bids, "a": asks, "u": window.last, "seq": self.server.book(window.pair).update_id}

    @route("POST /v5/order/create", kind="place")
    def create(self, ask: Ask, account: Account) -> Any:
        side, market, pair = ask["side"].lower(), ask["orderType"] == "Market", self.pair(ask["symbol"])
        unit = ask.get("marketUnit") or ("quoteCoin" if side == "buy" else "baseCoin")
        tif = "market" if market else (ask.get("timeInForce") or "GTC").replace("PostOnly", "post_only")
        terms = {"client_id": ask.get("orderLinkId"), "in_quote": market and unit == "quoteCoin"}
        price = None if market else ask.number("price")
        return self.row(NAMED, self.take(account, pair, side, ask.number("qty"), price, tif=tif, **terms))

    @route("POST /v5/order/cancel", kind="cancel")
    def drop(self, ask: Ask, account: Account) -> Any:
        order = self.find(account, order_id=ask.get("orderId"), client_id=ask.get("orderLinkId"))
        self.cancel(order)
        return self.row(NAMED, order)

    @route("GET /v5/execution/list")
    def executions(self, ask: Ask, account: Account) -> Any:
        since = int(ask.get("startTime") or 0)
        given = {"since": since, "until": ask.get("endTime") or (since and since + WEEK)}
        given |= {"pair": ask.get("symbol"), "order": ask.get("orderId"), "limit": ask.get("limit") or 50}
        given |= {"before": ask.get("cursor").partition(":")[0]}
        found = self.rows(FILL, self.find_fills_down(account, given))
        return {"list": found, "nextPageCursor": quote(f"{found[-1]['execId']}:1", safe="") if found else ""}

    @socket("/v5/public/spot", "/v5/private")
    def heard(self, connection: Connection, said: Any) -> None:
        op, args, private = said["op"], said.get("args", []), connection.state["private"]
        done = {"success": True, "ret_msg": "", "conn_id": "1", "req_id": said.get("req_id", ""), "op": op}
        wrong = [topic for topic in args if op == "subscribe" and not self._offers(connection, topic)]
        if op == "ping":
            done |= {"op": "pong", "args": [str(ms(self.server.now_ns()))]} if private else {"ret_msg": "pong"}
        elif op == "auth":
            done |= self._login(connection, *args)
        elif wrong:
            done |= {"success": False, "ret_msg": f"Invalid topic: {wrong}"}
        self.tell(connection, done)
        if op in ("subscribe", "unsubscribe") and not wrong:
            for topic in args:
                self._follow(connection, topic, op == "subscribe")

    def _offers(self, connection: Connection, topic: str) -> bool:
        if connection.state["private"]:
            return connection.account is not None and topic.partition(".")[0] in PRIVATE
        return topic.rpartition(".")[2] in map(self.symbol, self.venue.symbols)

    def _login(self, connection: Connection, key: str, expires: int, sign: str) -> Made:
        try:
            made = f"GET/realtime{expires}"
            connection.account = self.signer(key, sign, lambda keys: signature(keys["api_secret"], made))
        except Rejected as refusal:
            return {"success": False, "ret_msg": self.refusals[refusal.why][2]}
        return {}

    def _follow(self, connection: Connection, topic: str, on: bool) -> None:
        if on and topic.startswith("orderbook"):
            _, depth, symbol = topic.split(".")
            self.tell(connection, self._push(topic, self.whole(self.pair(symbol), int(depth))))
        self.follow(connection, topic, on)

    def _push(self, topic: str, window: Window) -> Any:
        data, kind = self._book(window), "delta" if window.before else "snapshot"
        return lambda now: {"topic": topic, "type": kind, "ts": ms(now), "data": data, "cts": ms(now)}

    def depth_changed(self, pair: str, first: int, last: int, bids: Levels, asks: Levels) -> None:
        for depth in DEPTHS:
            topic = f"orderbook.{depth}.{self.symbol(pair)}"
            if self.anyone_follows(topic):
                self.publish(topic, self._push(topic, self.change(pair, last, depth)))
            else:
                self.forget(pair, depth)

    def trade_frame(self, row: Made) -> Any:
        return {"topic": f"publicTrade.{row['s']}", "type": "snapshot", "ts": row["T"], "data": [row]}

    def user_frames(self, event: Event, connection: Connection) -> list[Build]:
        coins = self.rows(COIN, holdings(event.order.account))
        data = {"execution": self.rows(FILL, [event]) if event.match else [], "order": self.rows(ORDER, [event])}
        data |= {"wallet": [{"accountType": "UNIFIED", "coin": coins}]}
        told = [(topic, data[kind]) for topic in connection.topics if (kind := topic.partition(".")[0]) in data]
        stamp = ms(event.time)
        return [self.build({"topic": topic, "creationTime": stamp, "data": rows}) for topic, rows in told if rows]
