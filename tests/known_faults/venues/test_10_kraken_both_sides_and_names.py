"""Kraken's names (XBT, XDG, fiat against fiat, xStocks) and one update that holds both sides.

(nautechsystems/nautilus_trader #3509 #3960, hummingbot/hummingbot #2093,
bitrich-info/xchange-stream #361.) Right: pairs by their usual names; checksums hold.
"""

from pathlib import Path
from zlib import crc32

import msgspec

from exchanges.kraken import AssetPair, KrakenBook
from exchanges.orders import TradingRule
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import encoded, track


def rules() -> dict[str, TradingRule]:
    told = load(__file__)
    return {
        key: msgspec.convert(told["common"] | row, AssetPair, strict=False).to_rule(key)
        for key, row in told["pairs"].items()
    }


def test_pairs_have_their_usual_names() -> None:
    assert {key: (rule.trading_pair, rule.symbol) for key, rule in rules().items()} == {
        "XXBTZUSD": ("BTC-USD", "BTC/USD"),
        "XDGUSD": ("DOGE-USD", "DOGE/USD"),
        "XXDGXXBT": ("DOGE-BTC", "DOGE/BTC"),
        "ZGBPZUSD": ("GBP-USD", "GBP/USD"),
        "AAPLxUSD": ("AAPLX-USD", "AAPLx/USD"),
    }


def test_checksums_hold_for_an_update_of_both_sides(memory: Path) -> None:
    feed = KrakenBook({rule.symbol: rule for rule in rules().values()}, "")
    pipeline, book, _ = track(feed, memory)
    frames = load(__file__)["frames"]
    frames[0]["data"][0]["checksum"] = crc32(b"876002000000008770010000000087500100000000")
    frames[1]["data"][0]["checksum"] = crc32(b"877001000000008751050000000087500100000000")
    for frame in frames:
        for message in feed.parse(encoded(frame)):
            pipeline.take(message, 1)
    assert book.state.name == "LIVE", pipeline.why
    assert (book.top().bid, book.top().ask) == (8751.0, 8770.0)
