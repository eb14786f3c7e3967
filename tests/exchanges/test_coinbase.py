"""Coinbase Exchange: requests as its documentation wants them, frames and answers read as it writes
them.

tests/frames/coinbase/user.jsonl: the documentation's examples of each type, made one order's life.
For the public feeds see test_coinbase_book.py.
"""

import json
from decimal import Decimal as D
from typing import Any

import pytest

from exchanges.coinbase import COINBASE
from exchanges.contract import MALFORMED, ErrorKind, FillCursor, Ready
from exchanges.orders import (
    Balance,
    Fill,
    InFlightOrder,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
)
from orderbook.errors import AuthenticationError
from orderbook.messages import Side
from tests.exchanges.test_coinbase_book import KEYS, PRODUCT, lines, said
from tests.support.answers import answer

# The example of the venue's documentation for a single order.
ORDER_ROW = {
    "id": "d0c5340b-6d6c-49d9-b567-48c4bfca13d2",
    "price": "0.10000000",
    "size": "0.01000000",
    "product_id": "BTC-USD",
    "side": "buy",
    "stp": "dc",
    "type": "limit",
    "time_in_force": "GTC",
    "post_only": False,
    "created_at": "2016-12-08T20:02:28.53864Z",
    "fill_fees": "0.0000000000000000",
    "filled_size": "0.00400000",
    "executed_value": "0.00040000",
    "status": "open",
    "settled": False,
    "client_oid": "mine",
}
FILL_ROW = {
    "created_at": "2019-10-23T23:09:02.504368Z",
    "trade_id": 74,
    "product_id": "BTC-USD",
    "order_id": "d0c5340b-6d6c-49d9-b567-48c4bfca13d2",
    "liquidity": "T",
    "price": "10.00",
    "size": "0.01",
    "fee": "0.00025",
    "side": "sell",
    "settled": True,
}


@pytest.fixture
def rule() -> Any:
    (found,) = COINBASE.book({}, "").trading_rules().read(answer([PRODUCT]))
    return found


@pytest.fixture
def entry(rule: Any) -> Any:
    return COINBASE.orders({rule.trading_pair: rule})


@pytest.fixture
def user(rule: Any) -> Any:
    feed = COINBASE.user(COINBASE.auth(KEYS), {rule.symbol: rule})
    feed.login(1700000000.0)
    return feed


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {
        "client_order_id": "mine",
        "trading_pair": "BTC-USD",
        "symbol": "BTC-USD",
    }
    return InFlightOrder(**{**terms, "side": Side.BUY, "amount": D("0.01"), **changes})


# Signing.


@pytest.mark.parametrize(
    ("method", "path", "query", "expect"),
    [
        ("GET", "/users/self/verify", {}, "v/Lm27jTCFUb0jOFsKobCFb8SwhfWtTcjkALRCfu3H4="),
        (
            "DELETE",
            f"/orders/{ORDER_ROW['id']}",
            {},
            "Hoj1kArsQECp6cJq6Ngimil5Boq//xSIrUh0SjHGZIo=",
        ),
        (
            "DELETE",
            f"/orders/{ORDER_ROW['id']}",
            {"product_id": "BTC-USD"},
            "PIy8auqK/wNA/ZegOT8s9+d/BGFSg3B5m92YWY6wlGg=",
        ),
    ],
)
def test_requests_are_signed(method: str, path: str, query: dict[str, str], expect: str) -> None:
    url = f"https://api.exchange.coinbase.com{path}"
    headers = COINBASE.auth(KEYS).generate_auth_dict(method, url, query, None, now=1700000000.0)[
        "headers"
    ]
    assert headers == {
        "CB-ACCESS-KEY": "key",
        "CB-ACCESS-SIGN": expect,
        "CB-ACCESS-TIMESTAMP": "1700000000",
        "CB-ACCESS-PASSPHRASE": "phrase",
    }


def test_keys_are_complete_and_their_secret_is_base64() -> None:
    with pytest.raises(AuthenticationError, match="passphrase"):
        COINBASE.auth({"api_key": "k", "api_secret": "c2Vj"})
    with pytest.raises(AuthenticationError, match="not base64"):
        COINBASE.auth(KEYS | {"api_secret": "?"}).generate_auth_dict(
            "GET", "https://h/p", {}, None, now=1.0
        )


def test_client_ids_are_random_uuids_by_their_form_and_never_the_same() -> None:
    numbers = [0, 1, 1 << 61, 1 << 62, (1 << 62) + 1, 1 << 79, (1 << 80) - 1]
    names = [COINBASE.client_id(number) for number in numbers]
    assert len(set(names)) == len(names)
    assert {(len(name), name[14], name[19] in "89ab") for name in names} == {(36, "4", True)}


# Orders.


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"price": D("1.10")}, {"type": "limit", "price": "1.10", "time_in_force": "GTC"}),
        (
            {"price": D("1.10"), "tif": TimeInForce.IOC},
            {"type": "limit", "price": "1.10", "time_in_force": "IOC"},
        ),
        (
            {"price": D("1.10"), "post_only": True},
            {"type": "limit", "price": "1.10", "time_in_force": "GTC", "post_only": True},
        ),
        ({"type": OrderType.MARKET}, {"type": "market"}),
    ],
)
def test_orders_are_placed_as_the_venue_wants_them(
    entry: Any, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    request = entry.place(order(**changes, amount=D("1E-8"))).request
    assert (request.method, request.path, request.signed, request.urgent) == (
        "POST",
        "/orders",
        True,
        False,
    )
    common = {"product_id": "BTC-USD", "side": "buy", "size": "0.00000001", "client_oid": "mine"}
    assert request.body == common | expected


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"status": "pending"}, OrderState.OPEN),
        ({"status": "received"}, OrderState.OPEN),
        ({"status": "open"}, OrderState.OPEN),
        (
            {"status": "done", "done_reason": "filled", "done_at": "2016-12-08T20:03:00Z"},
            OrderState.FILLED,
        ),
        (
            {"status": "done", "done_reason": "canceled", "done_at": "2016-12-08T20:03:00Z"},
            OrderState.CANCELLED,
        ),
        ({"status": "rejected", "reject_reason": "post only"}, OrderState.REJECTED),
    ],
)
def test_an_order_answer_is_read(entry: Any, changes: dict[str, Any], state: OrderState) -> None:
    update = entry.place(order()).read(answer(ORDER_ROW | changes))
    assert (update.state, update.filled, update.quote_filled) == (state, D("0.004"), D("0.0004"))
    assert (update.client_order_id, update.exchange_order_id, update.side) == (
        "mine",
        ORDER_ROW["id"],
        Side.BUY,
    )
    assert (update.amount, update.price, update.type) == (D("0.01"), D("0.1"), OrderType.LIMIT)
    assert update.reason == changes.get("reject_reason", "")


def test_a_market_order_has_neither_price_nor_always_a_size(entry: Any) -> None:
    row = {
        name: value
        for name, value in ORDER_ROW.items()
        if name not in ("price", "size", "client_oid")
    }
    update = entry.status(order()).read(answer(row | {"type": "market", "funds": "10"}))
    assert (update.price, update.amount, update.type, update.client_order_id) == (
        None,
        0,
        OrderType.MARKET,
        "",
    )


@pytest.mark.parametrize(
    "changes", [{"status": "what"}, {"status": "done"}, {"status": "done", "done_reason": "what"}]
)
def test_an_unknown_state_is_no_evidence(entry: Any, changes: dict[str, str]) -> None:
    update = entry.status(order()).read(answer(ORDER_ROW | changes))
    word = changes.get("done_reason", changes["status"])
    assert (update.state, update.reason) == (None, f"the status {word!r} is unknown here")
    assert (update.filled, update.exchange_order_id) == (D("0.004"), ORDER_ROW["id"])


def test_orders_are_named_by_our_id_until_the_venues_is_known(entry: Any) -> None:
    unknown = order()
    known = order(exchange_order_id="theirs")
    assert entry.status(unknown).request.path == "/orders/client:mine"
    assert entry.status(known).request.path == "/orders/theirs"
    request = entry.cancel(known).request
    assert (request.method, request.path, request.params) == (
        "DELETE",
        "/orders/theirs",
        {"product_id": "BTC-USD"},
    )
    assert entry.cancel(known).read(answer("theirs")) is None


def test_lists_of_orders_are_read(entry: Any) -> None:
    updates = entry.open_orders().read(answer([ORDER_ROW, ORDER_ROW | {"id": "30"}]))
    assert [update.exchange_order_id for update in updates] == [ORDER_ROW["id"], "30"]
    assert entry.open_orders().request.params == {}
    assert entry.open_orders("BTC-USD").request.params == {"product_id": "BTC-USD"}


def test_fills_are_read_with_their_fee_in_quote(entry: Any) -> None:
    assert entry.order_fills(order(exchange_order_id="theirs")).request.params == {
        "order_id": "theirs"
    }
    (fill,) = entry.order_fills(order()).read(answer([FILL_ROW]))
    assert fill == Fill(
        symbol="BTC-USD",
        trade_id="74",
        exchange_order_id=str(ORDER_ROW["id"]),
        side=Side.SELL,
        price=D(10),
        amount=D("0.01"),
        fee=D("0.00025"),
        fee_asset="USD",
        is_maker=False,
        time=1571872142_504368_000,
    )


def test_pages_of_fills_go_back_until_the_cursor(entry: Any) -> None:
    cursor = FillCursor(time=1571872142_000000_000)
    call = entry.fills("BTC-USD", cursor)
    assert call.request.params == {"product_id": "BTC-USD"}
    older = FILL_ROW | {"trade_id": 73}
    assert call.read(answer([FILL_ROW, older])).next == "73"
    assert entry.fills("BTC-USD", FillCursor(time=1, page="73")).request.params["after"] == "73"
    assert call.read(answer([FILL_ROW, older | {"created_at": "2019-10-23T23:09:01Z"}])).next == ""
    assert call.read(answer([])).next == ""


def test_balances_and_fees_are_read(entry: Any) -> None:
    rows = [
        {
            "id": "x",
            "currency": "BTC",
            "balance": "2",
            "hold": "0.5",
            "available": "1.5",
            "profile_id": "p",
        }
    ]
    assert entry.balances().read(answer(rows)) == [Balance("BTC", D(2), D("1.5"))]
    fee = entry.fees("BTC-USD").read(
        answer({"maker_fee_rate": "0.004", "taker_fee_rate": "0.006", "usd_volume": "1"})
    )
    assert (fee.maker, fee.taker) == (D("0.004"), D("0.006"))


def test_the_server_time_is_in_seconds() -> None:
    assert COINBASE.server_time is not None
    assert (
        COINBASE.server_time.read(
            answer({"iso": "2015-01-07T23:47:25.201Z", "epoch": 1420674445.201})
        )
        > 1420674445
    )


# Rows stand on their own.


ACCOUNT_ROW = {"id": "x", "currency": "BTC", "balance": "2", "hold": "0.5", "available": "1.5"}
BAD_ORDERS = [
    ({"id": None}, "$[1].id: Expected `str`, got `null`"),
    ({"id": 7}, "$[1].id: Expected `str`, got `int`"),
    ({"filled_size": [1]}, "$[1].filled_size: Expected `decimal`, got `array`"),
    ({"side": "hold"}, "$[1].side: Invalid enum value 'hold'"),
    ({"created_at": "yesterday"}, "$[1]: ValueError: Invalid isoformat string"),
]
BAD_FILLS = [
    ({"order_id": None}, "$[1].order_id: Expected `str`, got `null`"),
    ({"price": {}}, "$[1].price: Expected `decimal`, got `object`"),
    ({"fee": "nan"}, "$[1]: ValueError: trade 74: NaN is not a finite number"),
]


@pytest.mark.parametrize(("changes", "why"), BAD_ORDERS)
def test_an_order_that_cannot_be_read_hides_no_other(
    entry: Any, changes: dict[str, Any], why: str
) -> None:
    rows = [ORDER_ROW, ORDER_ROW | changes, ORDER_ROW | {"id": "30", "new_field": {"a": [None]}}]
    updates = entry.open_orders().read(answer(rows))
    assert [update.exchange_order_id for update in updates] == [ORDER_ROW["id"], "30"]
    (bad,) = updates.bad
    assert str(bad).startswith(why)


@pytest.mark.parametrize("field", ["id", "product_id", "side", "type", "status", "filled_size"])
def test_an_order_without_what_it_must_have_hides_no_other(entry: Any, field: str) -> None:
    row = {name: value for name, value in ORDER_ROW.items() if name != field}
    updates = entry.open_orders().read(answer([row, ORDER_ROW]))
    assert [update.exchange_order_id for update in updates] == [ORDER_ROW["id"]]
    assert [str(bad) for bad in updates.bad] == [f"$[0]: Object missing required field `{field}`"]
    with pytest.raises(MALFORMED, match=field):
        entry.status(order()).read(answer(row))


def test_an_order_of_an_unknown_state_hides_no_other(entry: Any) -> None:
    rows = [ORDER_ROW, ORDER_ROW | {"id": "30", "status": "canceling"}]
    updates = entry.open_orders().read(answer(rows))
    assert [update.state for update in updates] == [OrderState.OPEN, None]
    assert (updates[1].reason, updates.is_complete) == (
        "the status 'canceling' is unknown here",
        True,
    )


@pytest.mark.parametrize(("changes", "why"), BAD_FILLS)
def test_a_fill_that_cannot_be_read_hides_no_other(
    entry: Any, changes: dict[str, Any], why: str
) -> None:
    rows = [FILL_ROW, FILL_ROW | changes, FILL_ROW | {"trade_id": 73}]
    page = entry.fills("BTC-USD", FillCursor()).read(answer(rows))
    assert [fill.trade_id for fill in page.items] == ["74", "73"]
    assert page.next == "73"
    assert [str(bad)[: len(why)] for bad in page.items.bad] == [why]
    listed = entry.order_fills(order()).read(answer(rows))
    assert len(listed) == 2
    assert not listed.is_complete


def test_a_balance_that_cannot_be_read_hides_no_other(entry: Any) -> None:
    rows = [ACCOUNT_ROW, ACCOUNT_ROW | {"currency": "X", "hold": None}]
    balances = entry.balances().read(answer(rows))
    assert [balance.asset for balance in balances] == ["BTC"]
    assert [bad.path for bad in balances.bad] == ["$[1].hold"]


# The user channel.


def test_the_user_channel_is_subscribed_for_every_product_that_trades(user: Any) -> None:
    (frame,) = user.login(1700000000.0)
    assert (frame["type"], frame["channels"], frame["product_ids"]) == (
        "subscribe",
        ["user"],
        ["BTC-USD"],
    )
    assert frame["signature"] == "v/Lm27jTCFUb0jOFsKobCFb8SwhfWtTcjkALRCfu3H4="


def test_an_orders_life_is_told(user: Any) -> None:
    ready, received, *_, done, fault = said(user, "user.jsonl")
    assert ready == Ready()
    assert isinstance(received, OrderUpdate)
    assert (received.client_order_id, received.state) == (
        "f6f9a4a2-6d2e-4b8f-9d2c-5a1a3e0f7c11",
        OrderState.OPEN,
    )
    assert (done.state, done.reason, done.client_order_id) == (
        OrderState.CANCELLED, "102:Self Trade Prevention", "",
    )  # fmt: skip
    assert done.exchange_order_id == received.exchange_order_id
    assert fault.kind is ErrorKind.AUTH


def test_what_the_venue_takes_off_without_a_trade_was_not_filled(user: Any) -> None:
    updates = [word for word in said(user, "user.jsonl") if isinstance(word, OrderUpdate)]
    assert [update.left for update in updates] == [None, D("0.001"), D("0.0009")]
    fills = [word for word in said(user, "user.jsonl") if isinstance(word, Fill)]
    assert D("0.00121019") - D("0.0009") == sum(fill.amount for fill in fills)


def test_fills_are_ours_as_taker_or_as_maker(user: Any) -> None:
    taker, maker = [word for word in said(user, "user.jsonl") if isinstance(word, Fill)]
    assert (taker.side, taker.is_maker, taker.trade_id) == (Side.BUY, False, "5455505")
    assert (taker.fee, taker.fee_asset) == (D("47338.46") * D("0.00021019") * D("0.005"), "USDC")
    assert (maker.side, maker.is_maker, maker.fee) == (
        Side.BUY,
        True,
        D("47338.46") * D("0.0001") * D("0.001"),
    )
    assert (
        taker.exchange_order_id == maker.exchange_order_id == "88bf7086-7b15-40ff-8b19-ab4e08516d69"
    )
    assert taker.time == 1614962233_396107_000


def test_other_frames_of_the_user_channel_say_nothing(user: Any) -> None:
    for frame in (
        b'{"type":"subscriptions","channels":[]}',
        b'{"type":"activate"}',
        b'{"type":"match"}',
    ):
        assert list(user.parse(frame)) == []
    assert list(user.parse(b'{"type":"subscriptions","channels":["user"]}')) == [Ready()]


def changed(name: str, **changes: Any) -> bytes:
    """A message of the documentation, with other fields; without those that are ``...``."""
    found = next(line for line in lines("user.jsonl") if f'"type":"{name}"'.encode() in line)
    row = json.loads(found) | changes
    return json.dumps({name: value for name, value in row.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (changed("received", order_id=None), r"Expected `str`, got `null` - at `\$.order_id`"),
        (changed("done", order_id=...), "missing required field `order_id`"),
        (changed("open", remaining_size=...), "missing required field `remaining_size`"),
        (changed("match", price=[]), r"Expected `decimal`, got `array` - at `\$.price`"),
        (changed("match", taker_user_id=None), r"got `null` - at `\$.taker_user_id`"),
        (changed("match", taker_fee_rate=...), "trade 5455505 of ours has no fee rate"),
        (changed("match", side="both"), "Invalid enum value 'both'"),
    ],
)
def test_an_event_that_cannot_be_read_is_an_error(user: Any, frame: bytes, why: str) -> None:
    with pytest.raises(MALFORMED, match=why):
        list(user.parse(frame))


def test_an_unknown_reason_and_more_fields_are_no_error(user: Any) -> None:
    (update,) = user.parse(changed("done", reason="gone", new_field={"a": [None]}))
    assert (update.state, update.reason) == (None, "the status 'gone' is unknown here")
    assert update.left == D("0.0003")


def test_a_kind_of_event_that_is_new_is_passed_over(user: Any) -> None:
    assert list(user.parse(b'{"type":"new","order_id":7}')) == []
    assert list(user.parse(changed("match", taker_user_id=..., price=None))) == []


# Refusals.


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Insufficient funds", ErrorKind.FUNDS),
        (400, "size is too small. Minimum size is 0.0001", ErrorKind.REFUSED),
        (400, "price is too precise", ErrorKind.REFUSED),
        (400, "Invalid order id", ErrorKind.REFUSED),
        (400, "Product not found", ErrorKind.REFUSED),
        (400, "Trading pair not available", ErrorKind.REFUSED),
        (400, "Cancel only mode", ErrorKind.REFUSED),
        (400, "client_oid is a duplicate", ErrorKind.DUPLICATE),
        (404, "NotFound", ErrorKind.NOT_FOUND),
        (404, "order not found", ErrorKind.NOT_FOUND),
        (400, "Order already done", ErrorKind.NOT_FOUND),
        (400, "request timestamp expired", ErrorKind.CLOCK),
        (401, "Invalid API Key", ErrorKind.AUTH),
        (401, "invalid signature", ErrorKind.AUTH),
        (401, "Invalid Passphrase", ErrorKind.AUTH),
        (429, "Private rate limit exceeded", ErrorKind.RATE),
        (503, "Insufficient funds", ErrorKind.UNKNOWN),
        (400, "something new", ErrorKind.UNKNOWN),
    ],
)
def test_refusals_are_told_apart(status: int, message: str, kind: ErrorKind) -> None:
    fault = COINBASE.error(answer({"message": message}, status))
    assert fault is not None
    assert (fault.kind, fault.message) == (kind, message)


def test_success_is_no_refusal_and_no_json_is_an_unknown_outcome() -> None:
    assert COINBASE.error(answer({"message": "fine"})) is None
    fault = COINBASE.error(answer(b"<html>", 502))
    assert fault is not None
    assert fault.kind is ErrorKind.UNKNOWN


@pytest.mark.parametrize(
    "body", [b"<title>403 Forbidden</title>", b"404 Not Found", b"", b"null", b"{}", b'"Invalid"']
)
def test_what_a_gateway_says_proves_nothing(body: bytes) -> None:
    kinds = [COINBASE.error(answer(body, status)) for status in (401, 403, 404, 429)]
    assert [fault.kind for fault in kinds if fault is not None] == [
        ErrorKind.UNKNOWN,
        ErrorKind.UNKNOWN,
        ErrorKind.UNKNOWN,
        ErrorKind.RATE,
    ]
