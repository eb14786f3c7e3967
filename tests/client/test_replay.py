"""Recorded frames through real sockets and actors, against a slow dictionary of the test's own."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from orderbook.errors import ConfigError
from tests.support.recordings import recording
from trochil.commands.replay import run_replay

FILE = "binance_spot_btcusdt_20240808.gz"


class DictionaryBook:
    """The synchronisation procedure of the venue's documentation, with dictionaries and floats."""

    def __init__(self, path: Path) -> None:
        with gzip.open(path, "rt") as file:
            lines = [json.loads(line.partition(" ")[2]) for line in file]
        snapshot = next(line for line in lines if "lastUpdateId" in line)
        diffs = [line["data"] for line in lines if line.get("data", {}).get("e") == "depthUpdate"]
        self.bids = {float(price): float(size) for price, size in snapshot["bids"]}
        self.asks = {float(price): float(size) for price, size in snapshot["asks"]}
        self.last = snapshot["lastUpdateId"]
        self.applied = 0
        self.crossed = 0
        for diff in diffs:
            if diff["u"] > self.last:
                self._apply(diff)

    def _apply(self, diff: dict) -> None:  # type: ignore[type-arg]
        assert diff["U"] <= self.last + 1
        for side, levels in ((self.bids, diff["b"]), (self.asks, diff["a"])):
            for price, size in levels:
                side[float(price)] = float(size)
                if not float(size):
                    del side[float(price)]
        self.last = diff["u"]
        self.applied += 1
        self.crossed += max(self.bids) >= min(self.asks)

    @property
    def digest(self) -> str:
        bids = [f"b,{price!r},{self.bids[price]!r}\n" for price in sorted(self.bids, reverse=True)]
        asks = [f"a,{price!r},{self.asks[price]!r}\n" for price in sorted(self.asks)]
        return hashlib.sha256("".join(bids + asks).encode()).hexdigest()


@pytest.fixture(scope="module")
def truth() -> DictionaryBook:
    return DictionaryBook(recording(FILE))


def test_the_whole_session_makes_the_dictionarys_book(truth: DictionaryBook) -> None:
    found = run_replay(str(recording(FILE)), "binance", "BTC-USDT", "max", "", inline=True)
    assert found == {
        "applied": 3449,
        "dropped_before_snapshot": 2,
        "gaps": 0,
        "resyncs": 0,
        "crossed": 0,
        "best_bid": max(truth.bids),
        "best_ask": min(truth.asks),
        "bid_levels": len(truth.bids),
        "ask_levels": len(truth.asks),
        "digest": truth.digest,
    }
    assert (truth.applied, truth.crossed) == (3449, 0)


@pytest.mark.parametrize("drop", ["1000-1010", "3", "3400-3449"])
def test_withheld_frames_are_a_gap_and_a_resync_and_the_book_is_right_again(
    truth: DictionaryBook, drop: str
) -> None:
    found = run_replay(str(recording(FILE)), "binance", "BTC-USDT", "max", drop, inline=True)
    assert found["gaps"] >= 1
    assert found["resyncs"] >= 1
    assert found["crossed"] == 0
    assert found["digest"] == truth.digest


def test_the_other_format_replays_too() -> None:
    found = run_replay(
        str(recording("BINANCE.ws.1.0")), "binance", "NKN-USDT", "max", "", inline=True
    )
    assert (found["gaps"], found["crossed"]) == (0, 0)
    assert found["applied"] > 100


@pytest.mark.parametrize(
    ("file", "pair", "speed", "drop", "said"),
    [
        ("/nowhere.gz", "BTC-USDT", "max", "", "no recording at /nowhere.gz"),
        (__file__, "BTC-USDT", "max", "", "is no recording"),
        (__file__, "BTC-USDT", "fast", "", "--speed 'fast'"),
        (__file__, "BTC-USDT", "max", "x", "--drop 'x'"),
    ],
)
def test_what_cannot_be_replayed_says_why(
    file: str, pair: str, speed: str, drop: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        run_replay(file, "binance", pair, speed, drop, inline=True)
