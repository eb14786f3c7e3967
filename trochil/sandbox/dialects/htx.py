"""HTX (Huobi) spot from the venue's side. Source: its API documentation, v1.0, and frames that it sent."""

import ast
import asyncio
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from aiohttp import web

from trochil.sandbox.accounts import Account
from trochil.sandbox.dialect import Ask, Levels, Window, Wire, alone, lookup, own, refusals, route, socket
from trochil.sandbox.facts import holdings, ms, text
from trochil.sandbox.matching import Order
from trochil.sandbox.replay import Record
from trochil.sandbox.server import Build, Connection, Server
from trochil.sandbox.shape import Facts, Made
from trochil.sandbox.signatures import signature
from trochil.sandbox.venue import Event, Rejected

SYMBOL = """symbol base-currency=base_low quote-currency=quote_low price-precision=#tick_places
    amount-precision=#step_places value-precision:=8 symbol-partition:main state=trading api-trading:enabled
    min-order-amt=#least max-order-amt=#most limit-order-min-order-amt=#least limit-order-max-order-amt=#most
    sell-market-min-order-amt=#least sell-market-max-order-amt=#most min-order-value=#worth"""
TICKER = "symbol close=#last amount=#volume vol=#quote_volume bid=#bid bidSize=#bid_size ask=#ask askSize=#ask_size"
TRADE = "id=#long_id {}=#trade_id price=#price amount=#amount direction=side ts=#time_ms"
ORDER = """id=#id symbol account-id:=7 client-order-id=client amount=size price type state source:spot-api
    created-at=#created_ms finished-at=#done canceled-at=#cut {0}-amount=filled {0}-cash-amount=quote_filled
    {0}-fees:0"""
FILL = """id=#trade_id trade-id=#trade_id match-id=#trade_id order-id=#id symbol type source:spot-api role
    price=fill_price filled-amount=fill_amount filled-fees=fee fee-currency=fee_low filled-points:0
    fee-deduct-currency: fee-deduct-state:done created-at=#time_ms"""
EVENT = """symbol orderId=#id clientOrderId=client type orderStatus=state orderSource:spot-api orderPrice=price
    orderSize=?amount orderValue=?quote_amount eventType=event"""
EVENTS = {
    "creation": "accountId:=7 orderCreateTime=#created_ms",
    "trade": """tradePrice=fill_price tradeVolume=fill_amount tradeId=#trade_id tradeTime=#time_ms aggressor
        remainAmt=rest execAmt=did""",
    "cancellation": "lastActTime=#time_ms remainAmt=rest execAmt=did",
}
CLEARED = """symbol orderId=id clientOrderId=client orderSide=side orderType=type orderStatus=state accountId:=7
    source:spot-api orderPrice=price orderCreateTime=#created_ms eventType:trade tradePrice=fill_price
    tradeVolume=fill_amount tradeId=#trade_id tradeTime=#time_ms aggressor transactFee=fee feeCurrency=fee_low
    feeDeduct:0 feeDeductType:"""
BALANCE = (
    "currency=low accountId:=7 balance=total available=free accountType:trade changeType:order-match changeTime=#now_ms"
)
KINDS = {"limit": "GTC", "ioc": "IOC", "limit-fok": "FOK", "limit-maker": "post_only", "market": "market"}
TYPES = {tif: kind for kind, tif in KINDS.items()}
CLOSED = {"filled": 6, "canceled": 7, "partial-canceled": 5}
CANCELING, CANCELS_AFTER, IMAGES_EVERY = 10, 0.03, 1000
STATES = {"new": "submitted", "partially_filled": "partial-filled", "filled": "filled"}
KINDS_OF = {"/feed": ("mbp.150",), "/ws": ("depth.step0", "trade.detail")}
SIGNED = ("AccessKeyId", "Signature", "Timestamp")


def both(rows: list[Made]) -> Any:
    """Each asset's holding, as two rows."""
    kinds = ("trade", "frozen")
    return {"id": 7, "list": [{"currency": r["low"], "type": kind, "balance": r[kind]} for r in rows for kind in kinds]}


def merged(row: Made) -> web.Response:
    tick = row | {side: [row[side], row[f"{side}Size"]] for side in ("bid", "ask")}
    return web.json_response({"status": "ok", "tick": tick})


def traded(rows: list[Made]) -> Any:
    return [{"id": row["id"], "ts": row["ts"], "data": [row]} for row in rows]


def v2(rows: Any) -> web.Response:
    return web.json_response({"code": 200, "data": rows, "success": True})


class Recorded:
    """Captured frames: images and trades, gzipped, as Python writes bytes."""

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "").lower()

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        frame = ast.literal_eval(text) if text[:1] == "b" else gzip.compress(b"{}")
        said = json.loads(gzip.decompress(frame), parse_float=str, parse_int=str)
        match said.get("ch", "").split("."):
            case ["market", symbol, "depth" | "trade" as kind, _]:
                yield Record(time, "image" if kind == "depth" else kind, symbol, frame, said)

    def levels(self, record: Record) -> tuple[list[list[str]], list[list[str]]]:
        return record.data["tick"]["bids"], record.data["tick"]["asks"]

    def last_id(self, record: Record) -> int:
        return int(record.data["tick"]["version"])


class Dialect(Wire):
    """``mbp.150`` on one socket, trades and images on another, gzipped both; orders on a third."""

    name = "htx"
    window = 150
    recordings = Recorded()
    book_topic, trade_topic, trade_words = (
        "market.{}.mbp.150",
        "market.{}.trade.detail",
        TRADE.format("tradeId") + " symbol",
    )
    private_paths = ("/ws/v2",)
    refusals = refusals("""
        unknown_symbol 200 base-symbol-error The symbol is invalid
        market_closed 200 base-symbol-trade-disabled Trading is disabled for this symbol
        price_filter 200 order-orderprice-precision-error order price precision error
        lot_size 200 order-orderamount-precision-error order amount precision error
        notional 200 order-value-min-error Order total cannot be lower than the minimum
        insufficient_balance 200 account-frozen-balance-insufficient-error trade account balance is not enough
        duplicate_client_id 200 invalid-client-order-id Invalid clientOrderId
        unknown_order 200 base-record-invalid record invalid
        closed 200 order-orderstate-error Incorrect order state
        missing 200 validation-constraints-required Field is missing: {}.
        illegal 200 validation-format-error Format Error: {}.
        bad_key 200 api-signature-not-valid Signature not valid: Incorrect Access key
        bad_signature 200 api-signature-not-valid Signature not valid: Verification failure
        bad_time 200 api-signature-not-valid Signature not valid: Invalid submission time or incorrect time format
        unavailable 503 gateway-internal-error Failed to load data. Try again later.
        timeout 200 timeout Request Timeout
        rate_limited 429 rate-too-many-requests exceeded rate limit""")
    words = {
        "trading": {True: "online", False: "suspend"},
        "event": {"new": "creation", "cancelled": "cancellation", "expired": "cancellation"},
    }
    lookups = (
        lookup("GET /v1/common/symbols", "markets", SYMBOL),
        lookup("GET /market/tickers", "tickers", TICKER),
        lookup("GET /market/detail/merged", "ticker", TICKER, merged, pair="symbol"),
        lookup("GET /market/history/trade", "trades", TRADE.format("trade-id"), traded, pair="symbol", limit="size"),
        own("GET /v1/account/accounts", "venue", "id:=7 type:spot subtype: state:working", alone),
        own("GET /v1/account/accounts/{id}/balance", "holdings", "low trade=free frozen=held", both),
        own("GET /v1/order/openOrders", "open_orders", ORDER.format("filled"), pair="symbol"),
        own("GET /v1/order/orders/getClientOrder", "order", ORDER.format("field"), client="clientOrderId"),
        own("GET /v1/order/orders/{id}", "order", ORDER.format("field"), id="id"),
        own("GET /v1/order/orders/{id}/matchresults", "fills_down", FILL, order="id"),
        own("GET /v1/order/matchresults", "fills_down", FILL, pair="symbol", before="from", limit="size"),
        own(
            "GET /v2/reference/transact-fee-rate",
            "markets",
            "symbol makerFeeRate=maker_fee takerFeeRate=taker_fee actualMakerRate=maker_fee actualTakerRate=taker_fee",
            v2,
            pair="symbols",
        ),
    )

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.venue.post_only_cancels = True
        self._canceling: set[int] = set()
        self._answers: dict[str, Any] = {}
        self._imaged: Counter[str] = Counter()

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "").lower()

    def more(self, facts: Facts, thing: Any) -> Facts:
        low = {"base": "base_low", "quote": "quote_low", "asset": "low", "fee_asset": "fee_low"}
        made = {name: facts[fact].lower() for fact, name in low.items() if fact in facts}
        if "trade_id" in facts:
            made |= {"long_id": f"1{facts['trade_id']:0>26}", "aggressor": not facts.get("maker")}
        order = getattr(thing, "order", thing)
        return made | self._of_order(facts, order) if isinstance(order, Order) else made

    def _of_order(self, facts: Facts, order: Order) -> Facts:
        """The type holds the time in force; sizes of a purchase by value are in quote."""
        cut, done = "partial-canceled" if order.filled else "canceled", facts["done_ms"] or "0"
        state = "canceling" if order.is_open and order.id in self._canceling else STATES.get(order.state, cut)
        kind = "limit-maker" if facts["post_only"] else "market" if facts["kind"] == "market" else TYPES[order.tif]
        made = {"state": state, "type": f"{order.side}-{kind}", "done": done, "cut": done if state == cut else "0"}
        if order.quote_amount is None:
            return made | {"size": facts["amount"], "did": facts["filled"], "rest": facts["left"]}
        rest = text(order.quote_amount - order.quote_filled)
        return made | {"size": facts["quote_amount"], "did": facts["quote_filled"], "rest": rest}

    def refused(self, code: str, message: str) -> Any:
        return {"status": "error", "err-code": code, "err-msg": message, "data": None}

    def result(self, body: Any) -> Any:
        return {"status": "ok", "data": body}

    def verify(self, ask: Ask) -> Account:
        pairs = (pair for pair in ask.target.partition("?")[2].split("&") if not pair.startswith("Signature="))
        query = "&".join(sorted(pairs, key=lambda pair: pair.partition("=")[0]))
        head = f"{ask.request.method}\n{ask.request.host}\n"
        return self._signed(*(ask.get(name) for name in SIGNED), f"{head}{ask.request.path}\n{query}")

    def _signed(self, key: str, given: str, stamp: str, *payloads: str) -> Account:
        def made(keys: Mapping[str, str]) -> str:
            signs = [signature(keys["api_secret"], payload, encoding="base64") for payload in payloads]
            return given if given in signs else ""

        seconds = datetime.fromisoformat(f"{stamp}+00:00").timestamp() if stamp else 1.0
        return self.signer(key, given, made, seconds, within=300.0)

    @route("GET /v1/common/timestamp", signed=False)
    def timestamp(self, ask: Ask) -> Any:
        return ms(self.server.now_ns())

    @route("GET /market/depth", signed=False)
    def depth(self, ask: Ask) -> Any:
        return web.json_response({"status": "ok", **self._image(self.pair(ask["symbol"]), self.server.now_ns())})

    @route("POST /v1/order/orders/place", kind="place")
    def take_order(self, ask: Ask, account: Account) -> Any:
        side, _, kind = ask["type"].partition("-")
        terms = {"tif": KINDS[kind], "client_id": ask.get("client-order-id"), "in_quote": ask["type"] == "buy-market"}
        price = None if kind == "market" else ask.number("price")
        return str(self.take(account, self.pair(ask["symbol"]), side, ask.number("amount"), price, **terms).id)

    @route("POST /v1/order/orders/{id}/submitcancel", kind="cancel")
    def cancel_one(self, ask: Ask, account: Account) -> Any:
        if self._cancel_soon(order := self.find(account, order_id=ask["id"])) != CANCELING:
            raise Rejected("closed")
        return str(order.id)

    @route("POST /v1/order/orders/submitCancelClientOrder", kind="cancel")
    def cancel_by_client(self, ask: Ask, account: Account) -> Any:
        found = [order for order in self.orders_of(account) if order.client_id == ask["client-order-id"]]
        return self._cancel_soon(found[-1]) if found else 0

    def _cancel_soon(self, order: Order) -> int:
        """The request is taken; the engine hears of it later, when the order may be filled."""

        def reach_engine() -> None:
            self._canceling.discard(order.id)
            if order.is_open:
                self.cancel(order)

        if not order.is_open:
            return CLOSED[self.row("state", order)["state"]]
        self._canceling.add(order.id)
        asyncio.get_running_loop().call_later(CANCELS_AFTER, reach_engine)
        return CANCELING

    def encode(self, connection: Connection, frame: Any) -> str | bytes:
        words = json.dumps(frame)
        return words if connection.path in self.private_paths else gzip.compress(words.encode(), 1)

    def opened(self, connection: Connection) -> None:
        super().opened(connection)
        connection.state["unanswered"] = 0
        self._ping(connection)

    def _ping(self, connection: Connection) -> None:
        """Who leaves two unanswered is cut."""
        private, now = connection.state["private"], ms(self.server.now_ns())
        if connection.state["unanswered"] == 2:
            self.server.disconnect([connection])
        elif connection in self.server.connections:
            connection.state["unanswered"] += 1
            self.tell(connection, {"action": "ping", "data": {"ts": now}} if private else {"ping": now})
            asyncio.get_running_loop().call_later(20 if private else 5, self._ping, connection)

    @socket("/ws", "/feed")
    def heard(self, connection: Connection, said: Any) -> None:
        if "pong" in said:
            connection.state["unanswered"] = 0
            return
        word = next(name for name in ("sub", "unsub", "req") if name in said)
        try:
            _, symbol, kind = said[word].split(".", 2)
            pair = self.pair(symbol)
            if kind not in KINDS_OF[connection.path]:
                raise Rejected("unknown_topic")
        except (Rejected, ValueError):
            refusal = {"status": "error", "err-code": "bad-request", "err-msg": f"invalid topic {said[word]}"}
            self.tell(connection, refusal | {"id": said.get("id"), "ts": ms(self.server.now_ns())})
            return
        self._asked(connection, word, said, pair, kind)

    def _asked(self, connection: Connection, word: str, said: Any, pair: str, kind: str) -> None:
        topic, answer = said[word], {"id": said.get("id"), "status": "ok", "ts": ms(self.server.now_ns())}
        if word == "req":
            fresh = self._image(pair, self.server.now_ns())["tick"]
            late = self._answers.get(topic, fresh) if self.server.faults.hits("stale_snapshot") else fresh
            self._answers[topic] = late
            self.tell(connection, answer | {"rep": topic, "data": late})
            return
        self.follow(connection, topic, word == "sub")
        self.tell(connection, answer | {f"{word}bed": topic})
        if word == "sub" and kind == "depth.step0":
            if self.server.replay is not None:
                self.server.replay.listened()
            self.tell(connection, lambda now: self._image(pair, now))
        for match in self.recent.get(pair, [])[-1:] if word == "sub" and kind == "trade.detail" else []:
            self.tell(connection, self.trade_frame(self.row(self.trade_words, match)))

    def depth_changed(self, pair: str, *changed: Any) -> None:
        super().depth_changed(pair, *changed)
        now, topic = int(asyncio.get_running_loop().time() * 1000), f"market.{self.symbol(pair)}.depth.step0"
        if now - self._imaged[pair] >= IMAGES_EVERY:
            self._imaged[pair] = now
            self.publish(topic, lambda now: self._image(pair, now))

    def _image(self, pair: str, now: int) -> Any:
        _, bids, asks, _, last = self.whole(pair)
        tick = {"seqNum": last, "version": last, "bids": numbers(bids), "asks": numbers(asks)}
        return {"ch": f"market.{self.symbol(pair)}.depth.step0", "ts": ms(now), "tick": tick}

    def book_frame(self, window: Window, now: int) -> Any:
        pair, bids, asks, before, last = window
        tick = {"seqNum": last, "prevSeqNum": before, "bids": numbers(bids), "asks": numbers(asks)}
        return {"ch": self.book_topic.format(self.symbol(pair)), "ts": ms(now), "tick": tick}

    def trade_frame(self, row: Made) -> Any:
        symbol = row.pop("symbol")
        tick = {"id": row["id"] // 10**9, "ts": row["ts"], "data": [row]}
        return {"ch": self.trade_topic.format(symbol), "ts": row["ts"], "tick": tick}

    def replayed(self, connection: Connection, record: Record) -> str | bytes | None:
        return record.text if record.data["ch"] in connection.topics else None

    @socket("/ws/v2")
    def heard_privately(self, connection: Connection, said: Any) -> None:
        answer = {"action": said["action"], "ch": said.get("ch"), "code": 200, "data": {}}
        if said["action"] == "pong":
            connection.state["unanswered"] = 0
            return
        if said["action"] == "req":
            answer |= self._login(connection, **said["params"])
        elif connection.account is None:
            answer |= {"code": 2002, "message": "invalid.auth.state"}
        self.tell(connection, answer)
        if said["action"] == "sub" and connection.account is not None:
            self.follow(connection, said["ch"])
            if said["ch"].startswith("accounts"):
                for row in self.rows(BALANCE, holdings(connection.account)):
                    self.tell(connection, push(said["ch"], row | {"changeType": None, "changeTime": None}))

    def _login(self, connection: Connection, authType: str, signature: str, **params: str) -> Made:
        request = connection.ws._req
        assert request is not None
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(params.items()))
        # One client signs the whole address where the path is meant.
        paths = (connection.path, f"ws://{request.host}{connection.path}")
        payloads = [f"GET\n{request.host}\n{path}\n{query}" for path in paths]
        try:
            connection.account = self._signed(params["accessKey"], signature, params["timestamp"], *payloads)
        except Rejected:
            return {"code": 2002, "message": "auth.fail"}
        return {}

    def user_frames(self, event: Event, connection: Connection) -> list[Build]:
        """Of the engine, then of the clearing, then of the purse."""
        base, _, quote = event.order.symbol.partition("-")
        kind = self.row("event", event)["event"]
        told = {"orders": self.rows(f"{EVENT} {EVENTS[kind]}", [event])}
        told["trade.clearing"] = self.rows(CLEARED, [event] if event.match else [])
        told["accounts.update"] = self.rows(BALANCE, holdings(event.order.account, base, quote))
        topics = sorted(connection.topics, key=lambda topic: list(told).index(topic.partition("#")[0]))
        return [self.build(push(topic, row)) for topic in topics for row in told[topic.partition("#")[0]]]


def numbers(levels: Levels) -> list[list[float]]:
    return [[float(price), float(size)] for price, size in levels]


def push(topic: str, row: Made) -> Made:
    return {"action": "push", "ch": topic, "data": row}
