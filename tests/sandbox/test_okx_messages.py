"""What OKX's sandbox answers to messages and orders that no client should send."""

from typing import Any

import pytest

from tests.sandbox.test_dialect import Client, use
from trochil.sandbox.dialects import okx

BOOK = {"channel": "books", "instId": "BTC-USDT"}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello", "60012"),
        ([], "60012"),
        ({"op": "subscribe"}, "60013"),
        ({"op": "subscribe", "args": [7]}, "60013"),
        ({"op": "subscribe", "args": [{"instId": "BTC-USDT"}]}, "60018"),
        ({"op": "fly", "args": [BOOK]}, "60019"),
        ({"op": "subscribe", "args": [BOOK | {"instId": "NO-SUCH"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "orders", "instType": "SPOT"}]}, "60018"),
        ({"op": "login", "args": [{}]}, "60004"),
        ({"op": "login", "args": [{"apiKey": "x", "timestamp": "soon"}]}, "60004"),
    ],
)
def test_a_wrong_message_is_refused_and_the_connection_lives(message: Any, code: str) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws/v5/public") as socket:
            await socket.send_json(message)
            refusal = await socket.receive_json(timeout=5)
            assert (refusal["event"], refusal["code"]) == ("error", code)
            await socket.send_json({"op": "subscribe", "args": [BOOK]})
            assert (await socket.receive_json(timeout=5))["event"] == "subscribe"
            frame = await socket.receive_json(timeout=5)
            assert (frame["action"], frame["data"][0]["prevSeqId"]) == ("snapshot", -1)
        assert not client.server.own_errors

    use(okx.Dialect, work)


@pytest.mark.parametrize(
    "path",
    ["/market/books?instId=BTC-USDT&sz=x", "/market/trades?instId=BTC-USDT&limit=-1"],
)
def test_a_wrong_parameter_is_named(path: str) -> None:
    async def work(client: Client) -> None:
        status, answer = await client.get(f"/api/v5{path}")
        assert (status, answer["code"], answer["data"]) == (200, "51000", [])
        name = path.rpartition("&")[2].partition("=")[0]
        assert answer["msg"] == f"Parameter {name} error"
        assert not client.server.own_errors

    use(okx.Dialect, work)
