"""Hyperliquid's market data and signatures: rules, books and trades read as its documentation
writes them.

frames/hyperliquid/public.jsonl: the l2Book, trades and subscriptionResponse frames are those of the
documentation, the l4Book frames are written in the form of order_book_server's tests.
"""

import json
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from exchanges.contract import MALFORMED, ErrorKind, Fault
from exchanges.hyperliquid import HYPERLIQUID
from exchanges.orders import InFlightOrder, TradingRule
from exchanges.rules import check_order
from orderbook.active_orders import ActiveOrderTracker
from orderbook.errors import AuthenticationError, InvalidOrder
from orderbook.level_texts import sides_of
from orderbook.messages import (
    BookSnapshot,
    LevelNames,
    OrderAction,
    OrderEvent,
    OrdersSnapshot,
    RestingOrder,
    Side,
    Trade,
)
from tests.support.answers import answer

LINES = (
    (Path(__file__).parents[1] / "frames" / "hyperliquid" / "public.jsonl")
    .read_bytes()
    .splitlines()
)
CONFIRMED, L2_BOOK, TRADES, L4_SNAPSHOT, L4_UPDATES = LINES
SECRET = "0x0123456789012345678901234567890123456789012345678901234567890123"
ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325"
KEYS = {"api_key": ADDRESS, "api_secret": SECRET}
HOST = "https://api.hyperliquid.xyz"
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
    ],
}
META: dict[str, Any] = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "OLD", "szDecimals": 1, "maxLeverage": 3, "isDelisted": True},
        {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10},
    ]
}


def by_pair(feed: Any, meta: Any) -> dict[str, TradingRule]:
    return {rule.trading_pair: rule for rule in feed.trading_rules().read(answer(meta))}


@pytest.fixture
def feed() -> Any:
    return HYPERLIQUID.book({}, "")


@pytest.fixture
def l4() -> Any:
    return HYPERLIQUID.with_feed("l4Book").book({}, "")


# Signing; the published vectors are a case of the conformance suite.


def test_nonces_are_the_time_and_never_come_twice() -> None:
    auth = HYPERLIQUID.auth(KEYS)
    body = {"type": "noop"}
    nows = [1.5, 1.5, 1.4999, 2.0]
    bodies = [
        auth.generate_auth_dict("POST", f"{HOST}/exchange", {}, body, now=now)["body"]
        for now in nows
    ]
    assert [json.loads(sent)["nonce"] for sent in bodies] == [1500, 1501, 1502, 2000]
    assert json.loads(bodies[0])["vaultAddress"] is None


def test_what_is_signed_for_another_host_is_worth_nothing_on_the_main_network() -> None:
    def signature(host: str) -> Any:
        auth = HYPERLIQUID.auth(KEYS)
        signed = auth.generate_auth_dict("POST", f"{host}/exchange", {}, {"type": "noop"}, now=1.0)
        return json.loads(signed["body"])["signature"]

    local = signature("http://127.0.0.1:9004")
    testnet = signature("https://api.hyperliquid-testnet.xyz")
    assert local == testnet
    assert local != signature(HOST)


def test_a_question_only_names_the_account() -> None:
    asked = HYPERLIQUID.auth(KEYS).generate_auth_dict(
        "POST", f"{HOST}/info", {}, {"type": "userFees"}, now=1.0
    )
    assert json.loads(asked["body"]) == {"type": "userFees", "user": ADDRESS}
    assert asked["headers"] == {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"api_key": ADDRESS}, "lacks api_secret"),
        (KEYS | {"api_secret": "S3CRET"}, "no private key"),
    ],
)
def test_a_key_that_is_none_is_refused_without_being_told(keys: dict[str, str], what: str) -> None:
    with pytest.raises(AuthenticationError, match=what) as refused:
        HYPERLIQUID.auth(keys)
    assert "S3CRET" not in str(refused.value)
    assert SECRET not in repr(HYPERLIQUID.auth(KEYS))


# Rules and markets.


def test_spot_rules_are_read_by_token_index(feed: Any) -> None:
    call = feed.trading_rules()
    assert (call.request.method, call.request.path, call.request.body) == (
        "POST",
        "/info",
        {"type": "spotMeta"},
    )
    assert (call.request.is_mutating, call.request.signed) == (False, False)
    rules = by_pair(feed, SPOT_META)
    assert rules["PURR-USDC"] == TradingRule(
        trading_pair="PURR-USDC",
        symbol="PURR/USDC",
        base="PURR",
        quote="USDC",
        price_tick=D("0.00000001"),
        size_step=D(1),
        min_notional=D(10),
        significant_digits=5,
    )
    hype = rules["HYPE-USDC"]
    assert (hype.symbol, hype.price_tick, hype.size_step) == ("@107", D("0.000001"), D("0.01"))


def test_of_two_pairs_that_differ_by_capitals_alone_the_one_in_capitals_has_the_name(
    feed: Any,
) -> None:
    rules = by_pair(feed, SPOT_META)
    assert sorted(rules) == ["FEUSD-USDC", "HYPE-USDC", "PURR-USDC"]
    assert (rules["FEUSD-USDC"].base, rules["HYPE-USDC"].symbol) == ("feUSD", "@107")


def test_a_delisted_pair_is_not_active(feed: Any) -> None:
    assert [pair for pair, rule in by_pair(feed, SPOT_META).items() if not rule.active] == [
        "FEUSD-USDC"
    ]


@pytest.mark.parametrize("name", ["perps", "l4Book"])
def test_perpetuals_are_read(name: str) -> None:
    feed = HYPERLIQUID.with_feed(name).book({}, "")
    assert feed.trading_rules().request.body == {"type": "meta"}
    rules = by_pair(feed, META)
    assert {(r.trading_pair, r.symbol, r.base, r.quote, r.active) for r in rules.values()} == {
        ("BTC-USD", "BTC", "BTC", "USD", True),
        ("OLD-USD", "OLD", "OLD", "USD", False),
        ("KPEPE-USD", "kPEPE", "kPEPE", "USD", True),
    }
    bitcoin = rules["BTC-USD"]
    assert (bitcoin.price_tick, bitcoin.size_step, bitcoin.min_notional) == (
        D("0.1"),
        D("0.00001"),
        10,
    )


@pytest.mark.parametrize(
    ("price", "right"), [("30.512", True), ("30.5123", False), ("123456", True)]
)
def test_prices_have_five_digits_or_are_integers(feed: Any, price: str, right: bool) -> None:
    rule = by_pair(feed, SPOT_META)["HYPE-USDC"]
    terms = {"amount": D(1), "price": D(price), "side": Side.BUY}
    wanted = InFlightOrder(client_order_id="0x1", trading_pair="HYPE-USDC", symbol="@107", **terms)
    if right:
        check_order(wanted, rule)
    else:
        with pytest.raises(InvalidOrder, match="5 significant digits"):
            check_order(wanted, rule)


def test_volumes_are_read_by_coin_or_by_place(feed: Any, l4: Any) -> None:
    assert feed.markets().request.body == {"type": "spotMetaAndAssetCtxs"}
    rows: list[Any] = [
        {"coin": "@107", "markPx": "30", "dayNtlVlm": "300", "dayBaseVlm": "9.5", "midPx": None}
    ]
    (found,) = feed.markets().read(answer([SPOT_META, rows]))
    assert (found.symbol, found.last_price, found.base_volume, found.quote_volume) == (
        "@107",
        30,
        D("9.5"),
        300,
    )
    assert l4.markets().request.body == {"type": "metaAndAssetCtxs"}
    rows = [{"markPx": "100000", "dayNtlVlm": "200000"}, {"markPx": "0", "dayNtlVlm": "0"}]
    assert [(m.symbol, m.base_volume) for m in l4.markets().read(answer([META, rows]))] == [
        ("BTC", 2),
        ("OLD", 0),
    ]


# Books.


def test_subscriptions_name_a_book_and_trades_a_coin(feed: Any, l4: Any) -> None:
    assert list(feed.subscribe(["@107"])) == [
        {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "@107"}},
        {"method": "subscribe", "subscription": {"type": "trades", "coin": "@107"}},
    ]
    methods = [frame["method"] for frame in feed.request_snapshot(["@107"])]
    assert methods == ["unsubscribe", "unsubscribe", "subscribe", "subscribe"]
    kinds = [frame["subscription"]["type"] for frame in l4.request_snapshot(["BTC"])]
    assert kinds == ["l2Book", "trades", "l4Book", "l4Book", "trades", "l2Book"], (
        "no image while there are no orders"
    )
    assert (
        feed.full_snapshots_only,
        l4.full_snapshots_only,
        l4.verify_depth,
        feed.snapshot("@107"),
        l4.snapshot("BTC"),
    ) == (
        True,
        False,
        20,
        None,
        None,
    )
    assert (feed.stream, HYPERLIQUID.user.path) == ("/ws", "/ws")


def test_a_book_is_an_image_with_its_time_as_number(feed: Any, l4: Any) -> None:
    bids = b'[{"px":"106217.0","sz":"0.001","n":1}]'
    asks = b'[{"px":"106233.0","sz":"0.26739","n":3}]'
    expected = BookSnapshot(
        "BTC",
        bids,
        asks,
        1751427259657,
        1751427259657_000_000,
        names=LevelNames("px", "sz"),
    )
    assert list(feed.parse(L2_BOOK)) == list(l4.parse(L2_BOOK)) == [expected]
    assert [side.tolist() for side in sides_of(expected)] == [
        [[106217.0, 0.001]],
        [[106233.0, 0.26739]],
    ]


@pytest.mark.parametrize(("word", "taker"), [("A", Side.SELL), ("B", Side.BUY)])
def test_a_trade_carries_the_takers_side(feed: Any, word: str, taker: Side) -> None:
    frame = TRADES.replace(b'"side":"A"', f'"side":"{word}"'.encode())
    assert list(feed.parse(frame)) == [
        Trade("BTC", "293353986402527", taker, 106296.0, 0.00017, 1751430933565_000_000)
    ]


def test_acknowledgements_say_nothing_nor_does_the_greeting_which_is_no_json(
    feed: Any, l4: Any
) -> None:
    assert HYPERLIQUID.decode is not None
    for frame in (CONFIRMED, b'{"channel":"pong"}', b"Websocket connection established."):
        assert (
            list(feed.parse(HYPERLIQUID.decode(frame)))
            == list(l4.parse(HYPERLIQUID.decode(frame)))
            == []
        )


def test_a_refusal_is_a_fault_but_not_that_of_our_ping_by_a_node(feed: Any, l4: Any) -> None:
    refused = [Fault(ErrorKind.UNKNOWN, "", "Invalid subscription: x")]
    assert list(feed.parse(b'{"channel":"error","data":"Invalid subscription: x"}')) == refused
    frame = {
        "channel": "error",
        "data": f"Error parsing JSON into valid websocket request: {HYPERLIQUID.ping}",
    }
    assert list(l4.parse(json.dumps(frame).encode())) == []


@pytest.mark.parametrize(
    "frame",
    [
        b"[]",
        b"nothing",
        b'{"what_is":"this"}',
        b'{"channel":"l2Book","data":{"coin":"BTC"}}',
        b'{"channel":"l4Book","data":{}}',
        b'{"channel":"trades","data":[{"coin":"BTC","side":"X","px":"1","sz":"1","time":1,"tid":1}]}',
        b'{"channel":"trades","data":[{"coin":"BTC","side":"A","sz":"1","time":1,"tid":1}]}',
    ],
)
def test_a_frame_of_no_known_form_raises(feed: Any, l4: Any, frame: bytes) -> None:
    for role in (feed, l4):
        with pytest.raises(MALFORMED):
            list(role.parse(frame))


# Order by order.

BEGUN = 817863403
BLOCK = 817863404


def test_the_snapshot_has_every_order_and_the_number_of_its_block_s_last_change(l4: Any) -> None:
    (book,) = l4.parse(L4_SNAPSHOT)
    bids = [RestingOrder("258166296856", 106296.0, 0.5)]
    asks = [RestingOrder("258166296857", 106297.0, 2.0)]
    assert book == OrdersSnapshot("BTC", bids, asks, BEGUN * 10**6 + 999_999, 1751430933000_000_000)


def test_a_block_changes_orders_in_its_order(l4: Any) -> None:
    (book,) = l4.parse(L4_SNAPSHOT)
    opened, changed, done = l4.parse(L4_UPDATES)
    time = 1751430933565_000_000
    first = BLOCK * 10**6
    price = 106298.0
    assert opened == OrderEvent(
        "BTC", OrderAction.OPEN, "258166296858", "sell", price, 0.6, 0, first, time
    )
    assert changed == OrderEvent(
        "BTC", OrderAction.CHANGE, "258166296856", "", 0.0, 0.3, 0, first + 1, time
    )
    assert done == OrderEvent(
        "BTC", OrderAction.DONE, "258166296857", "", 0.0, 0.0, 0, first + 2, time
    )
    tracker = ActiveOrderTracker()
    tracker.snapshot(book)
    for event in (opened, changed, done):
        assert tracker.fits(event)
        tracker.event(event)
    assert tracker.active_bids == {106296.0: {"258166296856": 0.3}}
    assert tracker.active_asks == {106298.0: {"258166296858": 0.6}}


@pytest.mark.parametrize("what", [{"new": {"sz": "1"}}, {"moved": {"sz": "1"}}, "gone"])
def test_a_new_order_without_its_status_and_an_unknown_change_are_malformed(
    l4: Any, what: Any
) -> None:
    rows = [{"coin": "BTC", "user": "0x01", "oid": 9, "px": "1.0", "raw_book_diff": what}]
    data = {"Updates": {"time": 1, "height": 2, "order_statuses": [], "book_diffs": rows}}
    with pytest.raises(MALFORMED):
        list(l4.parse(json.dumps({"channel": "l4Book", "data": data}).encode()))
