"""What a book channel tells between two frames of it."""

import json
from decimal import Decimal as D
from typing import Any

from trochil.sandbox import dialects
from trochil.sandbox.market.faults import Faults
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.venue import Symbol
from trochil.sandbox.server import Server

PAIR = "BTC-USDT"


def rest(server: Server, price: str) -> Order:
    """A bid of the liquidity provider, of 1."""
    return server.venue.place(
        server.liquidity_provider, PAIR, "buy", "limit", D(1), D(price), server.now_ns()
    )


class Follower:
    """A connection that keeps the frames of its topics."""

    def __init__(self, server: Server, *topics: str) -> None:
        self.topics = set(topics)
        self.dead_topics = set[str]()
        self.account = None
        self.state = {"time_unit_ns": 1, "is_combined": True}
        self.frames: list[Any] = []
        server.connections.add(self)  # type: ignore[arg-type]

    def put(self, build: Any) -> None:
        self.frames.append(json.loads(build(self, 0)))


def test_a_level_that_came_and_went_between_two_frames_is_sent_to_who_saw_it() -> None:
    symbol = Symbol("BTC", "USDT", D("0.01"), D("0.00001"))
    server = Server(dialects.load("binance"), {PAIR: symbol}, rate=0, faults=Faults())
    follower = Follower(server, "btcusdt@depth@100ms")
    rest(server, "100")
    server.send_depth(PAIR)
    order = rest(server, "100.5")
    seen = server.dialect.books.requested(PAIR)
    assert (D("100.5"), D(1)) in seen.bids
    server.venue.cancel(order, server.now_ns())
    follower.frames.clear()
    server.send_depth(PAIR)
    (frame,) = follower.frames
    levels = {D(price): D(size) for price, size in frame["data"]["b"]}
    assert levels == {D("100.5"): 0}, "whoever took the book in between would keep the level"
    assert frame["data"]["U"] <= seen.last_id + 1 <= frame["data"]["u"] + 1
    assert not server.own_errors


def test_a_frame_to_be_dropped_is_one_that_somebody_would_have_got() -> None:
    symbol = Symbol("BTC", "USDC", D("0.01"), D("0.00001"))
    server = Server(dialects.load("hyperliquid"), {"BTC-USDC": symbol}, rate=0, faults=Faults())
    follower = Follower(server)
    server.withheld["BTC-USDC"] = 1
    for topics in (set[str](), {"l4Book:BTC"}, {"l4Book:BTC"}):
        follower.topics = topics
        server.flows["BTC-USDC"].step(server.now_ns())
        server.flows["BTC-USDC"].fill_up(server.now_ns())
        server.send_depth("BTC-USDC")
        if not topics:
            assert server.withheld["BTC-USDC"] == 1, "nobody listened"
    assert (server.withheld["BTC-USDC"], len(follower.frames)) == (0, 1)


def test_only_who_follows_an_account_hears_of_it() -> None:
    symbol = Symbol("BTC", "USDT", D("0.01"), D("0.00001"))
    server = Server(dialects.load("bybit"), {PAIR: symbol}, rate=0, faults=Faults())
    mine = server.new_account("me", {"USDT": "1000"})
    other = server.new_account("you", {"USDT": "1000"})
    followers = [Follower(server, "order"), Follower(server, "order"), Follower(server)]
    for follower, account in zip(followers, (mine, other, mine), strict=True):
        follower.account = account  # type: ignore[assignment]
    server.venue.place(mine, PAIR, "buy", "limit", D(1), D(100), server.now_ns())
    assert [len(follower.frames) for follower in followers] == [1, 0, 0]
    assert not server.own_errors
