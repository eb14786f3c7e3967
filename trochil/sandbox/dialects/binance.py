"""Binance spot from the venue's side. Source: its public API documentation (REST v3, streams, websocket API v3)."""

import json

from trochil.sandbox import dialect as d
from trochil.sandbox.dialect import Any, lookup, own, tell

INSTRUMENT = """symbol status=trading baseAsset=base quoteAsset=quote orderTypes:=["LIMIT","LIMIT_MAKER","MARKET"]
    isSpotTradingAllowed:=true filters[filterType:PRICE_FILTER minPrice=tick maxPrice:1000000 tickSize=tick
    | filterType:LOT_SIZE minQty=step maxQty=most stepSize=step | filterType:NOTIONAL minNotional=worth
    applyMinToMarket:=true avgPriceMins:=5]"""
TICKER = "symbol lastPrice=last bidPrice=bid askPrice=ask volume quoteVolume=quote_volume closeTime=#now_ms"
AGGREGATE = "a=#trade_id p=price q=amount f=#trade_id l=#trade_id T=#time_ms m=maker_buys M:=true"
ORDER = """symbol orderId=#id orderListId:=-1 clientOrderId=client price origQty=amount executedQty=filled
    origQuoteOrderQty=quote_amount cummulativeQuoteQty=quote_filled status=state timeInForce=tif type=terms side=SIDE
    time=#created_ms updateTime=#updated_ms transactTime=#updated_ms isWorking:=true"""
CANCELLED = f"{ORDER} clientOrderId=cancel_id origClientOrderId=client"
FILL = """symbol id=#trade_id orderId=#id orderListId:=-1 price=fill_price qty=fill_amount quoteQty=fill_value
    commission=fee commissionAsset=fee_asset time=#time_ms isBuyer=is_buy isMaker=maker isBestMatch:=true"""
ACCOUNT = """updateTime=#now_ms commissionRates{maker=maker_fee taker=taker_fee buyer:0 seller:0}
    balances=purse[asset free locked=held]"""
PUSHED = "e:trade s=symbol t=#trade_id p=price q=amount T=#time_ns m=maker_buys M:=true"
DEPTH = "e:depthUpdate s=symbol U=#first u=#last b=bids a=asks"
REPORT = """e:executionReport s=symbol S=SIDE o=terms f=tif q=amount p=price x=event X=state r:NONE
    i=#id l=fill_amount z=filled L=fill_price n=fee N=fee_asset T=#time_ns t=#trade_id m=maker Z=quote_filled"""
PLACED = {
    "kind": "type",
    "side": "side",
    "tif": "timeInForce",
    "quote": "quoteOrderQty",
    "client": "newClientOrderId",
}
FILLS = {
    "pair": "symbol",
    "order": "orderId",
    "first": "fromId",
    "since": "startTime",
    "limit": "limit",
}
NAMES = {"id": "orderId", "client": "origClientOrderId"}
STATES = {
    "new": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "cancelled": "CANCELED",
}
RECORDED = """snapshot lastUpdateId - bids asks lastUpdateId
    diff e:depthUpdate s b a u
    trade e:trade s"""


class Dialect(d.Wire):
    """Diffs by stream, the snapshot by REST; times of a socket in the unit that its address asks for."""

    name, symbol_form, kinds, recordings = (
        "binance",
        "{}{}",
        "LIMIT MARKET",
        d.Recordings("{}{}", RECORDED),
    )
    book_topic, trade_topic, trade_words = (
        "{lower}@depth {lower}@depth@100ms",
        "{lower}@trade",
        PUSHED,
    )
    weights = {
        "depth": 5,
        "exchangeInfo": 20,
        "24hr": 80,
        "account": 20,
        "myTrades": 20,
        "openOrders": 6,
    }
    private_paths, weight_header = ("/ws-api/v3",), "X-MBX-USED-WEIGHT-1M"
    codes_are_numbers = answers_of_now = True
    refusals = d.refusals("""
        400: unknown_symbol -1121 | price_filter -1013 Filter failure: PRICE_FILTER
        lot_size -1013 Filter failure: LOT_SIZE | notional -1013 Filter failure: NOTIONAL
        market_closed -2010 Market is closed. | would_take -2010 Order would immediately match and take.
        insufficient_balance -2010 Account has insufficient balance for requested action.
        duplicate_client_id -2010 Duplicate order sent. | unknown_order -2011 Unknown order sent. | no_such_order -2013
        bad_signature -1022 | bad_time -1021 | missing -1102 | illegal -1100 | not_required -1106 | 401: bad_key -2015
        no_key -2014 | 503: unavailable -1000 | timeout -1007 | 429: rate_limited -1003 | 418: banned -1003""")
    words = {
        "state": STATES | {"expired": "EXPIRED"},
        "event": STATES | {"expired": "EXPIRED", "trade": "TRADE"},
        "terms": {"market": "MARKET", "post_only": "LIMIT_MAKER"}
        | dict.fromkeys(("GTC", "IOC", "FOK"), "LIMIT"),
        "trading": {True: "TRADING", False: "BREAK"},
        "trade_id": {"": "-1"},
    }
    lookups = (
        lookup("GET /api/v3/time", "venue", "serverTime=#now_ms"),
        lookup(
            "GET /api/v3/exchangeInfo", "markets", INSTRUMENT, d.under("symbols"), pair="symbol"
        ),
        lookup("GET /api/v3/ticker/{_:24hr|price|bookTicker}", "ticker", TICKER, pair="symbol"),
        lookup(
            "GET /api/v3/depth",
            "book",
            "lastUpdateId=#last bids asks",
            pair="symbol",
            limit="limit",
        ),
        lookup("GET /api/v3/aggTrades", "trades_up", AGGREGATE, pair="symbol", limit="limit"),
        own("GET /api/v3/order", "order", ORDER, None, **NAMES),
        own("DELETE /api/v3/order", "cancel", CANCELLED, None, **NAMES),
        own("DELETE /api/v3/openOrders", "cancel_all", CANCELLED, pair="symbol"),
        own("GET /api/v3/openOrders", "open_orders", ORDER, pair="symbol"),
        own("GET /api/v3/allOrders", "orders", ORDER, pair="symbol"),
        own("GET /api/v3/myTrades", "fills", FILL, None, **FILLS),
        own("GET /api/v3/account", "account", ACCOUNT),
        own(
            "POST /api/v3/order",
            "place",
            ORDER,
            None,
            pair="symbol",
            price="price",
            size="quantity",
            **PLACED,
        ),
    )
    tells = (
        tell("", f"{REPORT} c=client C:", "new trade expired"),
        tell("", f"{REPORT} c=cancel_id C=client", "cancelled"),
        tell("", "e:outboundAccountPosition u=#time_ms B=both[a=asset f=free l=held]"),
    )

    def verify(self, ask: d.Ask) -> d.Account:
        payload, _, sign = (ask.query + ask.text).rpartition("&signature=")
        return self._signed(ask.header.get("X-MBX-APIKEY", ""), sign, payload, ask)

    def _signed(self, key: str, sign: str, payload: str, params: Any) -> d.Account:
        within = float(params.get("recvWindow") or 5000) / 1000
        return self.signer(
            key, sign.lower(), payload, d.seconds_of(params["timestamp"]), within, ahead=1.0
        )

    def on_connect(self, connection: d.Connection) -> None:
        super().on_connect(connection)
        path, query = connection.path, connection.query
        unit = 1000 if query.get("timeUnit", "").upper() == "MICROSECOND" else 10**6
        connection.state |= {"unit": unit, "combined": path == "/stream"}
        named = (query.get("streams") or path.removeprefix("/ws")).split("/")
        self.subscribe(connection, [name for name in named if "@" in name])

    @d.socket("/ws", "/ws/{streams:.*}", "/stream")
    def heard(self, connection: d.Connection, said: Any) -> None:
        on = said["method"] == "SUBSCRIBE"
        self.subscribe(connection, said["params"], on, {"result": None, "id": said["id"]})

    @d.socket("/ws-api/v3")
    def asked(self, connection: d.Connection, said: Any) -> None:
        """The account's stream, by a signature; of all else only pings."""
        params = said.get("params", {})
        if said["method"] == "userDataStream.subscribe.signature":
            payload = "&".join(
                f"{name}={params[name]}" for name in sorted(params) if name != "signature"
            )
            connection.account = self._signed(
                params["apiKey"], params["signature"], payload, params
            )
        self.tell(connection, {"id": said["id"], "status": 200, "result": {"subscriptionId": 0}})

    def denied(self, said: Any, refusal: d.Rejected) -> Any:
        status, code, message = self._worded(refusal.reason)
        return {"id": said["id"], "status": status, "error": self.refused(code, message)}

    def encode(self, connection: d.Connection, frame: Any) -> str:
        """Events with their times in the connection's unit; on a socket of raw streams, without their envelope."""
        for name in {"data", "event"} & frame.keys():
            times = {
                key: frame[name][key] // connection.state["unit"]
                for key in {"E", "T"} & frame[name].keys()
            }
            frame = frame | {name: frame[name] | times}
        return json.dumps(
            frame if connection.state["combined"] or "data" not in frame else frame["data"]
        )

    def topic_frame(self, topic: str, window: d.Window, now: int) -> Any:
        return {"stream": topic, "data": self.row(DEPTH, window) | {"E": now}}

    def trade_frame(self, row: d.Made) -> Any:
        return lambda now: {"stream": f"{row['s'].lower()}@trade", "data": row | {"E": now}}

    def user_frame(self, topic: str, row: d.Made, connection: d.Connection) -> d.Build:
        return self.build(lambda now: {"subscriptionId": 0, "event": row | {"E": now}})

    def terminate(self, connection: d.Connection) -> None:
        connection.put(self.user_frame("", {"e": "eventStreamTerminated"}, connection))
        connection.account = None

    def replayed_frame(self, connection: d.Connection, record: d.Record) -> str | bytes | None:
        text = super().replayed_frame(connection, record)
        return text if text is None or connection.state["combined"] else json.dumps(record.data)
