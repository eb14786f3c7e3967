"""Hyperliquid's account: its private stream, orders as it wants them, answers and refusals as it
writes them."""

import json
from decimal import Decimal as D
from typing import Any

import msgspec
import pytest

from exchanges.contract import MALFORMED, Answer, ErrorKind, Fault, FillCursor, Ready
from exchanges.hyperliquid import FILLS_AN_ANSWER, HYPERLIQUID
from exchanges.orders import (
    Balance,
    Fee,
    Fill,
    InFlightOrder,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
)
from orderbook.messages import Side
from tests.exchanges.test_hyperliquid import ADDRESS, KEYS, META, SPOT_META, by_pair
from tests.support.answers import answer

MINE = "0x00000000000000000000000000000001"
# The form of the documentation (orderStatus, orderUpdates), with the numbers of a spot order.
ORDER_ROW: dict[str, Any] = {
    "coin": "@107",
    "side": "B",
    "limitPx": "30.5",
    "sz": "0.75",
    "oid": 7456484275,
    "timestamp": 1681923833000,
    "origSz": "1.0",
    "cloid": MINE,
}
FILL_ROW: dict[str, Any] = {
    "coin": "@107",
    "px": "30.5",
    "sz": "0.25",
    "side": "B",
    "time": 1681923833500,
    "startPosition": "0.0",
    "dir": "Buy",
    "closedPnl": "0.0",
    "hash": "0xaa",
    "oid": 7456484275,
    "crossed": False,
    "fee": "-0.0001",
    "feeToken": "HYPE",
    "tid": 1122334455,
    "cloid": MINE,
}
UPDATE = OrderUpdate(
    symbol="@107",
    state=OrderState.OPEN,
    client_order_id=MINE,
    exchange_order_id="7456484275",
    filled=D("0.25"),
    quote_filled=D(0),
    time=1681923833000_000_000,
    side=Side.BUY,
    amount=D(1),
    price=D("30.5"),
    type=OrderType.LIMIT,
)
FILL = Fill(
    symbol="@107",
    trade_id="1122334455",
    exchange_order_id="7456484275",
    client_order_id=MINE,
    side=Side.BUY,
    price=D("30.5"),
    amount=D("0.25"),
    fee=D("-0.0001"),
    fee_asset="HYPE",
    is_maker=True,
    time=1681923833500_000_000,
)


def entry_of(feed: str, meta: Any) -> Any:
    entry = HYPERLIQUID.orders(by_pair(HYPERLIQUID.with_feed(feed).book({}, ""), meta))
    asked = entry.handshake()
    assert next(asked).request.body == {"type": "userRole"}
    perps = asked.send(None)
    spot = asked.send(perps.read(answer(META)))
    with pytest.raises(StopIteration):
        asked.send(spot.read(answer(SPOT_META)))
    return entry


@pytest.fixture
def entry() -> Any:
    return entry_of("", SPOT_META)


@pytest.fixture
def perps() -> Any:
    return entry_of("perps", META)


@pytest.fixture
def user() -> Any:
    rules = {rule.symbol: rule for rule in by_pair(HYPERLIQUID.book({}, ""), SPOT_META).values()}
    return HYPERLIQUID.user(HYPERLIQUID.auth(KEYS), rules)


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {
        "client_order_id": MINE,
        "trading_pair": "HYPE-USDC",
        "symbol": "@107",
        "side": Side.BUY,
    }
    terms |= {"amount": D("1.50"), "price": D("30.500"), "exchange_order_id": "7456484275"}
    return InFlightOrder(**{**terms, **changes})


def placed(status: Any) -> Answer:
    return answer({"status": "ok", "response": {"type": "order", "data": {"statuses": [status]}}})


def frame(channel: str, data: Any) -> bytes:
    return json.dumps({"channel": channel, "data": data}).encode()


# The private stream.


def test_the_login_subscribes_with_the_address_and_both_confirmations_make_it_ready(
    user: Any,
) -> None:
    asked = [said["subscription"] for said in user.login(0.0)]
    assert asked == [
        {"type": "orderUpdates", "user": ADDRESS},
        {"type": "userFills", "user": ADDRESS},
    ]
    confirmed = [
        frame("subscriptionResponse", {"method": "subscribe", "subscription": said})
        for said in asked
    ]
    assert list(user.parse(confirmed[1])) == list(user.parse(b'{"channel":"pong"}')) == []
    assert list(user.parse(confirmed[0])) == [Ready()]


STATES = {
    "open": OrderState.OPEN,
    "triggered": OrderState.OPEN,
    "filled": OrderState.CANCELLED,
    "canceled": OrderState.CANCELLED,
    "marginCanceled": OrderState.CANCELLED,
    "scheduledCancel": OrderState.CANCELLED,
    "rejected": OrderState.REJECTED,
    "tickRejected": OrderState.REJECTED,
    "iocCancelRejected": OrderState.EXPIRED,
}


@pytest.mark.parametrize(("word", "state"), STATES.items())
def test_an_order_update_says_what_is_left(user: Any, word: str, state: OrderState) -> None:
    (update,) = user.parse(
        frame("orderUpdates", [{"order": ORDER_ROW, "status": word, "statusTimestamp": 1}])
    )
    reason = word if word in ("marginCanceled", "iocCancelRejected", "tickRejected") else ""
    assert update == msgspec.structs.replace(UPDATE, state=state, reason=reason, time=1_000_000)


def test_what_is_filled_whole_is_filled_and_what_takes_less_is_over_too(user: Any) -> None:
    row = {"order": ORDER_ROW | {"sz": "0.0"}, "status": "filled", "statusTimestamp": 1}
    (update,) = user.parse(frame("orderUpdates", [row]))
    assert (update.state, update.filled) == (OrderState.FILLED, 1)


def test_an_order_without_client_id_has_none(user: Any) -> None:
    row = {"order": ORDER_ROW | {"cloid": None}, "status": "open", "statusTimestamp": 1681923833000}
    (update,) = user.parse(frame("orderUpdates", [row]))
    assert (update.client_order_id, update.exchange_order_id) == ("", "7456484275")
    with pytest.raises(MALFORMED):
        list(user.parse(frame("orderUpdates", [{"order": {"coin": "@107"}, "status": "open"}])))


def test_a_status_that_no_table_knows_is_that_of_its_order_alone(user: Any, entry: Any) -> None:
    known = {"order": ORDER_ROW, "status": "open", "statusTimestamp": 1681923833000}
    unknown = known | {"status": "dreaming"}
    first, second = user.parse(frame("orderUpdates", [unknown, known]))
    assert (first.state, first.reason) == (None, "the status 'dreaming' is unknown here")
    assert second == UPDATE


def test_rows_stand_on_their_own(user: Any, entry: Any) -> None:
    bad = ORDER_ROW | {"oid": None}
    rows = entry.open_orders().read(answer([ORDER_ROW, bad, ORDER_ROW | {"more": 1}]))
    assert rows == [UPDATE, UPDATE]
    assert [str(row) for row in rows.bad] == ["$[1].oid: Expected `int`, got `null`"]
    fills = {"user": ADDRESS, "fills": [FILL_ROW | {"px": "much"}, FILL_ROW]}
    fill, fault = user.parse(frame("userFills", fills))
    assert fill == FILL
    assert (fault.kind, fault.message) == (
        ErrorKind.UNREADABLE,
        "$.data.fills[0].px: Invalid decimal string",
    )
    del bad["origSz"]
    status = {"order": ORDER_ROW, "status": "open", "statusTimestamp": 1681923833000}
    update, fault = user.parse(frame("orderUpdates", [{**status, "order": bad}, status]))
    assert (update, fault.kind) == (UPDATE, ErrorKind.UNREADABLE)
    assert fault.message.startswith("$.data[0].order")
    balances = [{"coin": "USDC", "total": "1", "hold": "0"}, {"coin": "HYPE", "total": "1"}]
    rows = entry.balances().read(answer({"balances": balances}))
    assert [balance.asset for balance in rows] == ["USDC"]
    assert str(rows.bad[0]) == "$.balances[1]: Object missing required field `hold`"


def test_pairs_of_tokens_that_are_not_listed_are_left_out() -> None:
    unlisted = {"name": "@1441", "tokens": [1576, 0], "index": 1441}
    meta = {**SPOT_META, "universe": [*SPOT_META["universe"], unlisted]}
    rules = HYPERLIQUID.book({}, "").trading_rules().read(answer(meta))
    assert len(rules) == len(SPOT_META["universe"])
    assert "token 1576 of @1441 is not listed" in str(rules.bad[0])


def test_fills_are_read_but_neither_history_nor_those_of_other_markets(user: Any) -> None:
    other = FILL_ROW | {"coin": "BTC"}
    data = {"user": ADDRESS, "fills": [FILL_ROW, other]}
    assert list(user.parse(frame("userFills", data))) == [FILL]
    assert list(user.parse(frame("userFills", data | {"isSnapshot": True}))) == []
    row = {"order": ORDER_ROW | {"coin": "BTC"}, "status": "open", "statusTimestamp": 1}
    assert list(user.parse(frame("orderUpdates", [row]))) == []


def test_a_refused_subscription_is_a_fault_and_an_unknown_channel_an_error(user: Any) -> None:
    fault = Fault(ErrorKind.UNKNOWN, "", "Invalid subscription")
    assert list(user.parse(frame("error", "Invalid subscription"))) == [fault]
    with pytest.raises(MALFORMED):
        list(user.parse(frame("webData2", {})))


# Orders.


@pytest.mark.parametrize(
    ("changes", "tif"),
    [
        ({}, "Gtc"),
        ({"post_only": True}, "Alo"),
        ({"tif": TimeInForce.IOC}, "Ioc"),
        ({"type": OrderType.MARKET}, "Ioc"),
    ],
)
def test_an_order_is_placed(entry: Any, changes: Any, tif: str) -> None:
    request = entry.place(order(**changes)).request
    assert (request.method, request.path, request.signed, request.is_mutating) == (
        "POST",
        "/exchange",
        True,
        True,
    )
    terms = {
        "a": 10107,
        "b": True,
        "p": "30.5",
        "s": "1.5",
        "r": False,
        "t": {"limit": {"tif": tif}},
        "c": MINE,
    }
    assert request.body == {"type": "order", "orders": [terms], "grouping": "na"}
    assert list(request.body["orders"][0]) == ["a", "b", "p", "s", "r", "t", "c"], (
        "the hash is of this order"
    )
    assert list(request.body) == ["type", "orders", "grouping"]
    assert (request.urgent, request.cost) == (False, {"weight": 1, "orders": 1})


def test_asset_ids_are_of_the_index_for_spot_and_of_the_place_for_perpetuals(
    entry: Any, perps: Any
) -> None:
    def asset(entry: Any, symbol: str) -> int:
        return int(entry.place(order(symbol=symbol)).request.body["orders"][0]["a"])

    assert (asset(entry, "PURR/USDC"), asset(entry, "@107")) == (10000, 10107)
    assert (asset(perps, "BTC"), asset(perps, "kPEPE")) == (0, 2)


def test_numbers_are_written_plainly(entry: Any) -> None:
    terms = entry.place(
        order(price=D("1E+5"), amount=D("0.00001000"), side=Side.SELL)
    ).request.body["orders"][0]
    assert (terms["p"], terms["s"], terms["b"]) == ("100000", "0.00001", False)


@pytest.mark.parametrize(
    ("status", "oid"),
    [
        ({"resting": {"oid": 77738308}}, "77738308"),
        ({"filled": {"totalSz": "0.02", "avgPx": "1891.4", "oid": 77747314}}, "77747314"),
    ],
)
def test_a_placed_order_has_the_venues_id_and_the_stream_tells_the_rest(
    entry: Any, status: Any, oid: str
) -> None:
    assert HYPERLIQUID.error(placed(status)) is None
    update = OrderUpdate(
        symbol="@107", state=OrderState.OPEN, client_order_id=MINE, exchange_order_id=oid
    )
    assert entry.place(order()).read(placed(status)) == update


def test_an_answer_to_a_placed_order_of_another_form_is_malformed(entry: Any) -> None:
    with pytest.raises(MALFORMED):
        entry.place(order()).read(placed("waitingForTrigger"))


def test_an_order_is_cancelled_by_our_name_and_a_foreign_one_by_the_venues(entry: Any) -> None:
    call = entry.cancel(order())
    assert call.request.body == {
        "type": "cancelByCloid",
        "cancels": [{"asset": 10107, "cloid": MINE}],
    }
    assert list(call.request.body["cancels"][0]) == ["asset", "cloid"]
    assert (call.request.path, call.request.signed, call.request.urgent) == (
        "/exchange",
        True,
        True,
    )
    assert HYPERLIQUID.error(placed("success")) is None
    assert call.read(placed("success")) is None
    foreign = entry.cancel(order(external=True))
    assert foreign.request.body == {"type": "cancel", "cancels": [{"a": 10107, "o": 7456484275}]}
    assert foreign.read(placed("success")) is None


def test_an_order_is_asked_for_by_either_name(entry: Any) -> None:
    call = entry.status(order())
    assert (call.request.path, call.request.body) == ("/info", {"type": "orderStatus", "oid": MINE})
    assert (call.request.signed, call.request.is_mutating, call.request.urgent) == (
        True,
        False,
        True,
    )
    assert entry.status(order(external=True)).request.body["oid"] == 7456484275
    found = answer(
        {
            "status": "order",
            "order": {"order": ORDER_ROW, "status": "canceled", "statusTimestamp": 1681923833000},
        }
    )
    assert HYPERLIQUID.error(found) is None
    assert call.read(found) == msgspec.structs.replace(UPDATE, state=OrderState.CANCELLED)


def test_open_orders_are_those_of_the_pair_or_of_all_that_are_known(entry: Any) -> None:
    call = entry.open_orders("HYPE-USDC")
    every = entry.open_orders()
    assert call.request.body == every.request.body == {"type": "frontendOpenOrders"}
    found = answer([ORDER_ROW, ORDER_ROW | {"coin": "PURR/USDC"}, ORDER_ROW | {"coin": "BTC"}])
    assert call.read(found) == [UPDATE]
    assert [update.symbol for update in every.read(found)] == ["@107", "PURR/USDC"]


def test_fills_are_those_of_the_pair_since_a_time(entry: Any) -> None:
    call = entry.fills("HYPE-USDC", FillCursor(time=1681923833499_999_999))
    assert call.request.body == {"type": "userFillsByTime", "startTime": 1681923833499}
    page = call.read(answer([FILL_ROW | {"coin": "PURR/USDC", "tid": 9}, FILL_ROW]))
    assert (page.items, page.next) == ([FILL], "")


def test_a_full_part_of_fills_names_the_time_at_which_the_next_begins(entry: Any) -> None:
    rows = [
        FILL_ROW | {"coin": "PURR/USDC", "tid": n, "time": 1000 + n} for n in range(FILLS_AN_ANSWER)
    ]
    page = entry.fills("HYPE-USDC", FillCursor(time=1000_000_000)).read(answer(rows))
    assert (page.items, page.next) == ([], str(999 + FILLS_AN_ANSWER))
    following = entry.fills("HYPE-USDC", FillCursor(time=1000_000_000, page=page.next))
    assert following.request.body["startTime"] == 999 + FILLS_AN_ANSWER
    one_moment = [row | {"time": 999 + FILLS_AN_ANSWER} for row in rows]
    assert following.read(answer(one_moment)).next == str(1000 + FILLS_AN_ANSWER), (
        "it goes on in any case"
    )


def test_balances_are_read(entry: Any) -> None:
    call = entry.balances()
    assert call.request.body == {"type": "spotClearinghouseState"}
    row = {"coin": "USDC", "token": 0, "total": "14.625485", "hold": "4.5", "entryNtl": "0.0"}
    assert call.read(answer({"balances": [row]})) == [
        Balance("USDC", D("14.625485"), D("10.125485"))
    ]


def test_fees_are_those_of_the_market(entry: Any, perps: Any) -> None:
    rates = {"userCrossRate": "0.00045", "userAddRate": "0.00015"}
    rates |= {"userSpotCrossRate": "0.0007", "userSpotAddRate": "0.0004"}
    assert entry.fees("HYPE-USDC").request.body == {"type": "userFees"}
    assert entry.fees("HYPE-USDC").read(answer(rates)) == Fee(D("0.0004"), D("0.0007"))
    assert perps.fees("BTC-USD").read(answer(rates)) == Fee(D("0.00015"), D("0.00045"))


# Refusals.

TEXTS = [
    ("Order was never placed, already canceled, or filled. asset=10107", ErrorKind.NOT_FOUND),
    ("Insufficient margin to place order. asset=4", ErrorKind.FUNDS),
    ("Insufficient spot balance asset=10107", ErrorKind.FUNDS),
    ("Price must be divisible by tick size. asset=4", ErrorKind.REFUSED),
    ("Order must have minimum value of $10. asset=4", ErrorKind.REFUSED),
    ("Post only order would have immediately matched, bbo was 1@2.", ErrorKind.REFUSED),
    ("Order could not immediately match against any resting orders.", ErrorKind.REFUSED),
    ("Order has invalid size.", ErrorKind.REFUSED),
    ("Order has zero size.", ErrorKind.REFUSED),
    ("Order price cannot be more than 80% away from the reference price", ErrorKind.REFUSED),
    ("User or API Wallet 0x14 does not exist.", ErrorKind.AUTH),
    ("Must deposit before performing actions. User: 0x14", ErrorKind.AUTH),
    ("Invalid nonce: duplicate nonce 5", ErrorKind.CLOCK),
    ("Too many cumulative requests sent (10001 > 10000)", ErrorKind.RATE),
    ("The moon is full.", ErrorKind.UNKNOWN),
]


@pytest.mark.parametrize(("text", "kind"), TEXTS)
def test_refusals_of_status_200_are_told_by_their_words(text: str, kind: ErrorKind) -> None:
    limits = ("orders",) if "cumulative" in text else ()
    fault = Fault(kind, "", text, limits=limits)
    assert HYPERLIQUID.error(placed({"error": text})) == fault
    assert HYPERLIQUID.error(answer({"status": "err", "response": text})) == fault


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"status": "unknownOid"}, 200, ErrorKind.NOT_FOUND),
        (b"Failed to deserialize the JSON body into the target type", 422, ErrorKind.REFUSED),
        (b"", 429, ErrorKind.RATE),
        (b"null", 500, ErrorKind.UNKNOWN),
        (b"bad gateway", 502, ErrorKind.UNKNOWN),
        (b"?", 403, ErrorKind.UNKNOWN),
    ],
)
def test_refusals_by_status(body: Any, status: int, kind: ErrorKind) -> None:
    fault = HYPERLIQUID.error(answer(body, status))
    assert fault is not None
    assert (fault.kind, bool(fault.message)) == (kind, True)


@pytest.mark.parametrize("role", ["missing", "agent", "vault", "subAccount"])
def test_an_address_that_is_no_account_of_its_own_is_no_key(role: str) -> None:
    fault = HYPERLIQUID.error(answer({"role": role, "data": {"user": ADDRESS}}))
    assert fault == Fault(ErrorKind.AUTH, role, f"api_key is no account's own address: {role}")
    assert HYPERLIQUID.error(answer({"role": "user"})) is None


def test_an_answer_that_is_no_refusal_is_none() -> None:
    for body in ([], SPOT_META, b"garbage"):
        assert HYPERLIQUID.error(answer(body)) is None


def test_client_ids_are_sixteen_bytes_in_hexadecimal() -> None:
    assert HYPERLIQUID.client_id(0xAB) == "0x000000000000000000000000000000ab"
    ids = {HYPERLIQUID.client_id(number) for number in (0, 1, 2**79, 2**80 - 1)}
    assert len(ids) == 4
    assert {len(name) for name in ids} == {34}


def test_what_the_venue_is_said_to_have() -> None:
    assert HYPERLIQUID.has == {"post_only", "ioc", "market"}
    assert (HYPERLIQUID.slippage, HYPERLIQUID.ping) == (D("0.05"), '{"method":"ping"}')
    assert HYPERLIQUID.ping_every <= 50, "the venue cuts who is silent for a minute"
    assert not HYPERLIQUID.streams_balances
