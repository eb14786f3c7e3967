"""Coinbase's books of levels, by the setting feed, against the sandbox: which of them need a login, and when."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import trochil
from exchanges.registry import get
from orderbook.messages import BookState
from trochil.conformance.desk import Desk
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox


@contextmanager
def desk(feed: str, key: bool, **sandbox: Any) -> Iterator[Desk]:
    with SandboxProcess("coinbase", seed=5, rate=20, **sandbox) as venue:
        venues = {"coinbase": {"hosts": venue.hosts["coinbase"], "feed": feed}}
        config = venue.config | {"deployment": f"coinbase-{feed}", "venues": venues}
        accounts = {"coinbase": f"file:{venue.keys_file}#default"} if key else None
        options = {"accounts": accounts, "config": config, "address": "inline"}
        with trochil.connect("coinbase", pairs=venue.pairs[:1], **options) as client:
            yield Desk(get("coinbase"), client, venue.pairs[0], venue)


@pytest.mark.parametrize(
    ("feed", "key"), [("", True), ("level2", True), ("level2_batch", True), ("level2_batch", False)]
)
def test_every_book_equals_the_venues(feed: str, key: bool) -> None:
    with desk(feed, key) as found:
        view = found.live()
        found.until(lambda: view.counters["applied"] > 3, "some changes")
        found.must_equal_the_venue()


def test_a_snapshot_that_stayed_away_is_asked_for_with_another_login() -> None:
    with desk("level2", key=True, faults="withhold_snapshot=1") as found:
        found.live()
        found.must_equal_the_venue()
        assert found.sandbox.admin("GET", "status")["faults_done"] == {"withhold_snapshot": 1}


@pytest.mark.parametrize("feed", ["", "level2"])
def test_without_a_key_a_book_that_needs_one_never_lives(feed: str) -> None:
    with desk(feed, key=False) as found:
        with pytest.raises(trochil.NotReady):
            found.client.book("coinbase", found.pair, timeout=2)
        assert not [view for view in found.client.books() if view.state is BookState.LIVE]
