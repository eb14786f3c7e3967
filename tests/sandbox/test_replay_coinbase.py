"""Recorded level2 frames of ten products through real sockets and actors, against slow dictionaries
of the test's."""

import hashlib
import json
from decimal import Decimal

import pytest
from click.testing import CliRunner

from tests.support.recordings import recording
from trochil.commands.main import main
from trochil.commands.replay import run_replay

FILE = "COINBASE.ws.28.0"
PRODUCTS = {
    "BAND-BTC", "BAND-GBP", "CRV-EUR", "DASH-BTC", "NMR-EUR", "NU-GBP", "SKL-BTC", "SKL-GBP",
    "SKL-USD", "YFI-BTC",
}  # fmt: skip


class DictionaryBook:
    """A snapshot, then changes with absolute sizes; exact numbers until the very end."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"buy": {}, "sell": {}}
        self.applied = 0

    def take(self, frame: dict) -> None:  # type: ignore[type-arg]
        if frame["type"] == "snapshot":
            for side, name in (("buy", "bids"), ("sell", "asks")):
                self.sides[side] = {Decimal(price): Decimal(size) for price, size in frame[name]}
        elif frame["type"] == "l2update":
            self.applied += 1
            for side, price, size in frame["changes"]:
                self.sides[side].pop(Decimal(price), None)
                if Decimal(size):
                    self.sides[side][Decimal(price)] = Decimal(size)

    @property
    def digest(self) -> str:
        bids = self.sides["buy"]
        asks = self.sides["sell"]
        lines = [
            f"b,{float(price)!r},{float(bids[price])!r}\n" for price in sorted(bids, reverse=True)
        ]
        lines += [f"a,{float(price)!r},{float(asks[price])!r}\n" for price in sorted(asks)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.fixture(scope="module")
def truth() -> dict[str, DictionaryBook]:
    books: dict[str, DictionaryBook] = {}
    for line in recording(FILE).read_text().splitlines():
        stamp, _, payload = line.partition(": ")
        if stamp.replace(".", "").isdigit() and "product_id" in (frame := json.loads(payload)):
            books.setdefault(frame["product_id"], DictionaryBook()).take(frame)
    return books


@pytest.mark.parametrize("product", sorted(PRODUCTS))
def test_every_book_of_the_session_is_the_dictionarys(
    truth: dict[str, DictionaryBook], product: str
) -> None:
    assert set(truth) == PRODUCTS
    book = truth[product]
    found = run_replay(
        str(recording(FILE)), "coinbase", product, "max", "", inline=True, feed="level2"
    )
    assert found == {
        "applied": book.applied,
        "dropped_before_snapshot": 0,
        "gaps": 0,
        "resyncs": 0,
        "crossed": 0,
        "best_bid": float(max(book.sides["buy"])),
        "best_ask": float(min(book.sides["sell"])),
        "bid_levels": len(book.sides["buy"]),
        "ask_levels": len(book.sides["sell"]),
        "digest": book.digest,
    }


def test_the_command_line_replays_a_feed(truth: dict[str, DictionaryBook]) -> None:
    command = [
        "replay",
        str(recording(FILE)),
        "--exchange",
        "coinbase",
        "--pair",
        "SKL-USD",
        "--feed",
        "level2",
    ]
    ended = CliRunner().invoke(main, [*command, "--inline", "--json"])
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["digest"] == truth["SKL-USD"].digest


def test_an_unknown_feed_is_said_before_anything_starts() -> None:
    command = [
        "replay",
        "/nowhere",
        "--exchange",
        "coinbase",
        "--pair",
        "SKL-USD",
        "--feed",
        "level3",
    ]
    ended = CliRunner().invoke(main, [*command, "--inline"])
    assert ended.exit_code == 2
    assert "coinbase has no feed 'level3'; it has level2, level2_batch" in ended.output
