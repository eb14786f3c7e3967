"""Recorded images of HTX through real sockets and actors, against books that a few lines of this
file make of them."""

import ast
import gzip
import hashlib
import json
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from tests.support.recordings import recording
from trochil.commands.replay import run_replay

FILE = "HUOBI.ws.44.0"
PAIRS = {
    "TRIO-ETH": 26, "BOR-USDT": 27, "OMG-BTC": 31, "XVG-ETH": 31, "YFI-HUSD": 31, "ZEN-ETH": 31,
    "DOGE-ETH": 30,
    "FIL3S-USDT": 31, "PROPY-ETH": 25, "NEST-ETH": 29,
}  # fmt: skip


@cache
def frames() -> list[dict[str, Any]]:
    found = []
    for line in recording(FILE).read_text().splitlines():
        stamp, _, payload = line.partition(": ")
        if stamp.replace(".", "").isdigit() and payload.startswith("b"):
            found.append(
                json.loads(gzip.decompress(ast.literal_eval(payload)), parse_float=Decimal)
            )
    return found


def images(pair: str) -> list[dict[str, Any]]:
    topic = f"market.{pair.replace('-', '').lower()}.depth.step0"
    return [frame["tick"] for frame in frames() if frame.get("ch") == topic]


def digest(tick: dict[str, Any]) -> str:
    sides = (("b", sorted(tick["bids"], reverse=True)), ("a", sorted(tick["asks"])))
    rows = [
        f"{side},{float(price)!r},{float(size)!r}\n"
        for side, levels in sides
        for price, size in levels
    ]
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def test_the_recording_is_what_it_is_said_to_be() -> None:
    assert {pair: len(images(pair)) for pair in PAIRS} == PAIRS
    assert sum(PAIRS.values()) == 292


@pytest.mark.parametrize("pair", PAIRS)
def test_the_last_image_is_the_book(pair: str) -> None:
    found = run_replay(str(recording(FILE)), "htx", pair, "max", "", inline=True, feed="step0")
    last = images(pair)[-1]
    assert found["digest"] == digest(last)
    assert found["applied"] == PAIRS[pair]
    assert (found["gaps"], found["resyncs"], found["crossed"]) == (0, 0, 0)
    assert (found["bid_levels"], found["ask_levels"]) == (len(last["bids"]), len(last["asks"]))
    assert (found["best_bid"], found["best_ask"]) == (
        float(last["bids"][0][0]),
        float(last["asks"][0][0]),
    )


def test_an_image_that_is_lost_is_made_good_by_the_next() -> None:
    found = run_replay(
        str(recording(FILE)), "htx", "OMG-BTC", "max", "5-9", inline=True, feed="step0"
    )
    assert found["digest"] == digest(images("OMG-BTC")[-1])
    assert found["resyncs"] == 0
