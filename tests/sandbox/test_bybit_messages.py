"""What Bybit's sandbox answers to messages that no client should send."""

from typing import Any

import pytest

from tests.sandbox.test_dialect import Client, use
from trochil.sandbox.dialects import bybit

TOPIC = "orderbook.50.BTCUSDT"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v5/public/spot", "hello"),
        ("/v5/public/spot", []),
        ("/v5/public/spot", {"args": []}),
        ("/v5/public/spot", {"op": "subscribe", "args": [7]}),
        ("/v5/public/spot", {"op": "subscribe", "args": TOPIC}),
        ("/v5/public/spot", {"op": "subscribe", "args": [TOPIC, "orderbook.50.NOSUCH"]}),
        ("/v5/public/spot", {"op": "fly", "args": [TOPIC]}),
        ("/v5/private", {"op": "auth"}),
        ("/v5/private", {"op": "auth", "args": ["key"]}),
        ("/v5/private", {"op": "auth", "args": ["key", 1, "signature"]}),
        ("/v5/private", {"op": "subscribe", "args": ["order"]}),
    ],
)
def test_a_wrong_message_is_refused_and_the_connection_lives(path: str, message: Any) -> None:
    async def work(client: Client) -> None:
        async with client.socket(path) as socket:
            await socket.send_json(message)
            refusal = await socket.receive_json(timeout=5)
            assert refusal["success"] is False
            assert refusal["ret_msg"]
            await socket.send_json({"op": "ping", "req_id": "7"})
            pong = await socket.receive_json(timeout=5)
            assert pong["req_id"] == "7"
            if path == "/v5/private":
                assert (pong["op"], len(pong["args"])) == ("pong", 1)
            else:
                assert (pong["op"], pong["success"], pong["ret_msg"]) == ("ping", True, "pong")
        assert not client.server.own_errors

    use(bybit.Dialect, work)


def test_the_frames_of_each_depth_are_numbered_on_their_own() -> None:
    async def work(client: Client) -> None:
        topics = ["orderbook.50.BTCUSDT", "orderbook.200.BTCUSDT"]
        async with client.socket("/v5/public/spot") as socket:
            await socket.send_json({"op": "subscribe", "args": topics})
            assert (await socket.receive_json(timeout=5))["success"]
            last = {}
            for topic in topics:
                frame = await socket.receive_json(timeout=5)
                assert (frame["topic"], frame["type"]) == (topic, "snapshot")
                last[topic] = frame["data"]["u"]
            for flow in client.server.flows.values():
                for _ in range(20):
                    flow.step(client.server.now_ns())
            client.server.send_depth("BTC-USDT")
            for topic in topics:
                frame = await socket.receive_json(timeout=5)
                assert (frame["topic"], frame["type"]) == (topic, "delta")
                assert frame["data"]["u"] == last[topic] + 1
        assert not client.server.own_errors

    use(bybit.Dialect, work)
