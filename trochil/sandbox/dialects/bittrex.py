"""Bittrex from the venue's side. Source: the documentation of its API v3, and a recording of its socket (2021)."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from functools import partialmethod
from uuid import UUID

from aiohttp import web

from trochil.sandbox import dialect as d, replay
from trochil.sandbox.dialect import Any, Made, lookup, own
from trochil.sandbox.signalr import Hub, pushed

MARKET = """symbol=pair baseCurrencySymbol=base quoteCurrencySymbol=quote minTradeSize=least precision=#tick_places
    status=trading createdAt:2021-04-16T18:50:47.883Z prohibitedIn:=[] associatedTermsOfService:=[] tags:=[]"""
SUMMARY = "symbol=pair high=last low=last volume quoteVolume=quote_volume percentChange:0 updatedAt=now_iso"
TRADE = "id=trade_id executedAt=time_iso quantity=amount rate=price takerSide=SIDE"
ORDER = """id=uuid marketSymbol=pair direction=SIDE type=KIND quantity=amount limit=?price timeInForce=terms
    clientOrderId=client fillQuantity=filled commission=fees proceeds=quote_filled status=state createdAt=created_iso
    updatedAt=updated_iso closedAt=?done_iso"""
EXECUTION = """id=trade_id marketSymbol=pair executedAt=time_iso quantity=fill_amount rate=fill_price orderId=uuid
    commission=fee isTaker=taker"""
BALANCE = "currencySymbol=asset total available=free updatedAt=now_iso"
FILLS = {"pair": "marketSymbol", "before": "nextPageToken", "since": "startDate", "limit": "pageSize"}
TERMS = {"GTC": "GOOD_TIL_CANCELLED", "FOK": "FILL_OR_KILL", "post_only": "POST_ONLY_GOOD_TIL_CANCELLED"}
TERMS |= dict.fromkeys(("market", "IOC"), "IMMEDIATE_OR_CANCEL")
OURS = {theirs: ours for ours, theirs in TERMS.items()}
STATES = {"new": "OPEN", "partially_filled": "OPEN"} | dict.fromkeys(("filled", "cancelled", "expired"), "CLOSED")
LOGIN_LASTS, NOTICE, PRIVATE = 600.0, 60.0, ("order", "execution", "balance")
KINDS, DONE = {"orderBook": "diff", "trade": "trade"}, {"Success": True, "ErrorCode": None}


class Recorded(replay.Recordings):
    """Books of a recording: messages of the socket, and answers with their Sequence."""

    def records(self, time: float, said: str, url: str) -> Iterator[replay.Record]:
        data = replay.parse_json(said) or {}
        if "/orderbook?" in url:
            headers = json.loads(said.partition(" header: ")[2])
            yield replay.Record(time, "snapshot", url.split("/")[5], said, data | {"sequence": headers["Sequence"]})
        for name, content, frame in pushed(data):
            if name in KINDS:
                yield replay.Record(time, KINDS[name], content["marketSymbol"], json.dumps(frame), content)

    def levels(self, record: replay.Record) -> tuple[list[list[str]], list[list[str]]]:
        names = ("bid", "ask") if record.kind == "snapshot" else ("bidDeltas", "askDeltas")
        bids, asks = ([[row["rate"], row["quantity"]] for row in record.data[name]] for name in names)
        return bids, asks

    def last_id(self, record: replay.Record) -> int:
        return int(record.data["sequence"])


class Dialect(Hub):
    """Books of 1, 25 or 500 levels, their messages numbered; so are an account's orders, executions and balances."""

    name, hub = "bittrex", "c3"
    recordings = Recorded()
    depths, counts_frames, forgets, fee_in_quote = (1, 25, 500), True, True, True
    book_topic, trade_topic, trade_words = "orderbook_{}_{}", "trade_{}", f"marketSymbol=pair {TRADE}"
    refusals = d.refusals("""
        unknown_symbol 404 MARKET_DOES_NOT_EXIST No such market
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
    words = {"state": STATES, "trading": {True: "ONLINE", False: "OFFLINE"}, "terms": TERMS}
    lookups = (
        lookup("GET /v3/ping", "venue", "serverTime=#now_ms"),
        lookup("GET /v3/markets", "markets", MARKET),
        lookup("GET /v3/markets/summaries", "tickers", SUMMARY),
        own("GET /v3/orders/open", "open_orders", ORDER, pair="marketSymbol"),
        own("GET /v3/orders/closed", "closed_orders", ORDER, pair="marketSymbol"),
        own("GET /v3/orders/{id}", "order", ORDER, id="id"),
        own("DELETE /v3/orders/{id}", "cancel", ORDER, id="id"),
        own("GET /v3/orders/{id}/executions", "fills", EXECUTION, order="id"),
        own("GET /v3/executions", "fills_down", EXECUTION, None, **FILLS),
        own("GET /v3/balances", "holdings", BALANCE),
        own("GET /v3/account/fees/trading/{symbol}", "venue", "makerRate=maker_fee takerRate=taker_fee"),
    )

    def __init__(self, server: d.Server) -> None:
        super().__init__(server)
        self.venue.client_ids_last = True
        self.venue.on_event.append(self._number)
        self._numbers: Counter[str] = Counter()
        self._told: list[tuple[str, Made]] = []
        for symbol in self.venue.symbols.values():
            symbol.size_step = d.Decimal("1E-8")

    def refused(self, code: str, message: str) -> Any:
        return {"code": code, "detail": message, "data": {"id": d.uuid(message)} if message.isdigit() else {}}

    def verify(self, ask: d.Ask) -> d.Account:
        key, stamp, hashed, sign = ask.headers("Api-{}", "Key Timestamp Content-Hash Signature")
        payload = f"{stamp}{ask.request.scheme}://{ask.request.host}{ask.target}{ask.request.method}{hashed}"
        if hashed != d.digest(ask.text, "sha512").hex():
            raise d.Rejected("bad_signature")
        return self.signer(key, sign, payload, float(stamp or 0) / 1000, algorithm="sha512")

    @d.route("GET /v3/markets/{symbol}/orderbook", signed=False)
    def book(self, ask: d.Ask) -> Any:
        _, bids, asks, _, last = self.whole(self.pair(ask["symbol"]), int(ask.get("depth", 25)))
        last = 1 if self.server.faults.hits("stale_snapshot") else last
        return web.json_response({"bid": rated(bids), "ask": rated(asks)}, headers={"Sequence": str(last)})

    @d.route("POST /v3/orders", kind="place")
    def take_order(self, ask: d.Ask, account: d.Account) -> Any:
        kind, tif, client = ask["type"], OURS[ask["timeInForce"]], str(UUID(ask["clientOrderId"]))
        if kind != "LIMIT" and (kind != "MARKET" or tif not in ("IOC", "FOK")):
            raise d.Rejected("illegal", "type")
        tif, price = ("market", None) if kind == "MARKET" else (tif, ask.number("limit"))
        pair, side = self.pair(ask["marketSymbol"]), ask["direction"].lower()
        order = self.take(account, pair, side, ask.number("quantity"), price, tif=tif, client_id=client)
        return web.json_response(self.row(ORDER, order), status=201)

    def on_subscribe(self, connection: d.Connection, names: list[str], on: bool = True) -> list[Made]:
        allowed = [name for name in names if name not in PRIVATE or connection.account is not None]
        for name in allowed:
            self.follow(connection, name, on)
        return [DONE if name in allowed else no("UNAUTHORIZED_USER") for name in names]

    on_unsubscribe = partialmethod(on_subscribe, on=False)

    def on_authenticate(self, connection: d.Connection, key: str, stamp: Any, content: str, sign: str) -> Made:
        login = f"{stamp}{content}"
        try:
            connection.account = self.signer(key, sign.lower(), login, algorithm="sha512")
        except d.Rejected:
            return no("INVALID_APIKEY")
        connection.state |= {"private": True, "login": login}
        asyncio.get_running_loop().call_later(LOGIN_LASTS - NOTICE, self.terminate, connection, login)
        return DONE

    def terminate(self, connection: d.Connection, login: str = "") -> None:
        """A login runs out: announced, and over a minute later unless it is renewed."""
        if login in ("", connection.state["login"]):
            self.tell(connection, self.push("authenticationExpiring"))
            asyncio.get_running_loop().call_later(NOTICE, self._end, connection, connection.state["login"])

    def _end(self, connection: d.Connection, login: str) -> None:
        if login == connection.state["login"]:
            connection.topics.difference_update(PRIVATE)

    def replayed(self, connection: d.Connection, record: replay.Record) -> str | bytes | None:
        topic = f"trade_{record.symbol}" if record.kind == "trade" else f"orderbook_{record.symbol}_500"
        return record.text if topic in connection.topics else None

    def topic_frame(self, topic: str, window: d.Window, now: int) -> Any:
        what: Made = {"marketSymbol": window.pair, "depth": int(topic.split("_")[2]), "sequence": window.last}
        return self.push("orderBook", what | {"bidDeltas": rated(window.bids), "askDeltas": rated(window.asks)})

    def trade_frame(self, row: Made) -> Any:
        symbol = row.pop("marketSymbol")
        return self.push("trade", self._numbered(f"trade_{symbol}", deltas=[row], marketSymbol=symbol))

    def _numbered(self, stream: str, **content: Any) -> Made:
        self._numbers[stream] += 1
        return content | {"sequence": self._numbers[stream]}

    def _number(self, event: d.Event) -> None:
        """What an event makes the account's streams say, numbered once for all its connections."""
        account, assets = event.order.account, event.order.symbol.split("-")
        said: list[tuple[str, Made]] = [("order", {"delta": self.row(ORDER, event)})]
        said += [] if event.match is None else [("execution", {"deltas": self.rows(EXECUTION, [event])})]
        said += [("balance", {"delta": row}) for row in self.rows(BALANCE, d.holdings(account, *assets))]
        self._told = [(name, self._numbered(account.name + name, accountId=account.name) | what) for name, what in said]

    def user_frames(self, event: d.Event, connection: d.Connection) -> list[d.Build]:
        return [self.build(self.push(name, what)) for name, what in self._told if name in connection.topics]


def no(code: str) -> Made:
    return {"Success": False, "ErrorCode": code}


def rated(levels: d.Levels) -> list[Made]:
    return [{"quantity": d.text(size), "rate": d.text(price)} for price, size in levels]
