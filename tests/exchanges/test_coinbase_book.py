"""Coinbase Exchange's public feeds: the full channel order by order, and the channels of levels.

tests/frames/coinbase/full.jsonl: the documentation's examples of each type, with sequences, ids and
sizes set so that they make one order's life. level2.jsonl: frames of a recording of 2021, and
refusals seen live.
"""

import json
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from exchanges.coinbase import COINBASE
from exchanges.contract import MALFORMED, ErrorKind, Fault, Moved, UnknownKind
from orderbook.active_orders import ActiveOrderTracker
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    Layout,
    OrderAction,
    OrderEvent,
    OrdersSnapshot,
    Side,
    Trade,
)
from orderbook.sequencing import Sequencer, Verdict
from tests.support.answers import answer
from tests.support.recordings import recording

FRAMES = Path(__file__).parents[1] / "frames" / "coinbase"
KEYS = {
    "api_key": "key",
    "api_secret": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=",
    "passphrase": "phrase",
}
PRODUCT = {
    "id": "BTC-USD",
    "base_currency": "BTC",
    "quote_currency": "USD",
    "quote_increment": "0.01",
}
PRODUCT |= {
    "base_increment": "0.00000001",
    "min_market_funds": "10",
    "status": "online",
    "trading_disabled": False,
}


def lines(name: str) -> list[bytes]:
    return (FRAMES / name).read_bytes().splitlines()


def said(role: Any, name: str) -> list[Any]:
    """What a feed makes of all frames of a file."""
    return [word for line in lines(name) for word in role.parse(line)]


@pytest.fixture
def full() -> Any:
    return COINBASE.book({}, "")


@pytest.fixture
def level2() -> Any:
    return COINBASE.with_feed("level2").book({}, "")


@pytest.fixture
def rule(full: Any) -> Any:
    (found,) = full.trading_rules().read(answer([PRODUCT]))
    return found


# Markets.


def test_rules_are_read(rule: Any) -> None:
    assert (rule.trading_pair, rule.symbol, rule.base, rule.quote) == (
        "BTC-USD",
        "BTC-USD",
        "BTC",
        "USD",
    )
    assert (rule.price_tick, rule.size_step, rule.min_notional, rule.active) == (
        D("0.01"),
        D("0.00000001"),
        10,
        True,
    )


@pytest.mark.parametrize("change", [{"status": "delisted"}, {"trading_disabled": True}])
def test_a_product_that_does_not_trade_is_not_active(full: Any, change: dict[str, Any]) -> None:
    assert not full.trading_rules().read(answer([PRODUCT | change]))[0].active


def test_volumes_are_read_also_of_products_without_trades(full: Any) -> None:
    rows = {
        "BTC-USD": {"stats_24hour": {"last": "2", "volume": "3"}},
        "NEW-USD": {"stats_24hour": {}},
        "OLD-USD": {},
    }
    found, *others = full.markets().read(answer(rows))
    assert (found.symbol, found.last_price, found.base_volume, found.quote_volume) == (
        "BTC-USD",
        2,
        3,
        6,
    )
    assert [(other.symbol, other.last_price, other.quote_volume) for other in others] == [
        ("NEW-USD", 0, 0),
        ("OLD-USD", 0, 0),
    ]


# The full channel.


def test_a_level_3_snapshot_is_every_order_in_its_queue(full: Any) -> None:
    call = full.snapshot("BTC-USD")
    assert (call.request.path, call.request.params) == ("/products/BTC-USD/book", {"level": "3"})
    book = {
        "sequence": 3,
        "bids": [["295.96", "4.39", "a"], ["295.96", "1", "b"]],
        "asks": [["295.97", "25.23", "c"]],
    }
    found = call.read(answer(book))
    assert isinstance(found, OrdersSnapshot)
    assert [(o.order_id, o.price, o.size) for o in found.bids] == [
        ("a", 295.96, 4.39),
        ("b", 295.96, 1.0),
    ]
    assert (found.symbol, found.update_id, found.asks[0].order_id) == ("BTC-USD", 3, "c")


def test_subscriptions_name_products_and_channels(full: Any, level2: Any) -> None:
    (frame,) = full.subscribe(["A-USD", "B-USD"])
    assert frame == {
        "type": "subscribe",
        "product_ids": ["A-USD", "B-USD"],
        "channels": ("full", "heartbeat"),
    }
    assert next(iter(level2.subscribe(["A-USD"], on=False)))["type"] == "unsubscribe"
    batch = COINBASE.with_feed("level2_batch").book({}, "")
    assert [next(iter(feed.subscribe(["A"])))["channels"][0] for feed in (level2, batch)] == [
        "level2",
        "level2_batch",
    ]


def test_a_login_signs_the_subscription(full: Any) -> None:
    (frame,) = full.login(["BTC-USD"], COINBASE.auth(KEYS), 1700000000.5)
    assert frame["signature"] == "v/Lm27jTCFUb0jOFsKobCFb8SwhfWtTcjkALRCfu3H4="
    assert (frame["key"], frame["passphrase"], frame["timestamp"]) == (
        "key",
        "phrase",
        "1700000000",
    )
    assert (frame["type"], frame["product_ids"]) == ("subscribe", ["BTC-USD"])


def test_a_refresh_subscribes_again_with_a_login(level2: Any) -> None:
    auth = COINBASE.auth(KEYS)
    assert [frame["type"] for frame in level2.request_snapshot(["A"])] == [
        "unsubscribe",
        "subscribe",
    ]
    end, again = level2.request_snapshot(["A"], level2.login(["A"], auth, 1.0))
    assert ("signature" in end, "signature" in again) == (False, True)


def test_every_frame_of_the_full_channel_says_what_it_does(full: Any) -> None:
    events = [word for word in said(full, "full.jsonl") if isinstance(word, OrderEvent)]
    assert [(e.update_id, e.action, e.size) for e in events] == [
        (10, OrderAction.NOTHING, 0),
        (11, OrderAction.OPEN, 1),
        (12, OrderAction.MATCH, 0.25),
        (13, OrderAction.CHANGE, 0.5),
        (14, OrderAction.CHANGE, 0.4),
        (15, OrderAction.NOTHING, 0),
        (16, OrderAction.DONE, 0),
        (17, OrderAction.DONE, 0),
        (18, OrderAction.NOTHING, 0),
    ]
    assert {(e.symbol, e.first_id - e.update_id) for e in events} == {("BTC-USD", 0)}
    assert events[1].time == 1415348367_028459_000


def test_no_number_of_the_sequence_is_passed_over(full: Any) -> None:
    sequencer: Sequencer[OrderEvent] = Sequencer()
    sequencer.snapshot(9)
    events = [word for word in said(full, "full.jsonl") if isinstance(word, OrderEvent)]
    assert {sequencer.offer(event) for event in events} == {Verdict.APPLY}
    assert sequencer.update_id == 18


@pytest.mark.parametrize("lost", range(11, 18))
def test_whatever_is_lost_is_a_gap(full: Any, lost: int) -> None:
    sequencer: Sequencer[OrderEvent] = Sequencer()
    sequencer.snapshot(9)
    events = [
        word
        for word in said(full, "full.jsonl")
        if isinstance(word, OrderEvent) and word.update_id != lost
    ]
    assert Verdict.GAP in [sequencer.offer(event) for event in events]


def test_an_orders_life_changes_its_level(full: Any) -> None:
    tracker = ActiveOrderTracker()
    asks = []
    for event in said(full, "full.jsonl"):
        if isinstance(event, OrderEvent) and tracker.event(event) is not None:
            asks.append(
                {price: sum(orders.values()) for price, orders in tracker.active_asks.items()}
            )
    assert asks == [{200.2: 1.0}, {200.2: 0.75}, {200.2: 0.5}, {201.5: 0.4}, {}]
    assert tracker.active_bids == {}


def test_a_trade_carries_the_takers_side(full: Any, level2: Any) -> None:
    (trade,) = [word for word in said(full, "full.jsonl") if isinstance(word, Trade)]
    assert trade == Trade("BTC-USD", "10", Side.BUY, 200.2, 0.25, 1415348367_028459_000)
    # last_match tells again what was before.
    (trade,) = [word for word in said(level2, "level2.jsonl") if isinstance(word, Trade)]
    assert (trade.trade_id, trade.side) == ("280232", Side.BUY)


def test_a_refused_subscription_wants_a_login(full: Any) -> None:
    (fault,) = [word for word in said(full, "full.jsonl") if isinstance(word, Fault)]
    assert fault.kind is ErrorKind.AUTH
    assert "require authentication" in fault.message


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"[]",
        b'{"no":"type"}',
        b'{"type":"open","product_id":"A","sequence":1,"time":"2021-04-17T16:43:37Z","remaining_size":"1"}',
        b'{"type":"match","product_id":"A","sequence":1,"time":"2021-04-17T16:43:37Z","size":"1"}',
        b'{"type":"done","product_id":"A","time":"2021-04-17T16:43:37Z","order_id":"1"}',
    ],
)
def test_a_malformed_frame_is_an_error(full: Any, frame: bytes) -> None:
    with pytest.raises(MALFORMED):
        list(full.parse(frame))


def test_what_is_not_needed_breaks_nothing(full: Any) -> None:
    frames = [
        b'{"type":"auction","product_id":"A","sequence":18,"timestamp":"2015-11-14T20:46:03Z"}',
        b'{"type":"rfq_match","maker_order_id":null,"trade_id":0,"product_id":"A","price":null}',
        b'{"type":"new","product_id":"A","sequence":19,"order_id":7,"side":"both","time":""}',
    ]
    found = [message for frame in frames for message in full.parse(frame)]
    assert [message for message in found if isinstance(message, OrderEvent)] == [
        OrderEvent("A", OrderAction.NOTHING, "", first_id=number, update_id=number)
        for number in (18, 19)
    ]
    kinds = [message.kind for message in found if isinstance(message, UnknownKind)]
    assert kinds == ["auction", "rfq_match", "new"]


def test_heartbeats_say_that_a_product_moved(full: Any, level2: Any) -> None:
    def beat(number: int) -> bytes:
        return f'{{"type":"heartbeat","product_id":"A","sequence":{number}}}'.encode()

    assert list(full.parse(beat(7))) == [Moved("A", 7)]
    said = [list(level2.parse(beat(number))) for number in (7, 7, 8, 8)]
    assert said == [[], [], [Moved("A")], []]


@pytest.mark.parametrize(
    "changes", [{"order_id": None}, {"price": 1}, {"side": "both"}, {"sequence": "1"}]
)
def test_a_message_that_moves_the_book_must_be_readable(full: Any, changes: dict[str, Any]) -> None:
    row = json.loads(lines("full.jsonl")[2]) | {"new_field": 1}
    assert len(full.parse(json.dumps(row).encode())) == 1
    (name,) = changes
    with pytest.raises(MALFORMED, match=rf"\$\.{name}"):
        full.parse(json.dumps(row | changes).encode())


# Levels.


def test_levels_stay_as_they_came(level2: Any) -> None:
    book, first, _, second, fault = said(level2, "level2.jsonl")
    assert book == BookSnapshot(
        "SKL-BTC", b'[["0.00001303","104.2"]]', b'[["0.00001305","4781.0"],["0.00001306","1230.5"]]'
    )
    changes = b'[["sell","0.00001306","660.5"]]'
    time = 1618677817_075687_000
    assert first == BookDiff("SKL-BTC", changes, b"", time=time, layout=Layout.SIDED)
    assert second.bids == b'[["buy","0.00001303","0.0"],["sell","0.00001305","985.1"]]'
    assert fault.kind is ErrorKind.AUTH
    assert level2.snapshot("SKL-BTC") is None


def test_every_frame_of_a_real_session_is_read(level2: Any) -> None:
    kinds: dict[type, int] = {}
    for line in recording("COINBASE.ws.28.0").read_text().splitlines():
        stamp, _, payload = line.partition(": ")
        if stamp.replace(".", "").isdigit():
            for word in level2.parse(payload.encode()):
                kinds[type(word)] = kinds.get(type(word), 0) + 1
    assert kinds == {BookSnapshot: 10, BookDiff: 9719, Trade: 97}
