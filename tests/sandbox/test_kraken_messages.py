"""What Kraken's sandbox answers to messages and orders that no client should send, and which book
it shows."""

from decimal import Decimal as D
from typing import Any

import pytest

from tests.sandbox.test_dialect import PAIR, Client, use
from trochil.sandbox.dialects import kraken

BOOK = {"channel": "book", "symbol": ["BTC/USDT"]}


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("hello", "Invalid arguments:method"),
        ([], "Invalid arguments:method"),
        ({"method": "fly", "params": BOOK}, "Invalid arguments:method"),
        ({"method": "subscribe"}, "Invalid arguments:params"),
        ({"method": "subscribe", "params": []}, "Invalid arguments:params"),
        ({"method": "subscribe", "params": {}}, "Invalid arguments:channel"),
        ({"method": "subscribe", "params": {"channel": "book"}}, "Invalid arguments:symbol"),
        ({"method": "subscribe", "params": BOOK | {"symbol": [7]}}, "Invalid arguments:symbol"),
        ({"method": "subscribe", "params": BOOK | {"depth": 7}}, "Invalid arguments:depth"),
        ({"method": "subscribe", "params": BOOK | {"symbol": ["NOPE/USD"]}}, "Unknown asset pair"),
        (
            {"method": "subscribe", "params": {"channel": "trade", "symbol": ["NOPE/USD"]}},
            "Unknown asset pair",
        ),
        ({"method": "subscribe", "params": BOOK | {"channel": "level3"}}, "Invalid session"),
        ({"method": "subscribe", "params": {"channel": "executions"}}, "Invalid session"),
        (
            {"method": "subscribe", "params": {"channel": "balances", "token": {}}},
            "Invalid arguments:token",
        ),
    ],
)
def test_a_wrong_message_is_refused_before_anything_is_acknowledged(
    message: Any, error: str
) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/v2") as socket:
            await socket.send_json(message)
            refusal = await socket.receive_json(timeout=5)
            assert (refusal["success"], refusal["error"].split("ESession:")[-1]) == (False, error)
            (connection,) = client.server.connections
            assert connection.topics == set()
            await socket.send_json({"method": "subscribe", "params": BOOK, "req_id": 3})
            assert (await socket.receive_json(timeout=5))["success"]
            assert (await socket.receive_json(timeout=5))["type"] == "snapshot"
        assert client.server.own_errors == []

    use(kraken.Dialect, work)


@pytest.mark.parametrize("path", ["/Depth?pair=XBTUSDT&count=x", "/Depth?pair=XBTUSDT&count=-1"])
def test_a_wrong_parameter_is_named(path: str) -> None:
    async def work(client: Client) -> None:
        answer = await client.get(f"/0/public{path}")
        assert answer == (200, {"error": ["EGeneral:Invalid arguments:count"]})
        assert client.server.own_errors == []

    use(kraken.Dialect, work)


def test_a_requested_book_is_that_of_the_last_frame_also_where_nobody_follows_it() -> None:
    async def work(client: Client) -> None:
        async def best_bid() -> tuple[D, D]:
            _, answer = await client.get("/0/public/Depth?pair=XBTUSDT")
            price, size = answer["result"]["XXBTUSDT"]["bids"][0]
            return D(price), D(size)

        server = client.server
        before = await best_bid()
        best = before[0] + D("0.01")
        server.venue.place(
            server.liquidity_provider, PAIR, "buy", "limit", D(1), best, server.now_ns()
        )
        assert await best_bid() == before
        server.send_depth(PAIR)
        assert await best_bid() == (best, D(1))

    use(kraken.Dialect, work)
