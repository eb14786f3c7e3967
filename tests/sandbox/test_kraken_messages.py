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
        ("hello", "Malformed request"),
        ([], "Malformed request"),
        ({"method": "fly", "params": BOOK}, "Unsupported event"),
        ({"params": BOOK}, "Unsupported event"),
        ({"method": "ping", "req_id": "x"}, "Req_id field must be a number_integer"),
        ({"method": "subscribe"}, "Params(s) not found"),
        ({"method": "subscribe", "params": []}, "Params field must be a object"),
        ({"method": "subscribe", "params": {}}, "Channel(s) not found"),
        ({"method": "subscribe", "params": {"channel": "book"}}, "Symbol(s) not found"),
        ({"method": "subscribe", "params": BOOK | {"symbol": []}}, "Symbol(s) not found"),
        (
            {"method": "subscribe", "params": BOOK | {"symbol": [7]}},
            "Symbol field must be a array",
        ),
        (
            {"method": "subscribe", "params": BOOK | {"depth": 7}},
            "Subscription depth not supported",
        ),
        (
            {"method": "subscribe", "params": BOOK | {"symbol": ["NOPE/USD"]}},
            "Currency pair not supported NOPE/USD",
        ),
        (
            {"method": "subscribe", "params": {"channel": "trade", "symbol": [""]}},
            "Currency pair not supported ",
        ),
        (
            {"method": "subscribe", "params": {"channel": "trade", "symbol": ["NOPE/USD"]}},
            "Currency pair not supported NOPE/USD",
        ),
        ({"method": "subscribe", "params": BOOK | {"channel": "level3"}}, "Token(s) not found"),
        ({"method": "subscribe", "params": {"channel": "executions"}}, "Token(s) not found"),
        (
            {"method": "subscribe", "params": {"channel": "executions", "token": "x"}},
            "ESession:Invalid session",
        ),
        (
            {"method": "subscribe", "params": {"channel": "balances", "token": {}}},
            "Token field must be a string",
        ),
    ],
)
def test_a_wrong_message_is_refused_before_anything_is_acknowledged(
    message: Any, error: str
) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/v2") as socket:
            assert (await socket.receive_json(timeout=5))["channel"] == "status"
            await socket.send_json(message)
            refusal = await socket.receive_json(timeout=5)
            assert (refusal["success"], refusal["error"]) == (False, error)
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
            price, size, _ = answer["result"]["XXBTUSDT"]["bids"][0]
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
