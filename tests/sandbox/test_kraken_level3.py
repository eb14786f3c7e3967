"""Kraken's order-by-order book against the sandbox: the conformance cases of books, by the feed
``level3``."""

from collections.abc import Iterator

import pytest

from exchanges.kraken import KRAKEN
from trochil.conformance.cases import CASES
from trochil.conformance.venue_harness import VenueHarness, sandbox_harness

BOOKS = """snapshot_and_diffs book_equals_the_venue gap_resync replay_is_idempotent
    checksum_mismatch trades_have_the_takers_side unknown_frame reconnect"""


@pytest.fixture(scope="module")
def harness() -> Iterator[VenueHarness]:
    with sandbox_harness(KRAKEN, "level3") as found:
        yield found


@pytest.mark.parametrize("case", BOOKS.split())
def test_books_by_order(harness: VenueHarness, case: str) -> None:
    CASES[case].run(harness)


def test_the_book_is_made_of_orders_and_its_checksum_holds(harness: VenueHarness) -> None:
    view = harness.live()
    before = view.counters["applied"]
    harness.until(lambda: view.counters["applied"] > before + 20, "twenty changes")
    assert view.counters["gaps"] <= 4, "checksums that should hold do not"
