"""Bittrex's recorded session through real sockets and actors, against a slow dictionary of the
test's own."""

import base64
import hashlib
import json
import zlib
from decimal import Decimal as D
from typing import Any

import pytest

from tests.support.recordings import recording
from trochil.commands.replay import run_replay

PAIRS = (
    "BTC-EUR",
    "CRV-ETH",
    "DAWN-BTC",
    "FTC-BTC",
    "KSM-USDT",
    "REPV2-ETH",
    "SOLVE-USD",
    "SUKU-BTC",
)


def answers() -> dict[str, tuple[int, dict[str, Any]]]:
    """Of each market the Sequence of its snapshot's header, and the snapshot."""
    found = {}
    for line in recording("BITTREX.http.0.0").read_text().splitlines():
        if line.startswith("https"):
            body, _, headers = line.partition(" -> ")[2].partition(": ")[2].partition(" header: ")
            found[line.split("/")[5]] = int(json.loads(headers)["Sequence"]), json.loads(body)
    return found


def deltas() -> list[dict[str, Any]]:
    """What the socket said of books, in its order."""
    found = []
    for line in recording("BITTREX.ws.1.0").read_text().splitlines():
        frame = json.loads(line.partition(": ")[2]) if line[:1].isdigit() else {}
        for push in frame.get("M", []):
            if push["M"] == "orderBook":
                found += [
                    json.loads(zlib.decompress(base64.b64decode(told), wbits=-15))
                    for told in push["A"]
                ]
    return found


class DictionaryBook:
    """The documentation's procedure: what is not newer than the snapshot is dropped, each next is
    exactly one above."""

    def __init__(self, symbol: str) -> None:
        self.last, image = answers()[symbol]
        self.applied = 0
        self.sides = {
            name: {D(row["rate"]): row["quantity"] for row in image[name]}
            for name in ("bid", "ask")
        }
        for told in deltas():
            if told["marketSymbol"] == symbol and told["sequence"] > self.last:
                self._apply(told)

    def _apply(self, told: dict[str, Any]) -> None:
        assert told["sequence"] == self.last + 1
        for name, side in self.sides.items():
            for row in told[f"{name}Deltas"]:
                side.pop(D(row["rate"]), None)
                if D(row["quantity"]):
                    side[D(row["rate"])] = row["quantity"]
        self.last = told["sequence"]
        self.applied += 1

    def expected(self) -> dict[str, Any]:
        bids = sorted(self.sides["bid"], reverse=True)
        asks = sorted(self.sides["ask"])
        lines = [f"b,{float(rate)!r},{float(self.sides['bid'][rate])!r}\n" for rate in bids]
        lines += [f"a,{float(rate)!r},{float(self.sides['ask'][rate])!r}\n" for rate in asks]
        return {
            "best_bid": float(bids[0]),
            "best_ask": float(asks[0]),
            "bid_levels": len(bids),
            "ask_levels": len(asks),
            "digest": hashlib.sha256("".join(lines).encode()).hexdigest(),
        }


def replayed(pair: str, drop: str = "") -> dict[str, Any]:
    return run_replay(str(recording("BITTREX.ws.1.0")), "bittrex", pair, "max", drop, inline=True)


@pytest.mark.parametrize("pair", PAIRS)
def test_every_market_of_the_session_makes_the_dictionarys_book(pair: str) -> None:
    found = replayed(pair)
    truth = DictionaryBook(pair)
    assert found == found | truth.expected()
    assert (found["applied"], found["gaps"], found["resyncs"], found["crossed"]) == (
        truth.applied,
        0,
        0,
        0,
    )


@pytest.mark.parametrize("drop", ["50-52", "140"])
def test_withheld_frames_are_a_gap_and_a_resync_and_the_book_is_right_again(drop: str) -> None:
    found = replayed("BTC-EUR", drop)
    assert found == found | DictionaryBook("BTC-EUR").expected()
    assert (found["gaps"], found["resyncs"], found["crossed"]) == (1, 1, 0)
