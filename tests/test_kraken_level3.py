"""Kraken's order-by-order book against the sandbox: the conformance cases of books, by the feed ``level3``."""

import time
from collections.abc import Iterator

import pytest

import trochil
from exchanges.kraken import KRAKEN
from trochil.conformance.cases import CASES
from trochil.conformance.desk import Desk
from trochil.sandbox.process import SandboxProcess

BOOKS = """snapshot_and_diffs book_equals_the_venue gap_resync replay_is_idempotent checksum_mismatch
    trades_have_the_takers_side unknown_frame reconnect"""


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with SandboxProcess("kraken", seed=11, rate=20) as sandbox:
        config = {**sandbox.config, "deployment": "kraken-level3"}
        config["venues"]["kraken"]["feed"] = "level3"
        pairs = sandbox.pairs[:2]
        accounts = {"kraken": f"file:{sandbox.keys_file}#default"}
        with trochil.connect("kraken", pairs=pairs, accounts=accounts, config=config, address="inline") as client:
            found = Desk(KRAKEN, client, pairs[0], sandbox)
            found.rules = client.rules("kraken")
            begun(found)
            yield found


def begun(desk: Desk) -> None:
    """Wait until the first snapshots are there: that of the subscription, and that which the tracker asked for."""
    view, seen, since = desk.live(), 0, time.monotonic()
    while time.monotonic() - since < 1.5:
        if view.epoch != seen:
            seen, since = view.epoch, time.monotonic()
        time.sleep(0.05)


@pytest.mark.parametrize("case", BOOKS.split())
def test_books_by_order(desk: Desk, case: str) -> None:
    CASES[case].run(desk)


def test_the_book_is_made_of_orders_and_its_checksum_holds(desk: Desk) -> None:
    view = desk.live()
    before = view.counters["applied"]
    desk.until(lambda: view.counters["applied"] > before + 20, "twenty changes")
    assert view.counters["gaps"] <= 4, "checksums that should hold do not"
