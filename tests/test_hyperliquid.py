"""Hyperliquid: requests as its documentation wants them, frames and answers read as it writes them.

frames/hyperliquid/public.jsonl: the l2Book, trades and subscriptionResponse frames are those of the documentation
(the fact sheet's copy), the l4Book frames are written in the form of order_book_server's tests.
"""

import json
import math
import sys
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchanges.contract import MALFORMED, Answer, ErrorKind, Fault, FillCursor, Page, Ready
from exchanges.hyperliquid import HYPERLIQUID, HyperliquidL4, digest, sign
from exchanges.orders import (
    Balance,
    Fee,
    Fill,
    InFlightOrder,
    NewOrder,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
    TradingRule,
)
from exchanges.rules import check_order
from orderbook.active_orders import ActiveOrderTracker, sides_of
from orderbook.errors import AuthenticationError, ConfigError, InvalidOrder
from orderbook.messages import (
    BookSnapshot,
    Lost,
    OrderAction,
    OrderEvent,
    OrdersSnapshot,
    RestingOrder,
    Side,
    Trade,
)

LINES = (Path(__file__).parent / "frames" / "hyperliquid" / "public.jsonl").read_bytes().splitlines()
CONFIRMED, L2_BOOK, TRADES, L4_SNAPSHOT, L4_UPDATES = LINES
SECRET = "0x0123456789012345678901234567890123456789012345678901234567890123"
ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325"
KEYS = {"api_key": "0x14791697260E4c9A71f18484C9f997B308e59325", "api_secret": SECRET}
HOST, TESTNET = "https://api.hyperliquid.xyz", "https://api.hyperliquid-testnet.xyz"
MINE = "0x00000000000000000000000000000001"
SPOT_META: dict[str, Any] = {
    "tokens": [
        {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0},
        {"name": "HYPE", "szDecimals": 2, "weiDecimals": 8, "index": 150},
        {"name": "PURR", "szDecimals": 0, "weiDecimals": 5, "index": 1},
        {"name": "feUSD", "szDecimals": 2, "weiDecimals": 8, "index": 3},
        {"name": "Hype", "szDecimals": 2, "weiDecimals": 8, "index": 4},
    ],
    "universe": [
        {"name": "PURR/USDC", "tokens": [1, 0], "index": 0},
        {"name": "@107", "tokens": [150, 0], "index": 107},
        {"name": "@5", "tokens": [3, 0], "index": 5, "isDelisted": True},
        {"name": "@6", "tokens": [4, 0], "index": 6},
        {"name": "ODD/USDC", "tokens": [3, 1], "index": 7},
    ],
}
META: dict[str, Any] = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "OLD", "szDecimals": 1, "maxLeverage": 3, "isDelisted": True},
        {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10},
    ]
}
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
    left=D("0.75"),
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


def answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def by_pair(feed: Any, meta: Any) -> dict[str, TradingRule]:
    return {rule.trading_pair: rule for rule in feed.trading_rules().read(answer(meta))}


@pytest.fixture
def feed() -> Any:
    return HYPERLIQUID.book({}, "")


@pytest.fixture
def l4() -> Any:
    return HYPERLIQUID.with_feed("l4Book").book({}, "")


@pytest.fixture
def entry(feed: Any) -> Any:
    return HYPERLIQUID.orders(by_pair(feed, SPOT_META))


@pytest.fixture
def perps(l4: Any) -> Any:
    return HYPERLIQUID.orders(by_pair(l4, META))


@pytest.fixture
def user(feed: Any) -> Any:
    rules = {rule.symbol: rule for rule in by_pair(feed, SPOT_META).values()}
    return HYPERLIQUID.user(HYPERLIQUID.auth(KEYS), rules)


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {"client_order_id": MINE, "trading_pair": "HYPE-USDC", "symbol": "@107"}
    return InFlightOrder(**{**terms, "side": Side.BUY, "amount": D(1), "exchange_order_id": "7456484275", **changes})


def new(**changes: Any) -> NewOrder:
    terms: dict[str, Any] = {"client_order_id": MINE, "trading_pair": "HYPE-USDC", "side": Side.BUY}
    return NewOrder(**{**terms, "amount": D("1.50"), "price": D("30.500"), **changes})


def placed(status: Any) -> Answer:
    return answer({"status": "ok", "response": {"type": "order", "data": {"statuses": [status]}}})


# Signing: the vectors are those of the tests of hyperliquid-python-sdk (tests/signing_test.py), recomputed.


def action(**changes: Any) -> dict[str, Any]:
    terms = {"a": 1, "b": True, "p": "100", "s": "100", "r": False, "t": {"limit": {"tif": "Gtc"}}, **changes}
    return {"type": "order", "orders": [terms], "grouping": "na"}


PACKED = (
    "83a474797065a56f72646572a66f72646572739186a16101a162c3a170a3313030a173a3313030a172c2a17481a56c696d697481a3746966"
    "a3477463a867726f7570696e67a26e61"
)
VECTORS = [
    (
        HOST,
        action(),
        "0xd65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
        "0x2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e",
        28,
    ),
    (
        TESTNET,
        action(),
        "0x82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54",
        "0x6b53878fc99d26047f4d7e8c90eb98955a109f44209163f52d8dc4278cbbd9f5",
        27,
    ),
    (
        HOST,
        action(c=MINE),
        "0x041ae18e8239a56cacbc5dad94d45d0b747e5da11ad564077fcac71277a946e3",
        "0x3c61f667e747404fe7eea8f90ab0e76cc12ce60270438b2058324681a00116da",
        27,
    ),
    (
        HOST,
        {"type": "scheduleCancel", "time": 123456789},
        "0x609cb20c737945d070716dcc696ba030e9976fcf5edad87afa7d877493109d55",
        "0x16c685d63b5c7a04512d73f183b3d7a00da5406ff1f8aad33f8ae2163bab758b",
        28,
    ),
]


@pytest.mark.parametrize(("host", "body", "r", "s", "v"), VECTORS)
def test_published_signatures(host: str, body: Any, r: str, s: str, v: int) -> None:
    signed = HYPERLIQUID.auth(KEYS).generate_auth_dict("POST", f"{host}/exchange", {}, body, now=0.0)
    assert (signed["url"], signed["headers"]) == (f"{host}/exchange", {"Content-Type": "application/json"})
    said = {"action": body, "nonce": 0, "signature": {"r": r, "s": s, "v": v}, "vaultAddress": None}
    assert json.loads(signed["body"]) == said


def test_the_published_packing_and_hashes() -> None:
    from eth_utils.crypto import keccak

    assert digest(action(), 0).hex() == PACKED + "00" * 9
    assert keccak(digest(action(), 0)).hex() == "884f2c32bb6dbdd65f6033e32fb28c0cb6f5b345db0f6471fd3366d85c9252c1"
    ether = action(a=4, p="1670.1", s="0.0147", t={"limit": {"tif": "Ioc"}})
    told = "0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908"
    assert keccak(digest(ether, 1677777606040)).hex() == told


def test_nonces_are_the_time_and_never_come_twice() -> None:
    auth = HYPERLIQUID.auth(KEYS)
    nows = [1.5, 1.5, 1.4999, 2.0]
    bodies = [auth.generate_auth_dict("POST", f"{HOST}/exchange", {}, action(), now=now)["body"] for now in nows]
    assert [json.loads(body)["nonce"] for body in bodies] == [1500, 1501, 1502, 2000]


def test_a_question_only_names_the_account() -> None:
    asked = HYPERLIQUID.auth(KEYS).generate_auth_dict("POST", f"{HOST}/info", {}, {"type": "userFees"}, now=1.0)
    assert json.loads(asked["body"]) == {"type": "userFees", "user": ADDRESS}


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"api_key": ADDRESS}, "api_secret"),
        (KEYS | {"api_key": "0x1234"}, "api_key must be"),
        (KEYS | {"api_secret": "S3CRET"}, "api_secret must be"),
    ],
)
def test_a_key_that_is_none_is_refused_without_being_told(keys: dict[str, str], what: str) -> None:
    with pytest.raises(AuthenticationError, match=what) as refused:
        HYPERLIQUID.auth(keys)
    assert "S3CRET" not in str(refused.value)
    assert SECRET not in repr(HYPERLIQUID.auth(KEYS))


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "eth_account", None)
    with pytest.raises(ConfigError, match="pip install eth-account"):
        sign(SECRET, b"", "a")


# Rules and markets.


def test_spot_rules_are_read_by_token_index(feed: Any) -> None:
    call = feed.trading_rules()
    assert (call.request.method, call.request.path, call.request.body) == ("POST", "/info", {"type": "spotMeta"})
    assert (call.request.asks, call.request.signed) == (True, False)
    purr, hype, *_ = call.read(answer(SPOT_META))
    assert purr == TradingRule(
        trading_pair="PURR-USDC",
        symbol="PURR/USDC",
        base="PURR",
        quote="USDC",
        price_tick=D("0.00000001"),
        size_step=D(1),
        min_notional=D(10),
        significant_digits=5,
    )
    assert (hype.symbol, hype.price_tick, hype.size_step) == ("@107", D("0.000001"), D("0.01"))


def test_pairs_are_in_capitals_unless_two_differ_by_nothing_else(feed: Any) -> None:
    rules = by_pair(feed, SPOT_META)
    assert list(rules) == ["PURR-USDC", "HYPE-USDC", "FEUSD-USDC", "Hype-USDC", "FEUSD-PURR"]
    assert (rules["FEUSD-USDC"].base, rules["HYPE-USDC"].symbol) == ("feUSD", "@107")


def test_a_delisted_pair_and_one_of_unknown_asset_id_are_not_active(feed: Any) -> None:
    assert [rule.active for rule in by_pair(feed, SPOT_META).values()] == [True, True, False, True, False]


def test_perpetuals_are_all_read_in_their_order(l4: Any) -> None:
    assert l4.trading_rules().request.body == {"type": "meta"}
    rules = l4.trading_rules().read(answer(META))
    assert [(r.trading_pair, r.symbol, r.base, r.quote, r.active) for r in rules] == [
        ("BTC-USD", "BTC", "BTC", "USD", True),
        ("OLD-USD", "OLD", "OLD", "USD", False),
        ("KPEPE-USD", "kPEPE", "kPEPE", "USD", True),
    ]
    assert (rules[0].price_tick, rules[0].size_step, rules[0].min_notional) == (D("0.1"), D("0.00001"), 10)


@pytest.mark.parametrize(("price", "right"), [("30.512", True), ("30.5123", False), ("123456", True)])
def test_prices_have_five_digits_or_are_integers(feed: Any, price: str, right: bool) -> None:
    rule, wanted = by_pair(feed, SPOT_META)["HYPE-USDC"], new(price=D(price))
    if right:
        check_order(wanted, rule)
    else:
        with pytest.raises(InvalidOrder, match="5 significant digits"):
            check_order(wanted, rule)


def test_volumes_are_read_by_coin_or_by_place(feed: Any, l4: Any) -> None:
    assert feed.markets().request.body == {"type": "spotMetaAndAssetCtxs"}
    rows: list[Any] = [{"coin": "@107", "markPx": "30", "dayNtlVlm": "300", "dayBaseVlm": "9.5", "midPx": None}]
    (found,) = feed.markets().read(answer([SPOT_META, rows]))
    assert (found.symbol, found.last_price, found.base_volume, found.quote_volume) == ("@107", 30, D("9.5"), 300)
    assert l4.markets().request.body == {"type": "metaAndAssetCtxs"}
    rows = [{"markPx": "100000", "dayNtlVlm": "200000"}, {"markPx": "0", "dayNtlVlm": "0"}]
    assert [(m.symbol, m.base_volume) for m in l4.markets().read(answer([META, rows]))] == [("BTC", 2), ("OLD", 0)]


# Books.


def test_subscriptions_name_a_book_and_trades_a_coin(feed: Any, l4: Any) -> None:
    frames = [json.loads(frame) for frame in feed.subscribe(["@107"])]
    assert frames == [
        {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "@107"}},
        {"method": "subscribe", "subscription": {"type": "trades", "coin": "@107"}},
    ]
    methods = [json.loads(frame)["method"] for frame in feed.refresh(["@107"])]
    assert methods == ["unsubscribe", "unsubscribe", "subscribe", "subscribe"]
    assert json.loads(next(iter(l4.subscribe(["BTC"]))))["subscription"] == {"type": "l4Book", "coin": "BTC"}
    assert (feed.images, l4.images, feed.snapshot("@107"), l4.snapshot("BTC")) == (True, False, None, None)


def test_the_socket_opens_at_its_path(feed: Any, user: Any) -> None:
    for role in (feed, user):
        with pytest.raises(StopIteration) as end:
            next(role.opening())
        assert end.value.value == "/ws"


def test_a_book_is_an_image_with_its_time_as_number(feed: Any) -> None:
    (book,) = feed.parse(L2_BOOK)
    bids, asks = b'[{"px":"106217.0","sz":"0.001","n":1}]', b'[{"px":"106233.0","sz":"0.26739","n":3}]'
    assert book == BookSnapshot("BTC", bids, asks, 1751427259657, 1751427259657_000_000)
    assert [side.tolist() for side in sides_of(book)] == [[[106217.0, 0.001]], [[106233.0, 0.26739]]]


@pytest.mark.parametrize(("word", "taker"), [("A", Side.SELL), ("B", Side.BUY)])
def test_a_trade_carries_the_takers_side(feed: Any, word: str, taker: Side) -> None:
    frame = TRADES.replace(b'"side":"A"', f'"side":"{word}"'.encode())
    assert list(feed.parse(frame)) == [Trade("BTC", "293353986402527", taker, 106296.0, 0.00017, 1751430933565_000_000)]


@pytest.mark.parametrize("frame", [CONFIRMED, b'{"channel":"pong"}', b"Websocket connection established."])
def test_acknowledgements_say_nothing(feed: Any, l4: Any, user: Any, frame: bytes) -> None:
    assert list(feed.parse(frame)) == list(l4.parse(frame)) == []
    list(user.login(0.0))
    assert list(user.parse(frame)) == []


def test_a_refusal_is_a_fault_but_not_that_of_our_ping_by_a_node(feed: Any, l4: Any) -> None:
    refused = [Fault(ErrorKind.UNKNOWN, "", "Invalid subscription: x")]
    assert list(feed.parse(b'{"channel":"error","data":"Invalid subscription: x"}')) == refused
    frame = {"channel": "error", "data": f"Error parsing JSON into valid websocket request: {HYPERLIQUID.ping}"}
    assert list(l4.parse(json.dumps(frame).encode())) == []


@pytest.mark.parametrize(
    "frame",
    [
        b"[]",
        b"nothing",
        b'{"what_is":"this"}',
        b'{"channel":"bbo","data":{}}',
        b'{"channel":"l2Book","data":{"coin":"BTC"}}',
        b'{"channel":"l4Book","data":{}}',
        b'{"channel":"trades","data":[{"coin":"BTC","side":"X","px":"1","sz":"1","time":1,"tid":1}]}',
        b'{"channel":"trades","data":[{"coin":"BTC","side":"A","sz":"1","time":1,"tid":1}]}',
        b'{"channel":"orderUpdates","data":[{"order":{"coin":"@107"},"status":"open"}]}',
    ],
)
def test_a_frame_of_no_known_form_raises(feed: Any, l4: Any, user: Any, frame: bytes) -> None:
    for role in (feed, l4, user):
        with pytest.raises(MALFORMED):
            list(role.parse(frame))


# Order by order.


def test_the_snapshot_has_every_order(l4: Any) -> None:
    (book,) = l4.parse(L4_SNAPSHOT)
    bids, asks = [RestingOrder("258166296856", 106296.0, 0.5)], [RestingOrder("258166296857", 106297.0, 2.0)]
    assert book == OrdersSnapshot("BTC", bids, asks, time=1751430933000_000_000)


def test_a_block_changes_orders_in_its_order(l4: Any) -> None:
    (book,) = l4.parse(L4_SNAPSHOT)
    opened, changed, done = l4.parse(L4_UPDATES)
    time = 1751430933565_000_000
    assert opened == OrderEvent("BTC", OrderAction.OPEN, "258166296858", "sell", 106298.0, 0.6, time=time)
    assert (changed.action, changed.order_id, changed.size) == (OrderAction.CHANGE, "258166296856", 0.3)
    assert math.isnan(changed.price)
    assert done == OrderEvent("BTC", OrderAction.DONE, "258166296857", time=time)
    tracker = ActiveOrderTracker()
    tracker.snapshot(book)
    for event in (opened, changed, done):
        tracker.event(event)
    assert tracker.active_bids == {106296.0: {"258166296856": 0.3}}
    assert tracker.active_asks == {106298.0: {"258166296858": 0.6}}


def block(*diffs: Any, sides: dict[int, str] | None = None) -> bytes:
    rows = [{"coin": "BTC", "user": "0x01", "oid": oid, "px": "1.0", "raw_book_diff": what} for oid, what in diffs]
    statuses = [
        {"status": "open", "order": {"oid": oid, "coin": "BTC", "side": side, "limitPx": "1.0", "sz": "1"}}
        for oid, side in (sides or {}).items()
    ]
    data = {"time": 1, "height": 2, "order_statuses": statuses, "book_diffs": rows}
    return json.dumps({"channel": "l4Book", "data": {"Updates": data}}).encode()


NEW, OLD = {"new": {"sz": "1"}}, 258166296856


@pytest.mark.parametrize(
    "frame",
    [
        block((9, "remove")),
        block((9, {"update": {"origSz": "1", "newSz": "2"}})),
        block((9, NEW)),
        block((OLD, NEW), sides={OLD: "B"}),
        block((OLD, {"moved": {"sz": "1"}})),
    ],
)
def test_what_cannot_be_is_a_loss_and_silence_until_a_snapshot(l4: Any, frame: bytes) -> None:
    list(l4.parse(L4_SNAPSHOT))
    (lost,) = l4.parse(frame)
    assert isinstance(lost, Lost)
    assert lost.symbol == "BTC"
    assert list(l4.parse(frame)) == list(l4.parse(L4_UPDATES)) == []
    list(l4.parse(L4_SNAPSHOT))
    assert len(list(l4.parse(L4_UPDATES))) == 3


def test_changes_before_the_snapshot_and_after_a_loss_in_the_same_block_say_nothing(l4: Any) -> None:
    assert list(l4.parse(L4_UPDATES)) == []
    list(l4.parse(L4_SNAPSHOT))
    messages = list(l4.parse(block((9, "remove"), (OLD, "remove"))))
    assert [type(message) for message in messages] == [Lost]
    assert isinstance(HyperliquidL4({}), type(l4))


# The private stream.


def test_the_login_subscribes_with_the_address_and_both_confirmations_make_it_ready(user: Any) -> None:
    frames = [json.loads(frame)["subscription"] for frame in user.login(0.0)]
    assert frames == [{"type": "orderUpdates", "user": ADDRESS}, {"type": "userFills", "user": ADDRESS}]
    confirmations = [
        json.dumps({"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": said}}).encode()
        for said in frames
    ]
    assert list(user.parse(confirmations[1])) == []
    assert list(user.parse(confirmations[0])) == [Ready()]


STATES = {
    "open": OrderState.OPEN,
    "triggered": OrderState.OPEN,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "marginCanceled": OrderState.CANCELLED,
    "scheduledCancel": OrderState.CANCELLED,
    "rejected": OrderState.REJECTED,
    "iocCancelRejected": OrderState.REJECTED,
}


@pytest.mark.parametrize(("word", "state"), STATES.items())
def test_an_order_update_says_what_is_left(user: Any, word: str, state: OrderState) -> None:
    row = {"order": ORDER_ROW, "status": word, "statusTimestamp": 1681923833000}
    (update,) = user.parse(json.dumps({"channel": "orderUpdates", "data": [row]}).encode())
    reason = word if word in ("marginCanceled", "iocCancelRejected") else ""
    assert update == msgspec.structs.replace(UPDATE, state=state, reason=reason)


def test_an_unknown_status_raises_and_an_order_without_client_id_has_none(user: Any) -> None:
    row = {"order": ORDER_ROW | {"cloid": None}, "status": "open", "statusTimestamp": 1681923833000}
    (update,) = user.parse(json.dumps({"channel": "orderUpdates", "data": [row]}).encode())
    assert (update.client_order_id, update.exchange_order_id) == ("", "7456484275")
    with pytest.raises(MALFORMED):
        list(user.parse(json.dumps({"channel": "orderUpdates", "data": [row | {"status": "dreaming"}]}).encode()))


def test_fills_are_read_of_history_too_and_those_of_other_markets_left_out(user: Any) -> None:
    other = FILL_ROW | {"coin": "BTC"}
    data = {"isSnapshot": True, "user": ADDRESS, "fills": [FILL_ROW, other]}
    assert list(user.parse(json.dumps({"channel": "userFills", "data": data}).encode())) == [FILL]
    row = {"order": ORDER_ROW | {"coin": "BTC"}, "status": "open", "statusTimestamp": 1}
    assert list(user.parse(json.dumps({"channel": "orderUpdates", "data": [row]}).encode())) == []


def test_a_refused_subscription_is_a_fault(user: Any) -> None:
    fault = Fault(ErrorKind.UNKNOWN, "", "Invalid subscription")
    assert list(user.parse(b'{"channel":"error","data":"Invalid subscription"}')) == [fault]


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
    request = entry.place(new(**changes)).request
    assert (request.method, request.path, request.signed, request.asks) == ("POST", "/exchange", True, False)
    terms = {"a": 10107, "b": True, "p": "30.5", "s": "1.5", "r": False, "t": {"limit": {"tif": tif}}, "c": MINE}
    assert request.body == {"type": "order", "orders": [terms], "grouping": "na"}
    assert list(request.body["orders"][0]) == ["a", "b", "p", "s", "r", "t", "c"], "the hash is of this order"
    assert list(request.body) == ["type", "orders", "grouping"]


def test_asset_ids_are_of_the_index_for_spot_and_of_the_place_for_perpetuals(entry: Any, perps: Any) -> None:
    def asset(entry: Any, pair: str) -> int:
        return int(entry.place(new(trading_pair=pair)).request.body["orders"][0]["a"])

    assert (asset(entry, "PURR-USDC"), asset(entry, "HYPE-USDC")) == (10000, 10107)
    assert (asset(perps, "BTC-USD"), asset(perps, "KPEPE-USD")) == (0, 2)


def test_numbers_are_written_plainly(entry: Any) -> None:
    request = entry.place(new(price=D("1E+5"), amount=D("0.00001000"), side=Side.SELL)).request
    terms = request.body["orders"][0]
    assert (terms["p"], terms["s"], terms["b"]) == ("100000", "0.00001", False)


def test_fill_or_kill_is_refused_here(entry: Any) -> None:
    with pytest.raises(InvalidOrder):
        entry.place(new(tif=TimeInForce.FOK))


@pytest.mark.parametrize(
    ("changes", "status", "state", "oid", "filled"),
    [
        ({}, {"resting": {"oid": 77738308}}, OrderState.OPEN, "77738308", None),
        ({}, "waitingForTrigger", OrderState.OPEN, "", None),
        ({}, {"filled": {"totalSz": "1.5", "avgPx": "30.4", "oid": 5}}, OrderState.FILLED, "5", D("1.5")),
        ({}, {"filled": {"totalSz": "1", "avgPx": "30.4", "oid": 5}}, OrderState.PARTIALLY_FILLED, "5", D(1)),
        (
            {"tif": TimeInForce.IOC},
            {"filled": {"totalSz": "1", "avgPx": "30.4", "oid": 5}},
            OrderState.CANCELLED,
            "5",
            D(1),
        ),
    ],
)
def test_what_became_of_a_placed_order(
    entry: Any, changes: Any, status: Any, state: OrderState, oid: str, filled: D | None
) -> None:
    assert HYPERLIQUID.error(placed(status)) is None
    assert entry.place(new(**changes)).read(placed(status)) == OrderUpdate(
        symbol="@107", state=state, client_order_id=MINE, exchange_order_id=oid, filled=filled
    )


def test_an_order_is_cancelled_by_our_name_and_a_foreign_one_by_the_venues(entry: Any) -> None:
    call = entry.cancel(order())
    assert call.request.body == {"type": "cancelByCloid", "cancels": [{"asset": 10107, "cloid": MINE}]}
    assert list(call.request.body["cancels"][0]) == ["asset", "cloid"]
    assert (call.request.path, call.request.signed, call.request.urgent) == ("/exchange", True, True)
    assert HYPERLIQUID.error(placed("success")) is None
    assert call.read(placed("success")) is None
    foreign = entry.cancel(order(external=True)).request
    assert foreign.body == {"type": "cancel", "cancels": [{"a": 10107, "o": 7456484275}]}


def test_an_order_is_asked_for_by_either_name(entry: Any) -> None:
    call = entry.status(order())
    assert (call.request.path, call.request.body) == ("/info", {"type": "orderStatus", "oid": MINE})
    assert (call.request.signed, call.request.asks, call.request.urgent) == (True, True, True)
    assert entry.status(order(external=True)).request.body["oid"] == 7456484275
    row = {"order": ORDER_ROW, "status": "filled", "statusTimestamp": 1681923833000}
    found = answer({"status": "order", "order": row})
    assert HYPERLIQUID.error(found) is None
    assert call.read(found) == msgspec.structs.replace(UPDATE, state=OrderState.FILLED)


def test_open_orders_are_those_of_the_pair_or_of_all_that_are_known(entry: Any) -> None:
    call, every = entry.open_orders("HYPE-USDC"), entry.open_orders()
    assert call.request.body == every.request.body == {"type": "frontendOpenOrders"}
    found = answer([ORDER_ROW, ORDER_ROW | {"coin": "PURR/USDC"}, ORDER_ROW | {"coin": "BTC"}])
    assert call.read(found) == [UPDATE]
    assert [update.symbol for update in every.read(found)] == ["@107", "PURR/USDC"]


def test_fills_come_oldest_first_after_the_cursor(entry: Any) -> None:
    call = entry.fills("HYPE-USDC", FillCursor(time=1681923833499_999_999))
    assert call.request.body == {"type": "userFillsByTime", "startTime": 1681923833499}
    early = FILL_ROW | {"tid": 7, "time": 1681923833400}
    found = answer([FILL_ROW, early, FILL_ROW | {"coin": "PURR/USDC", "tid": 9}])
    assert [fill.trade_id for fill in call.read(found).items] == ["7", "1122334455"]
    assert entry.fills("HYPE-USDC", FillCursor("7", 1)).read(found) == Page([FILL])


def test_a_full_page_ends_with_its_last_row_whose_ever_it_is(entry: Any) -> None:
    rows = [FILL_ROW | {"coin": "PURR/USDC", "tid": n, "time": n} for n in range(1999)]
    found = answer([*rows, FILL_ROW | {"coin": "BTC", "tid": 5000}])
    page = entry.fills("HYPE-USDC", FillCursor()).read(found)
    assert ([fill.trade_id for fill in page.items], page.more) == (["1998"], True)
    after = entry.fills("HYPE-USDC", FillCursor("1998", 1998_000_000)).read(found)
    assert after.items == []


def test_balances_are_read(entry: Any) -> None:
    call = entry.balances()
    assert call.request.body == {"type": "spotClearinghouseState"}
    row = {"coin": "USDC", "token": 0, "total": "14.625485", "hold": "4.5", "entryNtl": "0.0"}
    assert call.read(answer({"balances": [row]})) == [Balance("USDC", D("14.625485"), D("10.125485"))]


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
    ("Invalid nonce: duplicate nonce 5", ErrorKind.CLOCK),
    ("Too many cumulative requests sent (10001 > 10000)", ErrorKind.RATE),
    ("The moon is full.", ErrorKind.UNKNOWN),
]


@pytest.mark.parametrize(("text", "kind"), TEXTS)
def test_refusals_of_status_200_are_told_by_their_words(text: str, kind: ErrorKind) -> None:
    assert HYPERLIQUID.error(placed({"error": text})) == Fault(kind, "", text)
    assert HYPERLIQUID.error(answer({"status": "err", "response": text})) == Fault(kind, "", text)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"status": "unknownOid"}, 200, ErrorKind.NOT_FOUND),
        (b"Failed to deserialize the JSON body into the target type", 422, ErrorKind.REFUSED),
        (b"", 429, ErrorKind.RATE),
        (None, 500, ErrorKind.UNKNOWN),
        (b"bad gateway", 502, ErrorKind.UNKNOWN),
        (b"?", 403, ErrorKind.UNKNOWN),
    ],
)
def test_refusals_by_status(body: Any, status: int, kind: ErrorKind) -> None:
    fault = HYPERLIQUID.error(answer(body, status))
    assert fault is not None
    assert (fault.kind, bool(fault.message)) == (kind, True)


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
    assert (HYPERLIQUID.slippage, HYPERLIQUID.ping, HYPERLIQUID.ping_every) == (D("0.05"), '{"method":"ping"}', 50.0)
    assert not HYPERLIQUID.streams_balances
