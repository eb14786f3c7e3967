"""Symbols that are not ASCII (sammchardy/python-binance #1617 #1622, ccxt/ccxt #27182).

(Also binance/binance-connector-python #495.) Right: the signature stands over the percent-encoded
query, frames are read, file names are ASCII.
"""

import hashlib
import hmac
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from exchanges.binance import BinanceAuth, BinanceBook, SymbolInfo
from exchanges.orders import TradingRule
from exchanges.requests import UnsignedRequest
from exchanges.rules import parse_pair
from orderbook.messages import BookSnapshot
from orderbook.shared import book_path
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import encoded, track

PAIR = "币安人生-USDT"


def rule_as_told() -> TradingRule:
    return msgspec.convert(load(__file__)["rule"], SymbolInfo).to_rule()


def test_the_pair_is_named_and_filed() -> None:
    rule = rule_as_told()
    assert parse_pair(rule.trading_pair) == PAIR
    assert book_path("/r", "binance", rule.trading_pair).isascii()


def test_the_signature_stands_over_the_percent_encoded_query() -> None:
    told = load(__file__)
    symbol = rule_as_told().symbol
    keys = told["published"]
    query = {"symbol": symbol, "side": "BUY"}
    unsigned = UnsignedRequest("POST", "https://api.binance.com/api/v3/order", query, None)
    url = BinanceAuth(keys).sign(unsigned, 1.0)["url"]
    signed, _, signature = urlsplit(url).query.partition("&signature=")
    assert signed.isascii()
    assert (
        signature
        == hmac.new(keys["api_secret"].encode(), signed.encode(), hashlib.sha256).hexdigest()
    )


def test_frames_are_subscribed_and_read(memory: Path) -> None:
    told = load(__file__)
    symbol = rule_as_told().symbol
    feed = BinanceBook({}, "")
    assert "币安人生usdt@depth@100ms" in str(list(feed.subscribe([symbol])))
    pipeline, book, _ = track(feed, memory)
    pipeline.take(BookSnapshot(symbol, b'[["0.1","1"]]', b'[["0.2","1"]]', 156), 1)
    for message in feed.parse(encoded(told["depth"])):
        pipeline.take(message, 2)
    assert book.top().bid == 0.1234
