"""Binance spot from the venue's side. Source: its public API documentation (REST v3, streams, websocket API v3)."""

import json
from collections.abc import Iterator

from trochil.sandbox import dialect as d
from trochil.sandbox.dialect import Any, lookup, own
from trochil.sandbox.replay import InColumns, Record, parse_json

INSTRUMENT = "symbol status=trading baseAsset=base quoteAsset=quote orderTypes=types isSpotTradingAllowed:=true filters"
FILTERS = """filterType:PRICE_FILTER minPrice=tick maxPrice:1000000 tickSize=tick
    filterType:LOT_SIZE minQty=step maxQty=most stepSize=step
    filterType:NOTIONAL minNotional=worth applyMinToMarket:=true avgPriceMins:=5""".splitlines()
TICKER = "symbol lastPrice=last bidPrice=bid askPrice=ask volume quoteVolume=quote_volume closeTime=#now_ms"
AGGREGATE = "a=#trade_id p=price q=amount f=#trade_id l=#trade_id T=#time_ms m=maker_side M:=true"
ORDER = """symbol orderId=#id orderListId:=-1 clientOrderId=client price origQty=amount executedQty=filled
    origQuoteOrderQty=quote_amount cummulativeQuoteQty=quote_filled status=state timeInForce=tif type=terms side=SIDE
    time=#created_ms updateTime=#updated_ms transactTime=#updated_ms isWorking:=true"""
CANCELLED = f"{ORDER} clientOrderId=request origClientOrderId=client"
FILL = """symbol id=#trade_id orderId=#id orderListId:=-1 price=fill_price qty=fill_amount quoteQty=fill_value
    commission=fee commissionAsset=fee_asset time=#time_ms isBuyer=is_buyer isMaker=maker isBestMatch:=true"""
ACCOUNT = "updateTime=#now_ms commissionRates{maker=maker_fee taker=taker_fee buyer:0 seller:0}"
PUSHED = "e:trade s=symbol t=#trade_id p=price q=amount T=#time_ns m=maker_side M:=true"
DEPTH = "e:depthUpdate s=symbol U=#first u=#last b=bids a=asks"
REPORT = """e:executionReport s=symbol c=request S=SIDE o=terms f=tif q=amount p=price C=original x=event X=state r:NONE
    i=#id l=fill_amount z=filled L=fill_price n=fee N=fee_asset T=#time_ns t=#trade_id m=maker Z=quote_filled"""
FILLS = {"pair": "symbol", "order": "orderId", "first": "fromId", "since": "startTime", "limit": "limit"}
NAMES, TIMES = {"id": "orderId", "client": "origClientOrderId"}, {"E", "T"}
WEIGHTS = {"depth": 5, "exchangeInfo": 20, "24hr": 80, "account": 20, "myTrades": 20, "openOrders": 6}
TYPES = {"LIMIT": "", "MARKET": "market", "LIMIT_MAKER": "post_only"}
STATES = {"new": "NEW", "partially_filled": "PARTIALLY_FILLED", "filled": "FILLED", "cancelled": "CANCELED"}


class Recorded(InColumns):
    symbol_form = "{}{}"
    columns = {"snapshot": ("bids", "asks", "lastUpdateId"), "diff": ("b", "a", "u")}

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        data = parse_json(text) or {}
        data = data.get("data", data)
        kind = "snapshot" if "lastUpdateId" in data else {"depthUpdate": "diff", "trade": "trade"}.get(data.get("e"))
        if kind:
            yield Record(time, kind, data.get("s") or url.rpartition("symbol=")[2].partition("&")[0], text, data)


class Dialect(d.Wire):
    """Diffs by stream, the snapshot by REST; times of a socket in the unit that its address asks for."""

    name, symbol_form, recordings = "binance", "{}{}", Recorded()
    book_topic, trade_topic, trade_words = "{}@depth", "{}@trade", PUSHED
    private_paths, codes_are_numbers, answers_of_now = ("/ws-api/v3",), True, True
    refusals = d.refusals("""
        unknown_symbol 400 -1121 Invalid symbol.
        market_closed 400 -2010 Market is closed.
        price_filter 400 -1013 Filter failure: PRICE_FILTER
        lot_size 400 -1013 Filter failure: LOT_SIZE
        notional 400 -1013 Filter failure: NOTIONAL
        would_take 400 -2010 Order would immediately match and take.
        insufficient_balance 400 -2010 Account has insufficient balance for requested action.
        duplicate_client_id 400 -2010 Duplicate order sent.
        unknown_order 400 -2011 Unknown order sent.
        no_such_order 400 -2013 Order does not exist.
        bad_key 401 -2015 Invalid API-key, IP, or permissions for action.
        no_key 401 -2014 API-key format invalid.
        bad_signature 400 -1022 Signature for this request is not valid.
        bad_time 400 -1021 Timestamp for this request is outside of the recvWindow.
        missing 400 -1102 Mandatory parameter '{}' was not sent, was empty/null, or malformed.
        illegal 400 -1100 Illegal characters found in parameter '{}'.
        not_required 400 -1106 Parameter '{}' sent when not required.
        unavailable 503 -1000 Service unavailable from a restricted location or overloaded.
        timeout 503 -1007 Timeout waiting for response from backend server. Send status unknown.
        rate_limited 429 -1003 Too many requests.
        banned 418 -1003 Way too many requests; IP banned.""")
    words = {
        "state": STATES | {"expired": "EXPIRED"},
        "event": STATES | {"expired": "EXPIRED", "trade": "TRADE"},
        "terms": {"market": "MARKET", "post_only": "LIMIT_MAKER"} | dict.fromkeys(("GTC", "IOC", "FOK"), "LIMIT"),
        "trading": {True: "TRADING", False: "BREAK"},
        "maker_side": {"buy": True, "sell": False},
        "trade_id": {"": "-1"},
    }
    lookups = (
        lookup("GET /api/v3/time", "venue", "serverTime=#now_ms"),
        lookup("GET /api/v3/exchangeInfo", "markets", INSTRUMENT, d.under("symbols"), pair="symbol"),
        lookup("GET /api/v3/ticker/{_:24hr|price|bookTicker}", "ticker", TICKER, pair="symbol"),
        lookup("GET /api/v3/depth", "book", "lastUpdateId=#last bids asks", pair="symbol", limit="limit"),
        lookup("GET /api/v3/aggTrades", "trades_up", AGGREGATE, pair="symbol", limit="limit"),
        own("GET /api/v3/order", "order", ORDER, None, **NAMES),
        own("DELETE /api/v3/order", "cancel", CANCELLED, None, **NAMES),
        own("DELETE /api/v3/openOrders", "cancel_all", CANCELLED, pair="symbol"),
        own("GET /api/v3/openOrders", "open_orders", ORDER, pair="symbol"),
        own("GET /api/v3/allOrders", "orders", ORDER, pair="symbol"),
        own("GET /api/v3/myTrades", "fills", FILL, None, **FILLS),
    )

    def more(self, facts: d.Facts, thing: Any) -> d.Facts:
        known, cancel = facts.get("client", ""), f"cancel{facts.get('id')}"
        is_cancel = facts.get("event") in (None, "cancelled")  # it has a client id of its own
        ids = {"request": cancel, "original": known} if is_cancel else {"request": known, "original": ""}
        filters = [d.shape(words, facts) for words in FILTERS] if "tick" in facts else []
        first = str(int(facts.get("before", 0)) + 1)
        return {**ids, "filters": filters, "first": first, "types": [*TYPES], "is_buyer": facts.get("side") == "buy"}

    def headers(self, ask: d.Ask) -> dict[str, str]:
        minute = f"weight in minute {self.server.now_ns() // 60_000_000_000}"
        self.numbers[minute] += WEIGHTS.get(ask.request.path.rpartition("/")[2], 1)
        return {"X-MBX-USED-WEIGHT-1M": str(self.numbers[minute])}

    def verify(self, ask: d.Ask) -> d.Account:
        payload, _, sign = (ask.query + ask.text).rpartition("&signature=")
        return self._signed(ask.header.get("X-MBX-APIKEY", ""), sign, payload, ask)

    def _signed(self, key: str, sign: str, payload: str, params: Any) -> d.Account:
        stamp = int(params["timestamp"])
        within = float(params.get("recvWindow") or 5000) / 1000
        return self.signer(key, sign.lower(), payload, stamp / (10**6 if stamp > 10**14 else 10**3), within, ahead=1.0)

    @d.route("GET /api/v3/account")
    def account(self, ask: d.Ask, account: d.Account) -> Any:
        return self.row(ACCOUNT) | {"balances": self.rows("asset free locked=held", d.holdings(account))}

    @d.route("POST /api/v3/order", kind="place")
    def place_order(self, ask: d.Ask, account: d.Account) -> Any:
        kind = ask["type"]
        if kind != "LIMIT" and ask.get("timeInForce"):
            raise d.Rejected("not_required", "timeInForce")
        unit, side = "quoteOrderQty" if ask.get("quoteOrderQty") else "quantity", ask["side"].lower()
        pair, price = self.pair(ask["symbol"]), None if kind == "MARKET" else ask.number("price")
        terms = {"client_id": ask.get("newClientOrderId"), "in_quote": unit == "quoteOrderQty"}
        tif = TYPES[kind] or ask["timeInForce"]
        return self.row(ORDER, self.take(account, pair, side, ask.number(unit), price, tif=tif, **terms))

    def opened(self, connection: d.Connection) -> None:
        super().opened(connection)
        path, query = connection.path, connection.query
        micro = query.get("timeUnit", "").upper() == "MICROSECOND"
        connection.state |= {"unit": 1000 if micro else 10**6, "combined": path == "/stream", "names": {}}
        for name in (query.get("streams") or path.removeprefix("/ws")).strip("/").split("/"):
            self._follow(connection, name, "@" in name)

    def _follow(self, connection: d.Connection, name: str, on: bool) -> None:
        symbol, _, kind = name.partition("@")
        topic = f"{symbol.upper()}@{kind.removesuffix('@100ms')}"
        connection.state["names"][topic] = name
        self.follow(connection, topic, on)

    @d.socket("/ws", "/ws/{streams:.*}", "/stream")
    def heard(self, connection: d.Connection, said: Any) -> None:
        for name in said["params"]:
            self._follow(connection, name, said["method"] == "SUBSCRIBE")
        self.tell(connection, {"result": None, "id": said["id"]})

    @d.socket("/ws-api/v3")
    def asked(self, connection: d.Connection, said: Any) -> None:
        """The account's stream, by a signature; of all else only pings."""
        params = said.get("params", {})
        if said["method"] == "userDataStream.subscribe.signature":
            payload = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
            connection.account = self._signed(params["apiKey"], params["signature"], payload, params)
        self.tell(connection, {"id": said["id"], "status": 200, "result": {"subscriptionId": 0}})

    def denied(self, said: Any, refusal: d.Rejected) -> Any:
        status, code, message = self._worded(refusal.why)
        return {"id": said["id"], "status": status, "error": self.refused(code, message)}

    def encode(self, connection: d.Connection, frame: Any) -> str:
        """Events with their times in the connection's unit, those of streams with the name that it knows them by."""
        for name in {"data", "event"} & frame.keys():
            times = {key: frame[name][key] // connection.state["unit"] for key in TIMES & frame[name].keys()}
            frame = frame | {name: frame[name] | times}
        if "stream" in frame:
            named = frame | {"stream": connection.state["names"].get(frame["stream"])}
            frame = named if connection.state["combined"] else frame["data"]
        return json.dumps(frame)

    def topic_frame(self, topic: str, window: d.Window, now: int) -> Any:
        return {"stream": topic, "data": self.row(DEPTH, window) | {"E": now}}

    def trade_frame(self, row: d.Made) -> Any:
        return lambda now: {"stream": f"{row['s']}@trade", "data": row | {"E": now}}

    def user_frames(self, event: d.Event, connection: d.Connection) -> list[d.Build]:
        position = self.row("e:outboundAccountPosition u=#time_ms", event)
        position["B"] = self.rows(
            "a=asset f=free l=held", d.holdings(event.order.account, *event.order.symbol.split("-"))
        )
        return [self._user_frame(self.row(REPORT, event)), self._user_frame(position)]

    def _user_frame(self, event: d.Made) -> d.Build:
        return self.build(lambda now: {"subscriptionId": 0, "event": event | {"E": now}})

    def terminate(self, connection: d.Connection) -> None:
        connection.put(self._user_frame({"e": "eventStreamTerminated"}))
        connection.account = None

    def replayed(self, connection: d.Connection, record: Record) -> str | bytes | None:
        text = super().replayed(connection, record)
        return text if text is None or connection.state["combined"] else json.dumps(record.data)
