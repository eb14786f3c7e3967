"""Books whose channel says nothing: it died, or its market is quiet. Every feed of every venue, in
the sandbox.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import trochil
from exchanges.registry import BUILT_IN, get
from trochil.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
FEEDS = [
    pytest.param(name, feed, id=f"{name}-{feed or 'default'}")
    for name in BUILT_IN
    for feed in ("", *get(name).feeds)
]
PERPETUALS = ("perps", "l4Book")
"""Feeds whose pairs are called after another quote."""


@contextmanager
def following(
    venue: str, feed: str, rate: float
) -> Iterator[tuple[SandboxProcess, Any, list[str], list[str]]]:
    """(sandbox, client, two pairs as we call them, the same as the sandbox does)."""
    with SandboxProcess(venue, seed=3, rate=rate) as sandbox:
        theirs = sandbox.pairs[:2]
        pairs = [f"{p.split('-')[0]}-USD" for p in theirs] if feed in PERPETUALS else theirs
        settings: dict[str, Any] = {"hosts": sandbox.hosts[venue]} | (
            {"feed": feed} if feed else {}
        )
        config = sandbox.config | {"venues": {venue: settings}}
        accounts = {venue: f"file:{sandbox.keys_file}#default"}
        options = {"accounts": accounts, "config": config, "address": "inline"}
        with trochil.connect(venue, pairs=pairs, **options) as client:
            yield sandbox, client, pairs, theirs


def is_the_venues(sandbox: SandboxProcess, view: Any, theirs: str) -> bool:
    bids = sandbox.admin("GET", f"book?pair={theirs}")["bids"][:5]
    ours = view.snapshot(5, stale_ok=True).bids.tolist()
    return bool(ours == [[float(price), float(size)] for price, size in bids])


@pytest.mark.parametrize(("venue", "feed"), FEEDS)
def test_a_book_whose_channel_died_is_not_believed(venue: str, feed: str) -> None:
    """While the channel is dead, the book is LIVE and wrong for two short whiles at most: until
    that is proven, of the first connection and of the one that was opened for it."""
    patience = 12 + 2 * get(venue).with_feed(feed).book.image_interval
    with following(venue, feed, rate=100) as (sandbox, client, pairs, theirs):
        view, other = (client.book(venue, pair) for pair in pairs)
        sandbox.admin("POST", "drop", {"pair": theirs[0], "frames": 10**9})
        time.sleep(0.5)
        wrong: list[float] = []
        began = now = time.monotonic()
        while now - began < 60:
            before = now
            time.sleep(0.2)
            now = time.monotonic()
            if view.state.name == "LIVE" and not is_the_venues(sandbox, view, theirs[0]):
                wrong += [now - before]
        assert sum(wrong) <= 2 * patience
        assert view.state.name != "LIVE"
        assert other.state.name == "LIVE"
        sandbox.admin("POST", "drop", {"pair": theirs[0], "frames": 0})
        deadline = time.monotonic() + 150
        while view.state.name != "LIVE" and time.monotonic() < deadline:
            time.sleep(0.1)
        sandbox.admin("POST", "flow", {"paused": True})
        time.sleep(1)
        assert view.state.name == "LIVE"
        assert is_the_venues(sandbox, view, theirs[0])


@pytest.mark.parametrize(("venue", "feed"), FEEDS)
def test_a_book_is_live_in_one_epoch_through_a_minute_of_quiet(venue: str, feed: str) -> None:
    with following(venue, feed, rate=50) as (sandbox, client, pairs, theirs):
        views = [client.book(venue, pair) for pair in pairs]
        sandbox.admin("POST", "flow", {"paused": True})
        time.sleep(1)
        epochs = [view.epoch for view in views]
        lost = 0
        end = time.monotonic() + 75
        while time.monotonic() < end:
            # STALE is what a process of this machine makes that has to wait.
            lost += sum(view.state.name not in ("LIVE", "STALE") for view in views)
            time.sleep(0.02)
        assert lost == 0
        assert [view.epoch for view in views] == epochs
        sandbox.admin("POST", "flow", {"paused": False})
        time.sleep(1.5)
        sandbox.admin("POST", "flow", {"paused": True})
        time.sleep(1)
        assert [view.epoch for view in views] == epochs
        assert is_the_venues(sandbox, views[0], theirs[0])


def test_a_frame_that_names_no_symbol_breaks_the_books_of_its_connection() -> None:
    with following("coinbase", "level2", rate=20) as (sandbox, client, pairs, theirs):
        views = [client.book("coinbase", pair) for pair in pairs]
        epochs = [view.epoch for view in views]
        sandbox.admin("POST", "say", {"text": '{"type":"l2update","product_i'})
        time.sleep(5)
        assert all(view.epoch > epoch for view, epoch in zip(views, epochs, strict=True))
        assert [view.state.name for view in views] == ["LIVE"] * 2
        sandbox.admin("POST", "flow", {"paused": True})
        time.sleep(1)
        assert is_the_venues(sandbox, views[0], theirs[0])
