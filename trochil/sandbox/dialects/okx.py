"""OKX spot from the venue's side. Source: its API v5 documentation."""

from trochil.sandbox import dialect as d
from trochil.sandbox.dialect import Any, lookup, own

INSTRUMENT = """instId=pair baseCcy=base quoteCcy=quote instType:SPOT tickSz=tick lotSz=step minSz=least maxLmtSz=most
    state=trading"""
TICKER = "instId=pair instType:SPOT last bidPx=bid askPx=ask vol24h=volume volCcy24h=quote_volume ts=now_ms"
BOOK = "bids asks ts=now_ms seqId=#last"
PUSHED = f"action=type data[{BOOK} prevSeqId=#before checksum:=0]"
TRADE = "instId=pair tradeId=trade_id px=price sz=amount side ts=time_ms"
ORDER = """instId=pair instType:SPOT ordId=id clOrdId=client side px=price sz=size tgtCcy=unit accFillSz=filled
    avgPx=average cTime=created_ms uTime=updated_ms state ordType=terms tradeId:"""
TRADED = "tradeId=trade_id fillPx=fill_price fillSz=fill_amount fillTime=time_ms execType=role"
FILL = f"instId=pair ordId=id clOrdId=client side {TRADED} ts=time_ms fee=minus_fee feeCcy=fee_asset billId=trade_id"
EVENT = f"{ORDER} {TRADED} fillFee=minus_fee fillFeeCcy=fee_asset"
DETAIL = (
    "details=purse[ccy=asset cashBal=total eq=total availBal=free frozenBal=held ordFrozen=held]"
)
PLACED = {
    "kind": "ordType",
    "size": "sz",
    "price": "px",
    "unit": "tgtCcy",
    "pair": "instId",
    "side": "side",
}
ACCOUNT = f"arg{{channel:account}} data[{DETAIL}]"
NAMES = {"id": "ordId", "client": "clOrdId"}
FILLS = {"pair": "instId", "order": "ordId", "since": "begin", "before": "after", "limit": "limit"}
ACK = "ordId=id clOrdId=client tag: sCode:0 sMsg:"


class Dialect(d.Wire):
    """``books`` of 400 levels; each frame names the sequence id of the one before. Checksums are 0."""

    name, window, page, key_fields = "okx", 400, 100, ("passphrase",)
    opens_with_book = post_only_cancels = buys_by_value = True
    book_topic, trade_topic, trade_words = "books:{}", "trades:{}", TRADE
    private_paths = ("/ws/v5/private",)
    fixed = {"GET /api/v5/asset/currencies": []}
    refusals = d.refusals("""
        200: unknown_symbol 51001 | price_filter 51006 | lot_size 51121 | notional 51020 | insufficient_balance 51008
        duplicate_client_id 51016 | unknown_order 51400 | no_such_order 51603 | illegal 51000 Parameter {} error
        timeout 50004 | 401: bad_key 50111 | bad_phrase 50105 | bad_signature 50113 | bad_time 50102
        503: unavailable 50001 | 429: rate_limited 50011""")
    words = {
        "state": {"new": "live", "expired": "canceled", "cancelled": "canceled"},
        "trading": {True: "live", False: "suspend"},
        "role": {"maker": "M", "taker": "T"},
        "unit": {"base": "base_ccy", "quote": "quote_ccy"},
        "terms": {"GTC": "limit", "IOC": "ioc", "FOK": "fok", "post_only": "post_only"},
        "type": {"delta": "update"},
        "before": {"0": "-1"},
    }
    lookups = (
        lookup("GET /api/v5/public/time", "venue", "ts=now_ms", d.alone),
        lookup("GET /api/v5/public/instruments", "markets", INSTRUMENT, pair="instId"),
        lookup("GET /api/v5/market/{_:tickers?}", "tickers", TICKER, pair="instId"),
        lookup("GET /api/v5/market/trades", "trades", TRADE, pair="instId", limit="limit"),
        lookup("GET /api/v5/market/books", "book", BOOK, d.alone, pair="instId", limit="sz"),
        own("GET /api/v5/trade/order", "order", ORDER, d.alone, **NAMES),
        own("POST /api/v5/trade/{_:cancel-(order|batch-orders)}", "cancel", ACK, d.alone, **NAMES),
        own("GET /api/v5/trade/orders-pending", "open_orders", ORDER, pair="instId"),
        own("GET /api/v5/trade/orders-history", "closed_orders", ORDER, pair="instId"),
        own("GET /api/v5/trade/{_:fills(-history)?}", "fills_down", FILL, None, **FILLS),
        own(
            "GET /api/v5/account/trade-fee",
            "venue",
            "maker=minus_maker_fee taker=minus_taker_fee",
            d.alone,
        ),
        own("GET /api/v5/account/balance", "account", DETAIL, d.alone),
        own("POST /api/v5/trade/{_:order|batch-orders}", "place", ACK, d.alone, **NAMES, **PLACED),
    )
    tells = (
        d.tell("orders", f"arg{{channel:orders instType:SPOT}} data[{EVENT}]"),
        d.tell("account", ACCOUNT),
    )

    def more(self, facts: d.Facts, thing: Any) -> d.Facts:
        return {
            side: [[*row, "0", "1"] for row in facts[side]]
            for side in ("bids", "asks")
            if side in facts
        }

    def refused(self, code: str, message: str) -> Any:
        of_order = {"ordId": "", "clOrdId": "", "sCode": code, "sMsg": message}
        code, rows = ("1", [of_order]) if code.startswith("51") else (code, [])
        return {"code": code, "msg": message, "data": rows}

    def result(self, body: Any) -> Any:
        return {"code": "0", "msg": "", "data": body}

    def verify(self, ask: d.Ask) -> d.Account:
        key, sign, phrase, stamp = ask.headers("OK-ACCESS-{}", "KEY SIGN PASSPHRASE TIMESTAMP")
        payload = stamp + ask.request.method + ask.target + ask.text
        return self.signer(
            key, sign, payload, d.seconds_of(stamp), phrase=phrase, encoding="base64"
        )

    @d.socket("/ws/v5/public", "/ws/v5/private", "/ws/v5/business")
    def heard(self, connection: d.Connection, said: Any) -> None:
        if said == "ping":
            self.tell(connection, "pong")
            return
        for arg in said["args"]:
            if said["op"] == "login":
                stamp, payload = float(arg["timestamp"]), f"{arg['timestamp']}GET/users/self/verify"
                terms = {"phrase": arg["passphrase"], "encoding": "base64"}
                connection.account = self.signer(
                    arg["apiKey"], arg["sign"], payload, stamp, **terms
                )
                self.tell(connection, {"event": "login", "code": "0", "msg": ""})
            elif "instId" not in arg and connection.account is None:
                self.tell(connection, {"event": "error", "code": "60011", "msg": "Please log in"})
            else:
                self._follow(connection, arg, said["op"])

    def answer(self, said: Any, refusal: str = "") -> Any:
        return {
            "event": "error",
            "code": "60009" if said["op"] == "login" else "60018",
            "msg": refusal,
        }

    def _follow(self, connection: d.Connection, arg: dict[str, str], op: str) -> None:
        symbol = arg.get("instId", "") and self.pair(arg["instId"])
        self.tell(connection, {"event": op, "arg": arg})
        self.follow(connection, f"{arg['channel']}:{symbol}", op == "subscribe")
        if connection.account and arg["channel"] == "account":
            self.tell(connection, self.row(ACCOUNT, connection.account))

    def book_frame(self, window: d.Window, now: int) -> Any:
        frame = {"arg": {"channel": "books", "instId": window.pair}, **self.row(PUSHED, window)}
        frame["data"][0]["checksum"] = int(
            window.before > 0 and self.server.faults.hits("bad_checksum")
        )
        return frame

    def trade_frame(self, row: d.Made) -> Any:
        return {"arg": {"channel": "trades", "instId": row["instId"]}, "data": [row]}
