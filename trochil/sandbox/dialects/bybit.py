"""Bybit spot from the venue's side. Source: its v5 API documentation (unified trading account)."""

from trochil.sandbox import dialect as d
from trochil.sandbox.dialect import Any, lookup, own

INSTRUMENT = """symbol baseCoin=base quoteCoin=quote status=trading lotSizeFilter{basePrecision=step quotePrecision=tick
    minOrderQty=least maxOrderQty=most minOrderAmt=worth} priceFilter{tickSize=tick}"""
TICKER = """symbol lastPrice=last bid1Price=bid bid1Size=bid_size ask1Price=ask ask1Size=ask_size volume24h=volume
    turnover24h=quote_volume"""
TRADE = "execId=trade_id symbol price size=amount side=Side time=time_ms isBlockTrade:=false"
PUSHED = "T=#time_ms s=symbol S=Side v=amount p=price i=trade_id BT:=false RPI:=false seq=#trade_id"
BOOK = "s=symbol b=bids a=asks u=#last seq=#last"
ORDER = """category:spot symbol orderId=id orderLinkId=client side=Side orderType=Kind price qty=size marketUnit=unit
    timeInForce=terms orderStatus=outcome rejectReason:EC_NoError cumExecQty=filled cumExecValue=quote_filled
    avgPrice=average leavesQty=left createdTime=created_ms updatedTime=updated_ms"""
FILL = """category:spot symbol orderId=id orderLinkId=client side=Side execId=trade_id execPrice=fill_price
    execQty=fill_amount execValue=fill_value execFee=fee feeCurrency=fee_asset isMaker=maker execType:Trade
    execTime=time_ms leavesQty=left"""
COIN = "coin=asset walletBalance=total equity=total locked=held availableToWithdraw:"
STATES = {
    "new": "New",
    "filled": "Filled",
    "partially_filled": "PartiallyFilled",
    "cut": "PartiallyFilledCanceled",
}
NAMES = {"pair": "symbol", "id": "orderId", "client": "orderLinkId"}
FILLS = {
    "pair": "symbol",
    "order": "orderId",
    "since": "startTime",
    "until": "endTime",
    "before": "cursor",
}
PLACED = {"kind": "orderType", "tif": "timeInForce", "size": "qty", "unit": "marketUnit"} | {
    n: n for n in ("side", "price")
}
ACK, FEES = "orderId=id orderLinkId=client", "symbol takerFeeRate=taker_fee makerFeeRate=maker_fee"
WALLET, listed = f"accountType:UNIFIED coin=purse[{COIN}]", d.under("list")


def paged(rows: list[d.Made]) -> d.Made:
    """A page names its last row, percent-encoded; so does the last page."""
    return {"list": rows, "nextPageCursor": f"{rows[-1]['execId']}%3A2" if rows else ""}


class Dialect(d.Wire):
    """``orderbook.N`` numbers its frames; the answer to an order says that it was taken, no more."""

    name, symbol_form, kinds = "bybit", "{}{}", "Limit Market"
    counts_frames = opens_with_book = post_only_cancels = buys_by_value = True
    depths, book_topic = (50, 200, 1000), "orderbook.{1}.{0}"
    fills_span = 7 * 86_400_000
    trade_topic, trade_words = "publicTrade.{}", PUSHED
    private_paths = ("/v5/private",)
    reset_header = "X-Bapi-Limit-Reset-Timestamp"
    refusals = d.refusals("""
        200: unknown_symbol 170121 | price_filter 170134 | lot_size 170137 | notional 170140
        insufficient_balance 170131 | duplicate_client_id 170141 | unknown_order 170213
        illegal 10001 Request parameter error: {} | bad_key 10003 | bad_signature 10004 | bad_time 10002 | timeout 10000
        rate_limited 10006 | 503: unavailable 10016 | 403: banned 10018""")
    words = {
        "outcome": STATES | {"cancelled": "Cancelled", "expired": "Cancelled"},
        "terms": {"post_only": "PostOnly", "market": "IOC"},
        "unit": {"base": "baseCoin", "quote": "quoteCoin"},
        "trading": {True: "Trading", False: "Closed"},
    }
    lookups = (
        lookup("GET /v5/market/time", "venue", "timeNano=now_ns"),
        lookup("GET /v5/market/instruments-info", "markets", INSTRUMENT, listed, pair="symbol"),
        lookup("GET /v5/market/tickers", "tickers", TICKER, listed, pair="symbol"),
        lookup(
            "GET /v5/market/orderbook", "book", f"{BOOK} ts=#now_ms", pair="symbol", limit="limit"
        ),
        lookup(
            "GET /v5/market/recent-trade", "trades", TRADE, listed, pair="symbol", limit="limit"
        ),
        own("GET /v5/order/realtime", "open_orders", ORDER, listed, **NAMES),
        own("GET /v5/order/history", "closed_orders", ORDER, listed, **NAMES),
        own("POST /v5/order/cancel", "cancel", ACK, None, **NAMES),
        own("GET /v5/execution/list", "fills_down", FILL, paged, limit="limit", **FILLS),
        own("GET /v5/account/fee-rate", "markets", FEES, listed, pair="symbol"),
        own("GET /v5/account/wallet-balance", "account", f"list[{WALLET}]"),
        own("POST /v5/order/create", "place", ACK, None, **NAMES, **PLACED),
    )
    tells, topic_mark = (
        (d.tell("execution", FILL, "trade"), d.tell("order", ORDER), d.tell("wallet", WALLET)),
        ".",
    )

    def refused(self, code: str, message: str) -> Any:
        return self.result({}) | {"retCode": int(code), "retMsg": message}

    def result(self, body: Any) -> Any:
        return {
            "retCode": 0,
            "retMsg": "OK",
            "result": body,
            "retExtInfo": {},
            "time": d.ms(self.server.now_ns()),
        }

    def verify(self, ask: d.Ask) -> d.Account:
        key, sign, stamp, wait = ask.headers("X-BAPI-{}", "API-KEY SIGN TIMESTAMP RECV-WINDOW")
        payload = stamp + key + wait + ask.query + ask.text
        return self.signer(
            key, sign, payload, int(stamp or 1) / 1000, int(wait or 5000) / 1000, ahead=1.0
        )

    @d.socket("/v5/public/spot", "/v5/private")
    def heard(self, connection: d.Connection, said: Any) -> None:
        op, args = said["op"], said.get("args") or []
        if op == "auth":
            connection.account, args = self.signer(args[0], args[2], f"GET/realtime{args[1]}"), []
        for topic in args:
            if not connection.is_private:
                self.pair(topic.rpartition(".")[2])
            elif connection.account is None:
                raise d.Rejected("bad_key")
        self.tell(connection, self.answer(said))
        for topic in args:
            self.follow(connection, topic, op == "subscribe")

    def answer(self, said: Any, refusal: str = "") -> Any:
        op, message = said["op"], refusal or {"ping": "pong"}.get(said["op"], "")
        return {
            "success": not refusal,
            "ret_msg": message,
            "conn_id": "1",
            "req_id": said.get("req_id", ""),
            "op": op,
        }

    def topic_frame(self, topic: str, window: d.Window, now: int) -> Any:
        return {
            "topic": topic,
            "ts": d.ms(now),
            "cts": d.ms(now),
            **self.row(f"type data{{{BOOK}}}", window),
        }

    def trade_frame(self, row: d.Made) -> Any:
        return {
            "topic": f"publicTrade.{row['s']}",
            "type": "snapshot",
            "ts": row["T"],
            "data": [row],
        }

    def user_frame(self, topic: str, row: d.Made, connection: d.Connection) -> d.Build:
        return self.build(
            {"topic": topic, "creationTime": d.ms(self.server.now_ns()), "data": [row]}
        )
