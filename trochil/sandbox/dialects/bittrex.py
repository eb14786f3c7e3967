"""Bittrex from the venue's side. Source: the documentation of its API v3, and a recording of its socket (2021)."""

import asyncio
from functools import partialmethod

from trochil.sandbox import dialect as d
from trochil.sandbox.dialect import Any, Made, lookup, own, tell
from trochil.sandbox.signalr import Hub, HubFrames

MARKET = """symbol=pair baseCurrencySymbol=base quoteCurrencySymbol=quote minTradeSize=least precision=#tick_places
    status=trading createdAt:2021-04-16T18:50:47.883Z prohibitedIn:=[] associatedTermsOfService:=[] tags:=[]"""
SUMMARY = "symbol=pair high=last low=last volume quoteVolume=quote_volume percentChange:0 updatedAt=now_iso"
TRADE = "marketSymbol=pair deltas[id=trade_id executedAt=time_iso quantity=amount rate=price takerSide=SIDE]"
SIDES = "{}=bid_levels[quantity=size rate=price] {}=ask_levels[quantity=size rate=price]".format
BOOK, DELTAS = (
    SIDES("bid", "ask"),
    f"marketSymbol=pair sequence=#last {SIDES('bidDeltas', 'askDeltas')}",
)
ORDER = """id=uuid marketSymbol=pair direction=SIDE type=KIND quantity=amount limit=?price timeInForce=terms
    clientOrderId=client fillQuantity=filled commission=fees proceeds=quote_filled status=state createdAt=created_iso
    updatedAt=updated_iso closedAt=?done_iso"""
EXECUTION = """id=trade_id marketSymbol=pair executedAt=time_iso quantity=fill_amount rate=fill_price orderId=uuid
    commission=fee isTaker=taker"""
BALANCE = "currencySymbol=asset total available=free updatedAt=now_iso"
FILLS = {
    "pair": "marketSymbol",
    "before": "nextPageToken",
    "since": "startDate",
    "limit": "pageSize",
}
TERMS = {
    "GTC": "GOOD_TIL_CANCELLED",
    "FOK": "FILL_OR_KILL",
    "post_only": "POST_ONLY_GOOD_TIL_CANCELLED",
}
TERMS |= dict.fromkeys(("market", "IOC"), "IMMEDIATE_OR_CANCEL")
STATES = {"new": "OPEN", "partially_filled": "OPEN"} | dict.fromkeys(
    ("filled", "cancelled", "expired"), "CLOSED"
)
LOGIN_LASTS, NOTICE, PRIVATE = 600.0, 60.0, ("order", "execution", "balance")
DONE, DENIED, UNKNOWN = (
    {"Success": not why, "ErrorCode": why} for why in (None, "UNAUTHORIZED_USER", "INVALID_APIKEY")
)
RECORDED_TOPICS = {"diff": "orderbook_{}_500", "trade": "trade_{}"}
RECORDED = """snapshot bid - bid ask Sequence
    diff name:orderBook marketSymbol bidDeltas askDeltas sequence
    trade name:trade marketSymbol"""
LAST = d.headed("Sequence", "last")
PLACED = {
    "side": "direction",
    "kind": "type",
    "size": "quantity",
    "price": "limit",
    "tif": "timeInForce",
}


class Dialect(Hub):
    """Books of 1, 25 or 500 levels, their messages numbered; so are an account's orders, executions and balances."""

    name, hub, asked_depth, kinds, needs = "bittrex", "c3", 25, "LIMIT MARKET", ("kind", "tif")
    recordings = HubFrames(
        "{}-{}", RECORDED, "markets/([^/]+)/", ("rate", "quantity"), RECORDED_TOPICS
    )
    counts_frames = forgets = fee_in_quote = client_ids_last = client_ids_are_uuids = True
    depths, placed_status = (1, 25, 500), 201
    book_topic, trade_topic, trade_words = "orderbook_{}_{}", "trade_{}", TRADE
    refusals = d.refusals("""
        404: unknown_symbol MARKET_DOES_NOT_EXIST | unknown_order ORDER_DOES_NOT_EXIST
        400: price_filter RATE_PRECISION_NOT_ALLOWED | illegal BAD_REQUEST Illegal {}
        409: lot_size MIN_TRADE_REQUIREMENT_NOT_MET | notional DUST_TRADE_DISALLOWED_MIN_VALUE
        insufficient_balance INSUFFICIENT_FUNDS | duplicate_client_id CLIENTORDERID_ALREADY_EXISTS {}
        would_take POST_ONLY | not_open ORDER_NOT_OPEN | 401: bad_key APIKEY_INVALID | bad_signature INVALID_SIGNATURE
        bad_time INVALID_TIMESTAMP | 503: unavailable SERVICE_UNAVAILABLE | 429: rate_limited THROTTLED""")
    words = {"state": STATES, "trading": {True: "ONLINE", False: "OFFLINE"}, "terms": TERMS}
    lookups = (
        lookup("GET /v3/ping", "venue", "serverTime=#now_ms"),
        lookup("GET /v3/markets", "markets", MARKET),
        lookup(
            "GET /v3/markets/{symbol}/orderbook",
            "book",
            f"{BOOK} last",
            LAST,
            pair="symbol",
            window="depth",
        ),
        lookup("GET /v3/markets/summaries", "tickers", SUMMARY),
        own(
            "POST /v3/orders",
            "place",
            ORDER,
            None,
            pair="marketSymbol",
            client="clientOrderId",
            **PLACED,
        ),
        own("GET /v3/orders/open", "open_orders", ORDER, pair="marketSymbol"),
        own("GET /v3/orders/closed", "closed_orders", ORDER, pair="marketSymbol"),
        own("GET /v3/orders/{id}", "order", ORDER, id="id"),
        own("DELETE /v3/orders/{id}", "cancel", ORDER, id="id"),
        own("GET /v3/orders/{id}/executions", "fills", EXECUTION, order="id"),
        own("GET /v3/executions", "fills_down", EXECUTION, None, **FILLS),
        own("GET /v3/balances", "holdings", BALANCE),
        own(
            "GET /v3/account/fees/trading/{symbol}",
            "venue",
            "makerRate=maker_fee takerRate=taker_fee",
        ),
    )
    private_number = "sequence"
    tells = (
        tell("order", f"delta{{{ORDER}}}"),
        tell("execution", f"deltas[{EXECUTION}]", "trade"),
        tell("balance", f"delta{{{BALANCE}}}", each="both"),
    )

    def limit(self, symbol: Any) -> None:
        symbol.size_step = d.Decimal("1E-8")

    def refused(self, code: str, message: str) -> Any:
        return {
            "code": code,
            "detail": message,
            "data": {"id": d.uuid(message)} if message.isdigit() else {},
        }

    def verify(self, ask: d.Ask) -> d.Account:
        key, stamp, hashed, sign = ask.headers("Api-{}", "Key Timestamp Content-Hash Signature")
        payload = f"{stamp}{ask.request.scheme}://{ask.request.host}{ask.target}{ask.request.method}{hashed}"
        if hashed != d.digest(ask.text, "sha512").hex():
            raise d.Rejected("bad_signature")
        return self.signer(key, sign, payload, float(stamp or 0) / 1000, algorithm="sha512")

    def on_subscribe(
        self, connection: d.Connection, names: list[str], on: bool = True
    ) -> list[Made]:
        allowed = [name for name in names if name not in PRIVATE or connection.account is not None]
        for name in allowed:
            self.follow(connection, name, on)
        return [DONE if name in allowed else DENIED for name in names]

    on_unsubscribe = partialmethod(on_subscribe, on=False)

    def on_authenticate(
        self, connection: d.Connection, key: str, stamp: Any, content: str, sign: str
    ) -> Made:
        login = f"{stamp}{content}"
        try:
            connection.account = self.signer(key, sign.lower(), login, algorithm="sha512")
        except d.Rejected:
            return UNKNOWN
        connection.is_private = True
        connection.state["login"] = login
        asyncio.get_running_loop().call_later(
            LOGIN_LASTS - NOTICE, self.terminate, connection, login
        )
        return DONE

    def terminate(self, connection: d.Connection, login: str = "") -> None:
        """A login runs out: announced, and over a minute later unless it is renewed."""
        if login in ("", connection.state["login"]):
            self.tell(connection, self.push("authenticationExpiring"))
            asyncio.get_running_loop().call_later(
                NOTICE, self._end, connection, connection.state["login"]
            )

    def _end(self, connection: d.Connection, login: str) -> None:
        if login == connection.state["login"]:
            connection.topics.difference_update(PRIVATE)

    def topic_frame(self, topic: str, window: d.Window, now: int) -> Any:
        return self.push(
            "orderBook", self.row(DELTAS, window) | {"depth": int(topic.rpartition("_")[2])}
        )

    def trade_frame(self, row: Made) -> Any:
        return self.push("trade", row | {"sequence": self.count(row["marketSymbol"])})

    def user_frame(self, topic: str, row: Made, connection: d.Connection) -> d.Build:
        return self.build(
            self.push(topic, row | {"accountId": connection.account and connection.account.name})
        )
