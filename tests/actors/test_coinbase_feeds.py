"""Coinbase's level books, by the setting feed, in the sandbox: which need a login, and when."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import trochil
from exchanges.registry import get
from orderbook.messages import BookState
from trochil.conformance.venue_harness import VenueHarness
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox


@contextmanager
def harness(feed: str, key: bool, **sandbox: Any) -> Iterator[VenueHarness]:
    with SandboxProcess("coinbase", seed=5, rate=20, **sandbox) as venue:
        venues = {"coinbase": {"hosts": venue.hosts["coinbase"], "feed": feed}}
        config = venue.config | {"deployment": f"coinbase-{feed}", "venues": venues}
        accounts = {"coinbase": f"file:{venue.keys_file}#default"} if key else None
        options = {"accounts": accounts, "config": config, "address": "inline"}
        with trochil.connect("coinbase", pairs=venue.pairs[:1], **options) as client:
            yield VenueHarness(get("coinbase"), client, venue.pairs[0], venue)


@pytest.mark.parametrize(
    ("feed", "key"), [("", True), ("level2", True), ("level2_batch", True), ("level2_batch", False)]
)
def test_every_book_equals_the_venues(feed: str, key: bool) -> None:
    with harness(feed, key) as found:
        view = found.live()
        found.until(lambda: view.counters["applied"] > 3, "some changes")
        found.must_equal_the_venue()


def test_a_snapshot_that_stayed_away_is_asked_for_with_another_login() -> None:
    with harness("level2", key=True, faults="withhold_snapshot=1") as found:
        found.live()
        found.must_equal_the_venue()
        assert found.sandbox.admin("GET", "status")["faults_done"] == {"withhold_snapshot": 1}


@pytest.mark.parametrize("feed", ["", "level2"])
def test_without_a_key_a_book_that_needs_one_never_lives(feed: str) -> None:
    with harness(feed, key=False) as found:
        with pytest.raises(trochil.NotReady):
            found.client.book("coinbase", found.pair, timeout=2)
        assert not [view for view in found.client.books() if view.state is BookState.LIVE]
