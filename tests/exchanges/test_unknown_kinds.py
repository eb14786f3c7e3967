"""A message of a kind that a venue adds is told, whatever it lacks; it rejects no frame."""

import json
import zlib
from base64 import b64encode
from typing import Any, get_args

import pytest

from exchanges.contract import BookFeed, GapCheck, UnknownKind
from exchanges.registry import BUILT_IN, get
from orderbook.messages import OrderEvent

FEEDS = [
    pytest.param(feed, id=f"{name}-{feed.__name__}")
    for name in BUILT_IN
    for feed in (get(name).book, *get(name).feeds.values())
]
NEW = {
    "binance": [
        ({"stream": "btcusdt@news", "data": {"e": "news"}}, "news"),
        ({"stream": "btcusdt@bookTicker", "data": {"u": 1, "s": "BTCUSDT"}}, "bookTicker"),
        ({"stream": "!miniTicker@arr", "data": [{"e": "24hrMiniTicker"}]}, "arr"),
        ({"e": "news"}, "news"),
    ],
    "bittrex": [({"M": [{"H": "C3", "M": "news", "A": [{"not": "packed"}]}]}, "news")],
    "bybit": [
        ({"topic": "news"}, "news"),
        ({"topic": "tickers.BTCUSDT", "data": {"lastPrice": 1}, "cts": "now"}, "tickers"),
        ({"topic": "news.A", "data": {"s": "A", "b": [], "a": [], "u": 3}}, "news"),
        ({"op": "news", "success": True}, "news"),
    ],
    "coinbase": [
        ({"type": "news"}, "news"),
        ({"type": "news", "product_id": 7, "sequence": "one", "time": {}}, "news"),
        ({"type": "auction", "product_id": "A", "sequence": 1, "time": "soon"}, "auction"),
    ],
    "htx": [
        ({"ch": "market.btcusdt.bbo", "tick": {}}, "bbo"),
        ({"ch": "market.overview", "ts": "now", "data": []}, "market.overview"),
        ({"rep": "market.btcusdt.news"}, "news"),
    ],
    "hyperliquid": [({"channel": "news"}, "news"), ({"channel": "bbo", "data": 7}, "bbo")],
    "kraken": [
        ({"channel": "news"}, "news"),
        ({"channel": "instrument", "type": 7, "data": {}}, "instrument"),
    ],
    "okx": [
        ({"event": "news"}, "news"),
        ({"arg": {"channel": "news"}}, "news"),
        ({"arg": {"channel": "tickers", "instId": 7}, "action": "new", "data": 1}, "tickers"),
    ],
}


@pytest.mark.parametrize(
    ("venue", "frame", "kind"), [(name, *each) for name, rows in NEW.items() for each in rows]
)
def test_a_new_kind_rejects_no_frame(venue: str, frame: dict[str, Any], kind: str) -> None:
    exchange = get(venue)
    for feed in (exchange.book, *exchange.feeds.values()):
        made = feed({}, feed.streams[0])
        found = list(made.parse(json.dumps(frame).encode()))
        unknown = [each for each in found if isinstance(each, UnknownKind)]
        others = [each for each in found if not isinstance(each, UnknownKind)]
        assert unknown == [UnknownKind(kind)]
        # Where messages count in one sequence, the number of an unknown one is taken.
        assert all(isinstance(each, OrderEvent) for each in others)


def test_every_venue_is_tested() -> None:
    assert NEW.keys() == BUILT_IN.keys()


def test_known_messages_of_a_hub_are_read_beside_unknown_ones() -> None:
    packer = zlib.compressobj(wbits=-15)
    trades = b'{"marketSymbol":"A-B","deltas":[]}'
    packed = b64encode(packer.compress(trades) + packer.flush()).decode()
    pushes = [{"M": "news", "A": None}, {"M": "trade", "A": [packed]}]
    found = list(get("bittrex").book({}, "").parse(json.dumps({"M": pushes}).encode()))
    assert found == [UnknownKind("news")]


@pytest.mark.parametrize("feed", FEEDS)
def test_every_feed_declares_how_gaps_and_silence_are_judged(feed: type[BookFeed]) -> None:
    assert feed.gap_check in get_args(GapCheck)
    assert feed.proof_of_life != BookFeed.proof_of_life
    if feed.full_snapshots_only:
        assert feed.gap_check == "images"
        assert feed.image_interval > 0
