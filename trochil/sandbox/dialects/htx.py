"""HTX (Huobi) spot from the venue's side. Source: its API documentation, v1.0, and frames that it sent."""

import gzip
import json
from contextlib import suppress
from urllib.parse import urlencode

from trochil.sandbox import dialect as d
from trochil.sandbox.dialect import Any, lookup, own, tell

SYMBOL = """symbol base-currency=base quote-currency=quote price-precision=#tick_places amount-precision=#step_places
    value-precision:=8 symbol-partition:main state=trading api-trading:enabled min-order-amt=#least max-order-amt=#most
    limit-order-min-order-amt=#least limit-order-max-order-amt=#most min-order-value=#worth"""
TICKER = "symbol close=#last amount=#volume vol=#quote_volume bid=#bid bidSize=#bid_size ask=#ask askSize=#ask_size"
DEALS = """id=#trade_id ts=#time_ms data[id=#long_id {}=#trade_id price=#price amount=#amount direction=side
    ts=#time_ms]"""
TICK = "tick{{{} bids=#bids asks=#asks}}".format
IMAGE, CHANGES = TICK("version=#last"), TICK("seqNum=#last prevSeqNum=?#before")
ORDER = """id=#id symbol account-id:=7 client-order-id=client amount=size price type state=outcome source:spot-api
    created-at=#created_ms finished-at=#done_ms canceled-at=#cut_ms {0}-amount=filled {0}-cash-amount=quote_filled
    {0}-fees:0"""
FILL = """id=#trade_id trade-id=#trade_id match-id=#trade_id order-id=#id symbol type source:spot-api role
    price=fill_price filled-amount=fill_amount filled-fees=fee fee-currency=fee_asset filled-points:0
    fee-deduct-currency: fee-deduct-state:done created-at=#time_ms"""
DEAL = (
    "tradePrice=fill_price tradeVolume=fill_amount tradeId=#trade_id tradeTime=#time_ms aggressor"
)
EVENT = """symbol orderId=#id clientOrderId=client type orderStatus=outcome orderSource:spot-api orderPrice=price
    orderSize=?amount orderValue=?quote_amount eventType=event"""
LEFT = "remainAmt=rest execAmt=done"
CLEARED = f"""symbol orderId=id clientOrderId=client orderSide=side orderType=type orderStatus=outcome accountId:=7
    source:spot-api orderPrice=price orderCreateTime=#created_ms eventType=event {DEAL} transactFee=fee
    feeCurrency=fee_asset feeDeduct:0 feeDeductType:"""
BALANCE = """currency=asset accountId:=7 balance=total available=free accountType:trade changeType:order-match
    changeTime=#now_ms"""
PURSE = "f=purse[currency=asset type:trade balance=free] h=purse[currency=asset type:frozen balance=held]"
FEES = "symbol makerFeeRate=maker_fee takerFeeRate=taker_fee actualMakerRate=maker_fee actualTakerRate=taker_fee"
TYPES = {
    "GTC": "limit",
    "IOC": "ioc",
    "FOK": "limit-fok",
    "post_only": "limit-maker",
    "market": "market",
}
PLACED = {"side": "type", "size": "amount", "price": "price", "client": "client-order-id"}
CANCELLED = {"cancelled": "canceled", "expired": "canceled", "cut": "partial-canceled"}
CANCELING, CLOSED = 10, {"filled": 6, "canceled": 7, "partial-canceled": 5}
OFFERED = {"/feed": ("mbp.150",), "/ws": ("depth.step0", "trade.detail")}
STEP0, DETAIL = "market.{}.depth.step0", "market.{}.trade.detail"
RECORDED = """image kind:depth symbol bids asks version
    trade kind:trade symbol"""


def purse(row: d.Made) -> Any:
    return {"id": 7, "list": row["f"] + row["h"]}


class Dialect(d.Wire):
    """``mbp.150`` on one socket, trades and images on another, gzipped both; orders on a third, as text."""

    name, symbol_form, window = "htx", "{}{}", 150
    post_only_cancels = lower_case = buys_by_value = True
    recordings = d.Gzipped("{}{}", RECORDED, topics={"image": STEP0, "trade": DETAIL})
    cancels_after, book_topic, image_topic = 0.03, "market.{}.mbp.150", STEP0
    trade_topic, trade_words = DETAIL, f"symbol ts=#time_ms tick{{{DEALS.format('tradeId')}}}"
    private_paths, pings_every = ("/ws/v2",), (5.0, 20.0)
    reset_header, topic_mark = "X-HB-RateLimit-Requests-Expire", "#"
    refusals = d.refusals("""
        200: unknown_symbol base-symbol-error | market_closed base-symbol-trade-disabled
        price_filter order-orderprice-precision-error | lot_size order-orderamount-precision-error
        notional order-value-min-error | insufficient_balance account-frozen-balance-insufficient-error
        duplicate_client_id invalid-client-order-id | unknown_order order-orderstate-error
        no_such_order base-record-invalid | missing validation-constraints-required Field is missing: {}.
        illegal validation-format-error Format Error: {}.
        bad_key api-signature-not-valid Signature not valid: Incorrect Access key
        bad_signature api-signature-not-valid Signature not valid: Verification failure
        bad_time api-signature-not-valid Signature not valid: Invalid submission time or incorrect time format
        timeout timeout | unknown_topic bad-request invalid topic {} | 503: unavailable gateway-internal-error
        429: rate_limited rate-too-many-requests""")
    words = {
        "trading": {True: "online", False: "suspend"},
        "outcome": {
            "new": "submitted",
            "partially_filled": "partial-filled",
            "cancelling": "canceling",
            **CANCELLED,
        },
        "terms": TYPES,
        "event": {"new": "creation", "cancelled": "cancellation", "expired": "cancellation"},
    }
    lookups = (
        lookup("GET /v1/common/timestamp", "venue", "now=#now_ms", lambda row: row["now"]),
        lookup("GET /v1/common/symbols", "markets", SYMBOL),
        lookup("GET /market/tickers", "tickers", TICKER),
        lookup("GET /market/detail/merged", "ticker", f"tick{{{TICKER}}}", pair="symbol"),
        lookup("GET /market/depth", "book", IMAGE, pair="symbol", limit="depth"),
        lookup(
            "GET /market/history/trade",
            "trades",
            DEALS.format("trade-id"),
            pair="symbol",
            limit="size",
        ),
        own("GET /v1/account/accounts", "venue", "id:=7 type:spot subtype: state:working", d.alone),
        own("GET /v1/account/accounts/{id}/balance", "account", PURSE, purse),
        own(
            "POST /v1/order/orders/place",
            "place",
            "id",
            lambda row: row["id"],
            pair="symbol",
            **PLACED,
        ),
        own("GET /v1/order/openOrders", "open_orders", ORDER.format("filled"), pair="symbol"),
        own(
            "GET /v1/order/orders/getClientOrder",
            "order",
            ORDER.format("field"),
            client="clientOrderId",
        ),
        own("GET /v1/order/orders/{id}", "order", ORDER.format("field"), id="id"),
        own("GET /v1/order/orders/{id}/matchresults", "fills_down", FILL, order="id"),
        own(
            "GET /v1/order/matchresults",
            "fills_down",
            FILL,
            pair="symbol",
            before="from",
            limit="size",
        ),
        own(
            "POST /v1/order/orders/{id}/submitcancel",
            "cancel",
            "id",
            lambda row: row["id"],
            id="id",
        ),
        own("GET /v2/reference/transact-fee-rate", "markets", FEES, pair="symbols"),
    )
    tells = (
        tell("orders", f"{EVENT} accountId:=7 orderCreateTime=#created_ms", "new"),
        tell("orders", f"{EVENT} {DEAL} {LEFT}", "trade"),
        tell("orders", f"{EVENT} lastActTime=#time_ms {LEFT}", "cancelled expired"),
        tell("trade.clearing", CLEARED, "trade"),
        tell("accounts.update", BALANCE, each="both"),
    )

    def more(self, facts: d.Facts, thing: Any) -> d.Facts:
        """Sizes of a purchase by value are in quote."""
        made: d.Facts = {}
        if "trade_id" in facts:
            made |= {"aggressor": not facts.get("maker"), "long_id": f"1{facts['trade_id']:0>26}"}
        if "terms" in facts:
            ended, done = (
                facts["done_ms"] or "0",
                facts["quote_filled" if facts["unit"] == "quote" else "filled"],
            )
            made |= {
                "done_ms": ended,
                "cut_ms": ended if facts["outcome"] in CANCELLED else "0",
                "done": done,
            }
            made |= {"rest": d.text(d.Decimal(facts["size"]) - d.Decimal(done))}
            made["type"] = f"{facts['side']}-{TYPES[facts['terms']]}"
        return made

    def refused(self, code: str, message: str) -> Any:
        return {"status": "error", "err-code": code, "err-msg": message, "data": None}

    def result(self, body: Any) -> Any:
        return {"status": "ok", "code": 200} | (
            body if isinstance(body, dict) and "tick" in body else {"data": body}
        )

    def verify(self, ask: d.Ask) -> d.Account:
        query = "&".join(
            sorted(pair for pair in ask.query.split("&") if not pair.startswith("Signature="))
        )
        payload = f"{ask.request.method}\n{ask.request.host}\n{ask.request.path}\n{query}"
        key, given, stamp = (ask.get(name) for name in ("AccessKeyId", "Signature", "Timestamp"))
        seconds = d.seconds_of(stamp and f"{stamp}Z") or 1.0
        return self.signer(
            key, given, payload, seconds, within=300.0, ahead=300.0, encoding="base64"
        )

    @d.route("POST /v1/order/orders/submitCancelClientOrder", kind="cancel")
    def cancel_by_client(self, ask: d.Ask, account: d.Account) -> Any:
        orders = [
            order for order in self.orders_of(account) if order.client_id == ask["client-order-id"]
        ][-1:]
        for order in orders:
            if not order.is_open:
                return CLOSED[self.row("outcome", order)["outcome"]]
            self.find_cancel(account, {"id": order.id})
        return CANCELING if orders else 0

    def encode(self, connection: d.Connection, frame: Any) -> str | bytes:
        words = json.dumps(frame)
        return words if connection.is_private else gzip.compress(words.encode(), 1)

    def ping(self, connection: d.Connection, now: int) -> Any:
        return {"action": "ping", "data": {"ts": now}} if connection.is_private else {"ping": now}

    @d.socket("/ws", "/feed")
    def heard(self, connection: d.Connection, said: Any) -> None:
        word, topic = next((word, said[word]) for word in ("sub", "unsub", "req") if word in said)
        _, symbol, kind = topic.split(".", 2)
        pair = self.pair(symbol)
        if kind not in OFFERED[connection.path]:
            raise d.Rejected("unknown_topic", topic)
        answer = {"id": said.get("id"), "status": "ok", "ts": d.ms(self.server.now_ns())}
        if word == "req":
            tick = self.topic_frame(topic, self.asked_for(pair), 0)["tick"]
            self.tell(connection, answer | {"rep": topic, "data": tick})
            return
        self.subscribe(connection, [topic], word == "sub", answer | {f"{word}bed": topic})
        for match in (
            self.recent.get(pair, [])[-1:] if word == "sub" and kind == "trade.detail" else ()
        ):
            self.tell(connection, self.trade_frame(self.row(self.trade_words, match)))

    def answer(self, said: Any, refusal: str = "") -> Any:
        return {
            "status": "error",
            "err-code": "bad-request",
            "err-msg": refusal,
            "id": said.get("id"),
        }

    def topic_frame(self, topic: str, window: d.Window, now: int) -> Any:
        return {
            "ch": topic,
            "ts": d.ms(now),
            **self.row(CHANGES if "mbp" in topic else IMAGE, window),
        }

    def trade_frame(self, row: d.Made) -> Any:
        return {"ch": self.trade_topic.format(row.pop("symbol")), **row}

    @d.socket("/ws/v2")
    def heard_privately(self, connection: d.Connection, said: Any) -> None:
        answer, topic = (
            {"action": said["action"], "ch": said["ch"], "code": 200, "data": {}},
            said["ch"],
        )
        if topic == "auth":
            self._login(connection, **said["params"])
        if connection.account is None:
            why = "auth.fail" if topic == "auth" else "invalid.auth.state"
            self.tell(connection, answer | {"code": 2002, "message": why})
            return
        self.tell(connection, answer)
        self.follow(connection, topic, said["action"] == "sub")
        for row in (
            self.rows(BALANCE, d.holdings(connection.account))
            if topic.startswith("accounts")
            else []
        ):
            self.tell(
                connection,
                {
                    "action": "push",
                    "ch": topic,
                    "data": row | {"changeType": None, "changeTime": None},
                },
            )

    def _login(
        self, connection: d.Connection, accessKey: str, signature: str, authType: str, **more: str
    ) -> None:
        given = urlencode(sorted({"accessKey": accessKey, **more}.items()))
        # One client signs the whole address where the path is meant.
        for path in (connection.path, f"ws://{connection.host}{connection.path}"):
            with suppress(d.Rejected):
                payload = f"GET\n{connection.host}\n{path}\n{given}"
                connection.account = self.signer(accessKey, signature, payload, encoding="base64")

    def user_frame(self, topic: str, row: d.Made, connection: d.Connection) -> d.Build:
        return self.build({"action": "push", "ch": topic, "data": row})
